"""`flowmusic edit` and `flowmusic extend`: what stays, what is recorded, what is refused; on a tiny model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from flowmusic.takes import stored
from flowmusic.types import Controls
from tests.generate.tiny import RATE

pytestmark = pytest.mark.usefixtures("ears", "named")


@pytest.fixture
def named(model: Generator) -> None:
    """A take's record names its model, which is looked for by that name."""
    model.name = "nano"


@pytest.fixture
def take(here: Path, model: Generator) -> Path:
    """Two bars of 4/4 at 120: 4 s, in chords."""
    flags = ["--chords", "C Am", "--bpm", "120", "--seconds", "4", "--seed", "4", "--quiet"]
    assert main(["generate", "warm", *flags]) == 0
    return Path("take.wav")


def made(name: str, *flags: str) -> dict[str, Any]:
    """Run a command; the record of what it made."""
    assert main([*flags, "--quiet", "--out", name]) == 0
    record: dict[str, Any] = json.loads(Path(name).with_suffix(".json").read_text())
    return record


def whole(path: str | Path) -> np.ndarray:
    return soundfile.read(str(path), dtype="int32", always_2d=True)[0]


def test_a_bar_of_a_take(take: Path, model: Generator) -> None:
    record = made("edit.wav", "edit", "take.wav", "bright", "--bars", "2", "--chords", "F G", "--seed", "9")
    old, new = whole("take.wav"), whole("edit.wav")
    assert soundfile.info("edit.wav").subtype == "PCM_16" and old.shape == new.shape
    assert np.array_equal(old[: 2 * RATE], new[: 2 * RATE]) and not np.array_equal(old[2 * RATE :], new[2 * RATE :])
    assert record["source"]["name"] == "take.wav" and record["source"]["seed"] == 4
    assert record["source"]["sha256"] == hashlib.sha256(take.read_bytes()).hexdigest()
    (edit,) = record["edits"]
    assert edit == {"edit": [[2.0, 4.0]], "text": "bright", "chords_text": "F G", "model": "nano", "seed": 9}
    assert record["text"] == "warm" and record["seed"] == 9 and record["seconds"] == 4.0
    # "F G" begins with the region's first bar; what is before it is the take's own.
    assert [label for _, _, label in record["controls"]["chords"]] == ["C", "F"]
    # Judged inside alone: F is asked there, and the listener hears C everywhere.
    assert record["adherence"]["chord_acc"] == 0.0 and [bar["bar"] for bar in record["adherence"]["bars"]] == [2]
    kept, before = stored.read(Path("edit.latents")), stored.read(Path("take.latents"))
    assert torch.equal(kept.latents[:, :50], before.latents[:, :50])
    assert kept.controls.text == ("warm",), "the words of a region are not those of the piece"


def test_edits_follow_one_another(take: Path, model: Generator) -> None:
    made("one.wav", "edit", "take.wav", "--start", "0", "--end", "1", "--seed", "1")
    record = made("two.wav", "edit", "one.json", "--start", "3", "--seed", "2")
    assert [edit["edit"] for edit in record["edits"]] == [[[0.0, 1.0]], [[3.0, 4.0]]]
    assert [edit["seed"] for edit in record["edits"]] == [1, 2] and "codec_error_db" not in record["source"]
    assert np.array_equal(whole("one.wav")[: 3 * RATE], whole("two.wav")[: 3 * RATE])
    # The same edit again is the same file.
    made("again.wav", "edit", "one.wav", "--start", "3", "--seed", "2")
    assert Path("again.wav").read_bytes() == Path("two.wav").read_bytes()


