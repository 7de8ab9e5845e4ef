"""`flowmusic generate --loop` and `--set`: lengths, names, records, and what is refused."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
import soundfile

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from flowmusic.metrics.adherence import Detectors
from tests.apps.test_stream import model as model
from tests.generate.local import RATE


def told(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(path.read_text())
    return content


@pytest.mark.parametrize(("bars", "bpm", "meter"), [(2, 97.3, "4/4"), (3, 140.0, "3/4"), (5, 211.0, "6/8")])
def test_a_loop_has_its_bars_to_the_sample(
    bars: int, bpm: float, meter: str, model: Generator, ears: Detectors, here: Path
) -> None:
    flags = ["--loop", "--bars", str(bars), "--bpm", str(bpm), "--meter", meter, "--chords", "C F", "--seed", "1"]
    assert main(["generate", "funk", *flags, "--quiet"]) == 0
    beats = {"4/4": 4, "3/4": 3, "6/8": 2}[meter] * bars
    samples = round(RATE * 60 * beats / Fraction(bpm))
    assert soundfile.info(here / "take.wav").frames == samples
    record = told(here / "take.json")
    assert record["loop"] == {"bars": bars, "samples": samples} and record["seed"] == 1


def test_without_a_tempo_it_is_120_and_said(
    model: Generator, ears: Detectors, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "funk", "--loop", "--seed", "1"]) == 0
    assert "120 beats a minute" in capsys.readouterr().err
    assert soundfile.info(here / "take.wav").frames == 8 * RATE


def test_a_set_is_one_request_in_parts(model: Generator, ears: Detectors, here: Path) -> None:
    flags = ["--loop", "--bars", "1", "--bpm", "120", "--chords", "C", "--seed", "1", "--no-latents"]
    assert main(["generate", "funk", *flags, "--set", "no-drums,drums,full", "--quiet"]) == 0
    assert sorted(path.name for path in here.iterdir()) == [
        f"take-{name}{suffix}" for name in ("drums", "full", "no-drums") for suffix in (".json", ".wav")
    ]
    full, drums, rest = (told(here / f"take-{name}.json") for name in ("full", "drums", "no-drums"))
    assert (full["text"], drums["text"], rest["text"]) == ("funk", "funk, drums only, drum loop", "funk, no drums")
    assert full["seed"] == drums["seed"] == rest["seed"] == 1
    assert "chord_acc" in full["adherence"] and "chord_acc" not in drums["adherence"]  # type: ignore[operator]
    assert len({soundfile.info(path).frames for path in here.glob("*.wav")}) == 1


BAD: list[tuple[str, list[str], list[str]]] = [
    ("bars alone", ["--bars", "4"], ["--bars", "--loop"]),
    ("seconds too", ["--loop", "--seconds", "5"], ["--seconds", "--bars"]),
    ("no bar", ["--loop", "--bars", "0"], ["--bars", "1"]),
    ("half a bar", ["--loop", "--bars", "2.5"], ["--bars", "2.5"]),
    ("too short", ["--loop", "--bars", "1", "--bpm", "400", "--meter", "2/4"], ["0.3", "from 1 to 120"]),
    ("too long", ["--loop", "--bars", "200"], ["400", "from 1 to 120"]),
    ("meter", ["--loop", "--meter", "four"], ["four", "4/4"]),
    ("bpm", ["--loop", "--bpm", "0"], ["--bpm", "20"]),
    ("part", ["--loop", "--set", "full,bass"], ["bass", "full, drums, no-drums"]),
]


@pytest.mark.parametrize(("flags", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_one_line(
    flags: list[str], said: list[str], model: Generator, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "funk", *flags]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1 and len(lines[0]) <= 500 and all(each in lines[0] for each in said), lines
    assert not list(here.iterdir())
