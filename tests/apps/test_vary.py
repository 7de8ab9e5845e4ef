"""`flowmusic vary`: the source at 0, what is kept and replaced, and a line for whatever cannot be varied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from flowmusic.hashes import of_file
from flowmusic.takes import stored
from tests.apps.conftest import tone
from tests.generate.tiny import RATE
from tests.interop import checkpoints
from tests.model import tiny_t5

pytestmark = pytest.mark.usefixtures("ears")


@pytest.fixture
def source(here: Path, model: Generator) -> Path:
    """A take of 2 s."""
    model.name = "nano"
    model.weights.update(model="m1", codec="c1")
    argv = ["generate", "warm", "--chords", "C Am", "--bpm", "120", "--seconds", "2", "--seed", "4", "--quiet"]
    assert main(argv) == 0
    return Path("take.wav")


@pytest.fixture
def song(here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording in stereo of another rate, in which C is heard all along."""
    from feature_extractors import run
    from flowmusic.annotations.annotation import Annotations

    class Found(run.Extraction):
        annotations = Annotations(1.5, chords=((0.0, 1.5, "C"),))  # type: ignore[assignment]

    monkeypatch.setattr(
        run, "extract", lambda audio, extractors, use, progress: Found(1.5, None, None, None, None, None)
    )
    both = torch.stack([tone(330.0, 1.5), tone(440.0, 1.5)], 1)
    soundfile.write("song.flac", both[:23_999].numpy(), 16_000, "PCM_24")
    return Path("song.flac")