def test_several_regions_takes_and_tries(take: Path, model: Generator) -> None:
    flags = ["edit", "take.wav", "--start", "0.5", "--end", "1", "--start", "2.5", "--end", "-1", "--seed", "3"]
    assert main([*flags, "--count", "2", "--best-of", "2", "--quiet", "--out", "e.flac"]) == 0
    old = whole("take.wav")
    for number in (1, 2):
        new = whole(f"e-{number}.flac")
        same = (old == new)[:, 0]
        assert same[: RATE // 2].all() and same[RATE : 5 * RATE // 2].all() and not same[3 * RATE :].all()
        choice = json.loads(Path(f"e-{number}.json").read_text())["choice"]
        assert choice["takes"] == 2 and len(choice["by_seed"]) == 2


def test_what_is_let_go_and_what_is_kept(take: Path, model: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Controls] = []
    from flowmusic.generate import edit

    def watched(model: Generator, latents: torch.Tensor, controls: Controls, *more: Any, **rest: Any) -> Any:
        asked.append(controls)
        return fill(model, latents, controls, *more, **rest)

    fill = edit.fill
    monkeypatch.setattr(edit, "fill", watched)
    made("a.wav", "edit", "take.wav", "--bars", "1", "--free", "chords")
    made("b.wav", "edit", "take.wav", "--bars", "1", "--free", "all")
    made("c.wav", "edit", "take.wav", "--bars", "1")
    first, second, third = asked
    assert first.tracks["chords"].known[0].tolist() == [False] * 50 + [True] * 50
    assert bool(first.tracks["beats"].known.all()) and first.text == ("warm",)
    assert not second.tracks["beats"].known[0, :50].any() and second.text == (None,)
    assert bool(third.tracks["chords"].known.all())


@pytest.fixture
def song(here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stereo at 44.1 kHz in 24 bits, 6 s: a recording that is not ours, heard to be in C at 120."""
    from feature_extractors import run
    from flowmusic.annotations.annotation import Annotations

    class Found(run.Extraction):
        annotations = Annotations(  # type: ignore[assignment]
            6.0,
            chords=((0.0, 6.0, "C"),),
            beats=tuple(0.25 + 0.5 * n for n in range(12)),
            downbeats=(0.25, 2.25, 4.25),
        )

    monkeypatch.setattr(run, "extract", lambda *more, **rest: Found(6.0, None, None, None, None, None))
    time = np.arange(6 * 44_100) / 44_100
    both = np.stack([0.5 * np.sin(2 * np.pi * 220 * time), 0.4 * np.sin(2 * np.pi * 331 * time)], 1)
    soundfile.write("song.wav", both, 44_100, subtype="PCM_24")
    return Path("song.wav")


@pytest.mark.parametrize("kind", ["PCM_16", "PCM_24", "FLOAT", "PCM_U8"])
def test_a_recording_keeps_its_rate_channels_and_samples(
    song: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, rate = soundfile.read(song)
    soundfile.write(song, samples, rate, subtype=kind)
    # Bars count from what lies before the first downbeat: 0 to 0.25 s is the first.
    assert main(["edit", "song.wav", "strings", "--bars", "3", "--chords", "F", "--seed", "1", "--out", "e.wav"]) == 0
    info = soundfile.info("e.wav")
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (44_100, 2, kind, 6 * 44_100)
    old, new = whole(song), whole("e.wav")
    first, last = round(2.25 * 44_100), round(4.25 * 44_100)
    assert np.array_equal(old[:first], new[:first]) and np.array_equal(old[last:], new[last:])
    middle = new[first + 2000 : last - 2000]
    assert np.array_equal(middle[:, 0], middle[:, 1]), "the model is mono"
    err = capsys.readouterr().err
    assert "through the codec, at" in err and "one channel, which the 2 of song.wav share inside" in err
    record = json.loads(Path("e.json").read_text())
    assert "codec_error_db" in record["source"] and record["source"].get("seed") is None
    # The edit of an edit has its latents, however far the codec is from the recording.
    again = made("again.wav", "edit", "e.wav", "--start", "0", "--end", "1")
    assert "codec_error_db" not in again["source"] and len(again["edits"]) == 2


def test_a_lossy_file_is_written_as_it_is_decoded(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples, rate = soundfile.read(song)
    soundfile.write("song.ogg", samples, rate)
    flags = ["edit", "song.ogg", "--start", "1", "--end", "2", "--seed", "1"]
    assert main([*flags, "--out", "e.wav"]) == 0
    old, new = (soundfile.read(name, dtype="float32")[0] for name in ("song.ogg", "e.wav"))
    assert np.array_equal(old[:rate], new[:rate]) and np.array_equal(old[2 * rate :], new[2 * rate :])
    assert main([*flags, "--out", "e.flac"]) == 0
    assert "e.flac cannot hold the samples of song.ogg as they are" in capsys.readouterr().err


def test_bpm_counts_a_recording_anew(song: Path) -> None:
    record = made("e.wav", "edit", "song.wav", "--bars", "2", "--bpm", "60", "--meter", "2/4")
    assert record["edits"][0]["edit"] == [[0.25, 2.25]] and record["edits"][0]["bpm"] == 60


@pytest.mark.parametrize(("flags", "seconds"), [(["--seconds", "3"], 3.0), (["--bars", "2"], 4.0)])
def test_a_take_goes_on(take: Path, flags: list[str], seconds: float) -> None:
    record = made("long.wav", "extend", "take.wav", *flags, "--seed", "6")
    old, new = whole("take.wav"), whole("long.wav")
    assert len(new) == round((4.0 + seconds) * RATE) and np.array_equal(new[: len(old)], old)
    assert record["seconds"] == 4.0 + seconds and record["edits"][0]["extend"] == "after"
    labels = [label for _, _, label in record["controls"]["chords"]]
    assert labels == ["C", "Am", "C", "Am"]
    assert [bar["bar"] for bar in record["adherence"]["bars"]] == [3, 4]
    downbeats = [0.0, 2.0, 4.0, 6.0]
    assert record["controls"]["beats"][::4] == pytest.approx([t for t in downbeats if t < 4.0 + seconds], abs=0.01)


def test_new_chords_and_words_after_the_join(take: Path) -> None:
    record = made("long.wav", "extend", "take.wav", "bright", "--bars", "2", "--chords", "F G")
    assert [label for _, _, label in record["controls"]["chords"]] == ["C", "Am", "F", "G"]
    assert record["text"] == "bright" and stored.read(Path("long.latents")).controls.text == ("bright",)
    freed = made("free.wav", "extend", "take.wav", "--bars", "2", "--free", "chords")
    assert [label for _, _, label in freed["controls"]["chords"]] == ["C", "Am"]
    # An extension is a take: it goes on, and its bars can be edited.
    record = made("longer.wav", "extend", "long.wav", "--bars", "1")
    assert record["seconds"] == 10.0 and record["text"] == "bright"
    assert np.array_equal(whole("longer.wav")[: 8 * RATE], whole("long.wav"))


def test_a_take_that_ends_within_a_bar_goes_on_to_its_line(here: Path, model: Generator) -> None:
    flags = ["--chords", "C Am", "--bpm", "120", "--seconds", "3", "--seed", "4", "--quiet"]
    assert main(["generate", "warm", *flags]) == 0
    record = made("long.wav", "extend", "take.wav", "--seconds", "3", "--chords", "F")
    assert record["controls"]["chords"] == [[0.0, 2.0, "C"], [2.0, 4.0, "Am"], [4.0, 6.0, "F"]]


def test_what_leads_up_to_a_take(take: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = made("early.wav", "extend", "take.wav", "--bars", "1", "--before", "--seed", "6")
    old, new = whole("take.wav"), whole("early.wav")
    assert np.array_equal(new[-len(old) :], old) and len(new) - len(old) == 2 * RATE
    assert [label for _, _, label in record["controls"]["chords"]] == ["Am", "C", "Am"]
    assert record["controls"]["beats"][::4] == pytest.approx([0.0, 2.0, 4.0], abs=0.01)
    latents, before = stored.read(Path("early.latents")).latents, stored.read(Path("take.latents")).latents
    assert torch.equal(latents[:, 50:], before)


def test_a_recording_goes_on(song: Path) -> None:
    record = made("long.wav", "extend", "song.wav", "--seconds", "2.5")
    old, new = whole(song), whole("long.wav")
    assert new.shape == (round(8.5 * 44_100), 2) and np.array_equal(new[: len(old)], old)
    assert record["sample_rate"] == 44_100 and "codec_error_db" in record["source"]
    assert made("bars.wav", "extend", "song.wav", "--bars", "1")["seconds"] == pytest.approx(8.0, abs=0.01)


EDITS: list[tuple[list[str], list[str]]] = [
    ([], ["--bars 5-8", "--start"]),
    (["--bars", "1", "--start", "1"], ["not both"]),
    (["--bars", "3"], ["bar 3 of take.wav", "bars 1 to 2"]),
    (["--bars", "1-9"], ["bars 1-9 of take.wav", "1 to 2"]),
    (["--bars", "2-1"], ["backwards"]),
    (["--bars", "0"], ["'0'", "counted from 1"]),
    (["--bars", "two"], ["'two'", "5-8"]),
    (["--bars", "1,1-2"], ["overlap"]),
    (["--bars", ""], ["names no bars"]),
    (["--start", "9"], ["9", "lasts 4.00 s"]),
    (["--start", "1", "--end", "4.5"], ["4.5", "lasts 4.00 s"]),
    (["--start", "-2", "--end", "1"], ["-2", "not within"]),
    (["--start", "3", "--end", "1"], ["ends before it begins"]),
    (["--start", "1", "--end", "1"], ["ends before it begins"]),
    (["--start", "1", "--end", "1.05"], ["0.05 s", "nothing to make anew"]),
    (["--start", "nan"], ["nan"]),
    (["--start", "0", "--end", "2", "--start", "1", "--end", "3"], ["overlap from 1.00 to 2.00"]),
    (["--start", "0", "--start", "2", "--end", "1"], ["--start is given 2 times"]),
    (["--bars", "1", "--out", "take.wav"], ["SOURCE itself", "another name"]),
    (["--bars", "1", "--out", "take.flac"], ["take.json", "belongs to SOURCE"]),
    (["--bars", "1", "--chords", "C Hm"], ["Hm"]),
    (["--bars", "1", "--free", "bass"], ["bass", "chords"]),
    (["--bars", "1", "--model", "mega"], ["mega"]),
    (["--bars", "1", "--bpm", "9"], ["9", "20"]),
]
EXTENSIONS: list[tuple[list[str], list[str]]] = [
    ([], ["--seconds 20", "--bars 8"]),
    (["--seconds", "1", "--bars", "1"], ["not two of them"]),
    (["--seconds", "0"], ["0"]),
    (["--bars", "0"], ["0"]),
    (["--seconds", "7199"], ["7200", "the longer piece"]),
    (["--bars", "-1"], ["-1"]),
    (["--seconds", "1", "--out", "take.wav"], ["SOURCE itself"]),
]


@pytest.mark.parametrize(
    ("command", "flags", "told"),
    [*(("edit", *row) for row in EDITS), *(("extend", *row) for row in EXTENSIONS)],
)
def test_what_is_refused(
    take: Path, command: str, flags: list[str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    capsys.readouterr()
    assert main([command, "take.wav", *flags]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "loading libraries" not in line]
    assert len(lines) == 1 and len(lines[0]) <= 500
    assert all(word in lines[0] for word in told), lines[0]
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def refused(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    capsys.readouterr()
    assert main(list(flags)) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_without_a_tempo_nothing_is_counted_in_bars(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "warm", "--seconds", "4", "--seed", "4", "--quiet"]) == 0
    assert "tempo of take.wav is not known" in refused(capsys, "edit", "take.wav", "--bars", "1")
    assert "tempo of take.wav is not known" in refused(capsys, "extend", "take.wav", "--bars", "1")
    timed = ["edit", "take.wav", "--start", "1", "--chords"]
    assert "--chords in bars have no place" in refused(capsys, *timed, "C Am")
    assert "give --bpm as well" in refused(capsys, "edit", "take.wav", "--start", "1", "--meter", "3/4")
    assert made("a.wav", *timed, "0:C 1:Am")["controls"]["chords"] == [[1.0, 2.0, "C"], [2.0, 4.0, "Am"]]
    assert made("b.wav", "edit", "take.wav", "--bars", "2", "--bpm", "120")["edits"][0]["edit"] == [[2.0, 4.0]]


def test_a_source_of_another_model(take: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(Path("take.json").read_text())
    Path("take.json").write_text(json.dumps({**record, "weights": {"codec": "theirs"}}))
    model.weights["codec"] = "ours"
    assert "a source of another model" in refused(capsys, "edit", "take.wav", "--bars", "1", "--model", "nano")
    Path("take.json").write_text(json.dumps({**record, "model": "gone"}))
    told = refused(capsys, "edit", "take.wav", "--bars", "1")
    assert "was made by gone, which is not here" in told and "give --model" in told
    Path("take.json").write_text("{")
    assert "record of take.wav cannot be read" in refused(capsys, "edit", "take.wav", "--bars", "1")
    assert "file not found" in refused(capsys, "edit", "lost.wav", "--bars", "1")


def test_damaged_latents_are_left_and_said(take: Path, song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latents = Path("take.latents")
    latents.write_bytes(latents.read_bytes()[:100])
    assert main(["edit", "take.wav", "--start", "1", "--end", "2", "--out", "e.wav"]) == 0
    assert "take.latents is damaged" in capsys.readouterr().err
    assert np.array_equal(whole("take.wav")[:RATE], whole("e.wav")[:RATE])


def test_a_piece_that_ends_within_a_frame_and_one_that_is_too_long(
    song: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, rate = soundfile.read(song)
    soundfile.write(song, samples[: rate + 1000], rate)
    made("x.wav", "extend", "song.wav", "--seconds", "1")
    old, new = whole(song), whole("x.wav")
    assert len(new) == len(old) + rate and np.array_equal(new[: len(old)], old)
    soundfile.write("hour.flac", np.zeros(8000 * 1000, np.int16), 8000)
    assert "hour.flac must be a number of seconds" in refused(capsys, "edit", "hour.flac", "--end", "1")


def test_silence_can_be_edited_and_extended(song: Path) -> None:
    soundfile.write("song.wav", np.zeros(6 * 44_100), 44_100)
    made("e.wav", "edit", "song.wav", "--start", "1", "--end", "2")
    made("x.wav", "extend", "song.wav", "--seconds", "1")
    assert not whole("e.wav")[:44_100].any() and not whole("x.wav")[: 6 * 44_100].any()
