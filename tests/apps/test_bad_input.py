"""Whatever is wrong with flags or files: exit code 2, one line that names it, no model loaded, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from flowmusic.apps.cli import main
from flowmusic.interop import fitting, model_files
from tests.apps.conftest import RATE, tone

FLAGS: list[tuple[str, list[str], list[str]]] = [
    ("unknown chord", ["--chords", "C Hm F"], ["Hm", "bar 2"]),
    ("unknown chord in a bar", ["--chords", "C | F Xq |"], ["Xq", "bar 2"]),
    ("unknown chord at a time", ["--chords", "0:C 2:Q7"], ["Q7", "2 s"]),
    ("descending times", ["--chords", "0:C 4:F 2:G"], ["2:G", "ascend"]),
    ("negative time", ["--chords=-1:C"], ["-1:C"]),
    ("mixed forms", ["--chords", "0:C Am"], ["Am"]),
    ("empty chords", ["--chords", " "], ["empty"]),
    ("negative seconds", ["--seconds", "-1"], ["--seconds", "-1"]),
    ("zero seconds", ["--seconds", "0"], ["--seconds"]),
    ("NaN seconds", ["--seconds", "nan"], ["--seconds", "nan"]),
    ("infinite seconds", ["--seconds", "inf"], ["--seconds", "inf"]),
    ("words for seconds", ["--seconds", "ten"], ["--seconds", "ten"]),
    ("a day", ["--seconds", "86400"], ["--seconds", "7200"]),
    ("zero bpm", ["--bpm", "0"], ["bpm", "20", "400"]),
    ("negative bpm", ["--bpm", "-90"], ["bpm", "-90"]),
    ("NaN bpm", ["--bpm", "nan"], ["bpm", "nan"]),
    ("words for bpm", ["--bpm", "fast"], ["--bpm", "fast"]),
    ("meter", ["--meter", "four"], ["four", "4/4"]),
    ("zero meter", ["--meter", "0/4"], ["0/4"]),
    ("zero steps", ["--steps", "0"], ["--steps", "0"]),
    ("fractional steps", ["--steps", "2.5"], ["--steps", "2.5"]),
    ("solver", ["--solver", "newton"], ["newton", "euler", "midpoint", "dopri5"]),
    ("negative seed", ["--seed", "-1"], ["--seed", "-1"]),
    ("word for seed", ["--seed", "lucky"], ["--seed", "lucky"]),
    ("zero count", ["--count", "0"], ["--count", "0"]),
    (
        "guidance key",
        ["--guidance", "beats=2"],
        ["beats", "all, text, style, facts, chords, drums, melody, instruments, alpha, beta"],
    ),
    ("guidance without value", ["--guidance", "all"], ["all=3"]),
    ("bare guidance", ["--guidance", "3"], ["key=value"]),
    ("NaN guidance", ["--guidance", "all=nan"], ["all", "nan", "finite"]),
    ("infinite guidance", ["--guidance", "text=-inf"], ["text", "finite"]),
    ("guidance twice", ["--guidance", "all=1,all=2"], ["twice"]),
    ("empty guidance", ["--guidance", ""], ["key=value"]),
    ("time grid", ["--time-grid", "cubic"], ["cubic", "uniform", "sway", "shifted", "epss"]),
    ("half an interval", ["--guidance-interval", "0.5"], ["0.5", "LO,HI"]),
    ("interval upside down", ["--guidance-interval", "0.8,0.2"], ["0.8,0.2", "LO < HI"]),
    ("interval beyond the path", ["--guidance-interval", "0,2"], ["0,2", "<= 1"]),
    ("words for an interval", ["--guidance-interval", "early,late"], ["early,late", "LO,HI"]),
    ("apg key", ["--apg", "gamma=1"], ["gamma", "eta, norm, momentum"]),
    ("apg twice", ["--apg", "eta=0,eta=1"], ["twice"]),
    ("apg norm", ["--apg", "norm=-1"], ["norm", "positive"]),
    ("apg word", ["--apg", "eta=low"], ["low", "number"]),
    ("NaN apg", ["--apg", "momentum=nan"], ["momentum", "nan"]),
    ("model", ["--model", "mega"], ["mega", "nano"]),
    ("device", ["--device", "tpu"], ["tpu", "cpu"]),
    ("use without controls", ["--use", "chords"], ["--use", "--controls"]),
    ("use of a stranger", ["--use", "lyrics"], ["lyrics", "chords, melody, drums, beats"]),
    ("missing output folder", ["--out", "nowhere/take.wav"], ["nowhere", "create it"]),
    ("output suffix", ["--out", "take.aac"], ["take.aac", ".wav, .flac, .ogg"]),
    ("output without suffix", ["--out", "take"], [".wav"]),
    ("missing melody", ["--melody", "gone.wav"], ["gone.wav", "not found"]),
    ("missing MIDI", ["--melody", "gone.mid"], ["gone.mid", "not found"]),
    ("missing drums", ["--drums", "gone.wav"], ["gone.wav", "not found"]),
    ("missing controls", ["--controls", "gone"], ["gone", "not found"]),
    ("folder for audio", ["--drums", "."], ["folder"]),
    ("folder without controls", ["--controls", "."], ["controls.json"]),
]


@pytest.fixture
def untouched(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Names in the current folder; and no model may be loaded."""
    from flowmusic.interop import bundle

    def load(name: str, device: str = "cpu", precision: str = "fp32") -> None:
        pytest.fail("a model was loaded before the input was judged")

    def find(name: str) -> Path:
        if name == "nano":
            return Path("nano")
        raise fitting.ModelError(f"unknown model {name!r}; shipped models: nano")

    monkeypatch.setattr(bundle, "load", load)
    monkeypatch.setattr(model_files, "find", find)
    return lambda: sorted(path.name for path in here.iterdir())