def vary(*argv: str, record: str = "vary.json") -> dict[str, Any]:
    assert main(["vary", *argv]) == 0
    found: dict[str, Any] = json.loads(Path(record).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("slider", ["--variation", "--strength", "--morph"])
def test_zero_gives_the_file_of_the_source(source: Path, slider: str) -> None:
    words = [] if slider == "--variation" else ["loud"]
    record = vary("take.wav", *words, slider, "0", "--seed", "1")
    assert Path("vary.wav").read_bytes() == source.read_bytes()
    assert record["vary"]["way"] == slider[2:] and record["vary"]["amount"] == 0.0
    kept = stored.read(Path("vary.latents"))
    assert torch.equal(kept.latents, stored.read(Path("take.latents")).latents)


def test_zero_gives_a_recording_without_the_codec(song: Path) -> None:
    vary("song.flac", "loud", "--strength", "0", "--out", "same.flac", record="same.json")
    assert Path("same.flac").read_bytes() == song.read_bytes()
    vary("song.flac", "loud", "--strength", "0", "--out", "same.wav", record="same.json")
    again = soundfile.read("same.wav")[0]
    assert abs(again - soundfile.read("song.flac")[0]).max() < 2**-15


def test_words_change_and_symbols_stay(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = of_file(source)
    record = vary("take.json", "loud", "--seed", "5")
    assert record["source"] == {"name": "take.wav", "sha256": before, "model": "nano", "seed": 4}
    assert record["vary"] == {"way": "strength", "amount": 0.6, "kept": ["beats", "chords"], "free": []}
    assert record["text"] == "loud" and record["controls"]["chords_text"] == "C Am" and record["seed"] == 5
    assert record["controls"]["bpm"] == 120.0 and record["adherence"]["chord_acc"] == 1.0
    assert len(soundfile.read("vary.wav")[0]) == 2 * RATE and of_file(source) == before
    first = Path("vary.wav").read_bytes()
    vary("take.wav", "loud", "--preset", "style", "--seed", "5", "--quiet")
    assert Path("vary.wav").read_bytes() == first


def test_new_chords_lie_on_the_beats_of_the_source_and_what_is_let_go_is_gone(source: Path) -> None:
    record = vary("take.wav", "--morph", "0.8", "--chords", "F", "--seed", "5")
    assert record["controls"]["chords"] == [[0.0, 2.0, "F"]] and record["vary"]["kept"] == ["beats", "text"]
    assert record["text"] == "warm" and record["controls"]["bpm"] == 120.0
    record = vary("take.wav", "--strength", "0.8", "--free", "all", "--seed", "5")
    assert record["vary"]["kept"] == [] and record["text"] is None and record["controls"]["chords"] is None


def test_a_variation_with_one_is_the_take_of_its_seed(source: Path, model: Generator) -> None:
    record = vary("take.wav", "--variation", "1", "--seed", "11")
    assert record["vary"]["kept"] == ["beats", "chords", "text"] and record["guidance"] == {"all": 2.0}
    main(["generate", "warm", "--chords", "C Am", "--bpm", "120", "--seconds", "2", "--seed", "11", "--out", "b.wav"])
    # Their tags tell one from the other.
    varied, drawn = (soundfile.read(name)[0] for name in ("vary.wav", "b.wav"))
    assert np.array_equal(varied, drawn)
    assert main(["vary", "take.wav", "--variation", "0.2", "--count", "2", "--seed", "8", "--quiet"]) == 0
    seeds = [json.loads(Path(f"vary-{n}.json").read_text())["seed"] for n in (1, 2)]
    assert seeds == [8, 9] and Path("vary-1.wav").read_bytes() != Path("vary-2.wav").read_bytes()


def test_a_recording_keeps_its_length_and_rate(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = vary("song.flac", "loud", "--strength", "0.5", "--best-of", "2", "--seed", "1")
    samples, rate = soundfile.read("vary.wav", always_2d=True)
    assert (rate, samples.shape) == (16_000, (23_999, 1)) and record["sample_rate"] == 16_000
    assert "codec_error_db" in record["source"] and record["choice"]["takes"] == 2
    err = capsys.readouterr().err
    assert "is encoded for this" in err and "makes one channel, song.flac has 2" in err


Change = Callable[[Path, Generator], None]


def changed(key: str, value: object) -> Change:
    def change(path: Path, model: Generator) -> None:
        record = json.loads(Path("take.json").read_text())
        record[key] = value
        Path("take.json").write_text(json.dumps(record))

    return change


def unchanged(path: Path, model: Generator) -> None:
    pass


def without_latents(path: Path, model: Generator) -> None:
    Path("take.latents").unlink()


def without_record(path: Path, model: Generator) -> None:
    Path("take.json").unlink()


def reversed_sound(path: Path, model: Generator) -> None:
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[::-1], rate)


def another_codec(path: Path, model: Generator) -> None:
    model.weights["codec"] = "c2"


def another_model(path: Path, model: Generator) -> None:
    model.weights["model"] = "m2"


BAD: list[tuple[str, Change, list[str], list[str]]] = [
    ("above one", unchanged, ["--strength", "1.5"], ["--strength", "1.5", "between 0 and 1"]),
    ("below zero", unchanged, ["--morph=-0.1"], ["--morph", "-0.1"]),
    ("no number", unchanged, ["--variation", "nan"], ["--variation", "nan"]),
    ("two sliders", unchanged, ["--strength", "0.5", "--morph", "0.5"], ["--strength and --morph", "give one of"]),
    ("preset and slider", unchanged, ["--preset", "style", "--morph", "1"], ["--morph and --preset"]),
    ("preset", unchanged, ["--preset", "wild"], ["wild", "timbre"]),
    ("words for a variation", unchanged, ["loud", "--variation", "0.5"], ["TEXT has no place", "--strength"]),
    ("chords for a variation", unchanged, ["--variation", "0.5", "--chords", "F"], ["--chords has no place"]),
    ("steps for a variation", unchanged, ["--variation", "0.5", "--steps", "2"], ["--steps has no place"]),
    ("nothing to morph", unchanged, ["--morph", "0.5"], ["--morph", "give TEXT"]),
    ("other seconds", unchanged, ["--strength", "0.5", "--seconds", "4"], ["--seconds"]),
    ("unknown chord", unchanged, ["--chords", "C Hm"], ["Hm", "bar 2"]),
    ("free stranger", unchanged, ["--free", "lyrics"], ["lyrics", "chords, melody"]),
    ("over the source", unchanged, ["--out", "take.wav"], ["take.wav", "another name"]),
    ("over the record", unchanged, ["--out", "take.flac"], ["take.flac", "another name"]),
    ("another codec", another_codec, ["loud", "--model", "nano"], ["a source of another model", "codec"]),
    ("variation by other weights", another_model, ["--variation", "0.5"], ["other weights", "--strength"]),
    ("variation of a recording", without_record, ["--variation", "0.5"], ["recording", "--strength"]),
    ("variation without latents", without_latents, ["--variation", "0.5"], ["no latents", "--strength"]),
    ("variation of what was changed", reversed_sound, ["--variation", "0.5"], ["was changed", "--strength"]),
    ("variation of an edit", changed("edits", [{}]), ["--variation", "0.5"], ["was edited", "--strength"]),
    ("variation of another seed", changed("seed", 5), ["--variation", "0.5"], ["another one", "--strength"]),
    ("damaged seed", changed("seed", []), ["--variation", "0.5"], ["does not tell how", "--strength"]),
    ("damaged guidance", changed("guidance", 3), ["--variation", "0.5"], ["does not tell how"]),
    (
        "other shares",
        changed("guided_channels", [[8.0, 0.5]]),
        ["--variation", "0.5"],
        ["guided_channels [[8.0, 0.5]]"],
    ),
    ("damaged adapters", changed("adapters", 3), ["--variation", "0.5"], ["adapter"]),
    ("a model that is gone", changed("model", "mega"), ["loud"], ["mega", "give --model"]),
]


@pytest.mark.parametrize(("change", "argv", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_cannot_be_done_is_one_line(
    source: Path, model: Generator, change: Change, argv: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    change(source, model)
    before = {path.name: of_file(path) for path in Path(".").iterdir()}
    capsys.readouterr()
    assert main(["vary", "take.wav", *argv]) == 2
    out, err = capsys.readouterr()
    line = err.strip().splitlines()[-1]
    assert out == "" and len(line) <= 500 and all(part in line for part in said), line
    assert {path.name: of_file(path) for path in Path(".").iterdir()} == before


def test_a_copy_without_its_record_is_a_recording(source: Path, song: Path) -> None:
    shutil.copy("take.wav", "copy.wav")
    assert "seed" not in vary("copy.wav", "loud", "--strength", "0.3")["source"]


def test_published_checkpoints_vary_too(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = checkpoints.write(tmp_path_factory.mktemp("published"))
    tiny_t5.write(folder / "t5-base", width=12)
    quick = ["--model", str(folder), "--steps", "1", "--quiet", "--no-latents"]
    # Longer than a window: the second goes on from what was made of the first.
    argv = ["generate", "slow", "--chords", "0:C", "--seconds", "11", "--seed", "5", "--solver", "euler"]
    assert main([*argv, *quick[:-1]]) == 0
    for slider in ("--strength", "--morph"):
        record = vary("take.wav", "fast", slider, "0.8", "--seed", "1", *quick)
        assert record["vary"]["kept"] == ["chords"] and record["text"] == "fast"
        info = soundfile.info("vary.wav")
        assert (info.frames, info.samplerate) == (11 * checkpoints.RATE, checkpoints.RATE)
        assert Path("vary.wav").read_bytes() != Path("take.wav").read_bytes()