def refused(argv: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    err = err.removeprefix("extracting: reading\n")  # progress: of a long file this takes a while
    assert err.startswith(f"flowmusic {argv[0]}: error: ") and err.count("\n") == 1 and "Traceback" not in err, err
    assert all(word in err for word in words), err


@pytest.mark.parametrize(("argv", "words"), [case[1:] for case in FLAGS], ids=[case[0] for case in FLAGS])
def test_flags(
    argv: list[str], words: list[str], untouched: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    refused(["generate", "a text", *argv], words, capsys)
    assert untouched() == []


def write_bad_files(folder: Path) -> None:
    import numpy as np
    import soundfile

    (folder / "text.wav").write_text("RIFF? no, these are words")
    (folder / "text.mid").write_text("MThd? no, these are words")
    (folder / "empty.wav").write_bytes(b"")
    samples = tone(220, 0.5).numpy()
    soundfile.write(folder / "none.wav", samples[:0], RATE)
    soundfile.write(folder / "short.wav", samples[: RATE // 100], RATE)
    broken = samples.copy()
    broken[100] = np.nan
    soundfile.write(folder / "nan.wav", broken, RATE, subtype="FLOAT")
    soundfile.write(folder / "silence.wav", np.zeros(RATE), RATE)


AUDIO = [
    ("text.wav", "cannot read"),
    ("empty.wav", "empty"),
    ("none.wav", "no samples"),
    ("short.wav", "too short"),
    ("nan.wav", "NaN"),
]


@pytest.mark.parametrize(("name", "reason"), [*AUDIO, ("silence.wav", "no drum hits")])
def test_drum_files(
    name: str, reason: str, here: Path, untouched: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    write_bad_files(here)
    before = untouched()
    refused(["generate", "a", "--drums", name], [name, reason], capsys)
    assert untouched() == before


@pytest.mark.parametrize(
    ("name", "reason"), [*AUDIO, ("silence.wav", "no melody was found"), ("text.mid", "cannot read")]
)
def test_melody_files(
    name: str, reason: str, here: Path, untouched: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    write_bad_files(here)
    before = untouched()
    refused(["generate", "a", "--melody", name], [name, reason], capsys)
    assert untouched() == before


@pytest.mark.parametrize(("name", "reason"), AUDIO)
def test_extract_files(name: str, reason: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bad_files(here)
    before = sorted(path.name for path in here.iterdir())
    refused(["extract", name], [name, reason], capsys)
    assert sorted(path.name for path in here.iterdir()) == before


def test_extract_targets(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bad_files(here)
    refused(["extract", "gone.wav"], ["gone.wav", "not found"], capsys)
    refused(["extract", "silence.wav", "--out", "no/where"], ["does not exist", "no"], capsys)
    refused(["extract", "silence.wav", "--out", "text.mid"], ["text.mid", "is a file"], capsys)
    (here / "silence.controls").write_text("in the way")
    refused(["extract", "silence.wav"], ["silence.controls", "--out"], capsys)
    refused(["extract", "text.wav", "--use", "chords"], ["--use"], capsys)


SHEET = {"source": "s", "seconds": 2.0, "frame_rate": 25, "chords": [[0, 2, "C"]]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not json", ["not JSON", "line 1"]),
        ("[1]", ["expected an object"]),
        (json.dumps({**SHEET, "chords": [[0, 1, "C"], [1, 2, "Hm"]]}), ["chords", "Hm"]),
        (json.dumps({**SHEET, "chords": [[1, 0, "C"]]}), ["chords"]),
        (json.dumps({**SHEET, "beats": [1, 0.5]}), ["beats"]),
        (json.dumps({**SHEET, "seconds": -1}), ["seconds"]),
        (json.dumps({**SHEET, "bpm": 0}), ["bpm"]),
        (json.dumps({**SHEET, "tempo": 90}), ["tempo", "bpm"]),
        ('{"source": "s", "seconds": NaN, "frame_rate": 25}', ["NaN"]),
        (json.dumps({**SHEET, "drums": {"onsets": [0.0], "stem": "gone.wav"}}), ["gone.wav", "not found"]),
    ],
)
def test_control_sheets(
    content: str,
    words: list[str],
    here: Path,
    untouched: Callable[[], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "controls.json").write_text(content)
    refused(["generate", "a", "--controls", "controls.json"], words, capsys)
    assert untouched() == ["controls.json"]


def test_use_of_what_the_sheet_lacks(
    here: Path, untouched: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "controls.json").write_text(json.dumps(SHEET))
    refused(["generate", "a", "--controls", ".", "--use", "chords,drums"], ["drums", "it has: chords"], capsys)


def test_a_device_that_is_not_here(untouched: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    refused(["generate", "a", "--device", "cuda:7"], ["cuda:7", "--device cpu"], capsys)


def test_corrupt_weights_are_not_the_users_fault(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flowmusic.interop import bundle, fitting

    def load(name: str, device: str = "cpu", precision: str = "fp32") -> None:
        raise fitting.CorruptWeights("weights are damaged; reinstall flowmusic")

    monkeypatch.setattr(model_files, "find", lambda name: Path(name))
    monkeypatch.setattr(bundle, "load", load)
    assert main(["generate", "a"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "flowmusic generate: error: weights are damaged; reinstall flowmusic\n")
    assert list(here.iterdir()) == []
