"""`--sheet` of generate, edit and extend: what it asks for, which flags win, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

import flowmusic as fm
from flowmusic import sheets
from flowmusic.apps.cli import build_parser, main
from flowmusic.controls import beats
from flowmusic.generate.generator import Generator
from flowmusic.inputs import request
from flowmusic.takes import order
from tests.controls import midi_bytes as b
from tests.generate.tiny import RATE

SONG = """{title: Blue Boat}
{key: Am}
{tempo: 120}
{sog: label="A"}
| Am . F . | C |
{eog}
{sog: label="B"}
| G |
{eog}
"""
BARE = "[A]\nC | F\n"


@pytest.fixture
def song(here: Path) -> Path:
    (here / "song.cho").write_text(SONG)
    return here / "song.cho"


def made(*argv: str, out: str = "take.wav") -> dict[str, Any]:
    assert main([*argv, "--quiet", "--out", out]) == 0
    record: dict[str, Any] = json.loads(Path(out).with_suffix(".json").read_text())
    return record


@pytest.mark.usefixtures("ears")
def test_its_form_is_the_piece(song: Path, model: Generator) -> None:
    record = made("generate", "t", "--sheet", "song.cho", "--form", "A B A", "--recall", "0.6", "--seed", "1")
    assert record["seconds"] == 10.0
    first = [[0.0, 1.0, "Am"], [1.0, 2.0, "F"], [2.0, 4.0, "C"]]
    again = [[start + 6.0, end + 6.0, label] for start, end, label in first]
    assert record["controls"]["chords"] == [*first, [4.0, 6.0, "G"], *again]
    assert record["sheet"] == {
        "name": "song.cho",
        "format": "ChordPro",
        "bars": 5,
        "form": "A B A",
        "key": "A minor",
        "sections": [[0.0, 4.0, "A"], [4.0, 6.0, "B"], [6.0, 10.0, "A"]],
        "recall": 0.6,
    }


@pytest.mark.usefixtures("ears")
def test_other_flags_win_and_it_is_said(song: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--chords", "D", "--bpm", "60", "--meter", "3/4", "--seconds", "2", "--seed", "1"]
    assert main(["generate", "t", "--sheet", "song.cho", *flags]) == 0
    err = capsys.readouterr().err
    assert "--chords is taken, and not the chords of song.cho" in err
    assert "written at 120 bpm, and --bpm plays it at 60" in err and "--meter 3/4 is left out" in err
    record = json.loads(Path("take.json").read_text())
    assert record["seconds"] == 2.0 and {label for _, _, label in record["controls"]["chords"]} == {"D"}


@pytest.mark.usefixtures("ears")
def test_without_a_tempo_it_is_120_and_said(here: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bare.txt").write_text(BARE)
    assert main(["generate", "t", "--sheet", "bare.txt", "--seed", "1"]) == 0
    assert "bare.txt says no tempo; 120 beats a minute are taken" in capsys.readouterr().err
    assert soundfile.info("take.wav").frames == 4 * RATE


def test_bars_keep_their_places_where_the_tempo_changes(here: Path) -> None:
    """A ritardando: bars of 4 beats at 120, at 80, and at 60; chords are marks at the bars."""
    bar = 4 * 480
    bars = ((120, 0, b"C"), (80, bar, b"F"), (60, bar, b"G"))
    marks = b"".join(b.tempo(bpm, after) + b.meta(0x06, chord) for bpm, after, chord in bars)
    Path("slower.mid").write_bytes(b.smf(b.signature(4, 4) + marks, b.tune(pitches=(60, 62, 64, 65), repeats=3)))
    reading = sheets.read("slower.mid")
    assert reading.annotations.downbeats == pytest.approx((0.0, 2.0, 5.0, 9.0))  # the last one ends it
    assert [chord[:2] for chord in reading.annotations.chords or ()] == [(0.0, 2.0), (2.0, 5.0), (5.0, 9.0)]
    faster = sheets.read("slower.mid", bpm=240)
    assert faster.annotations.downbeats == pytest.approx((0.0, 1.0, 2.5, 4.5))
    grid = fm.FrameGrid.of_seconds(9.0, 25)
    wanted = fm.request("t", grid=grid, **reading.tracks(grid))
    lines = beats.from_track(wanted.rows(slice(0, 1)).tracks["beats"]).downbeats
    assert lines == pytest.approx((0.0, 2.0, 5.0), abs=0.03)
    # Chords of a flag, in bars, stand on the bars of the sheet.
    args = build_parser().parse_args(["generate", "t", "--sheet", "slower.mid", "--chords", "Am | Dm | E"])
    order.check(args)
    track = request.to_controls(request.read(args), grid).tracks["chords"]
    values = track.values[0]
    changes = [n for n in range(1, grid.length) if values[n] != values[n - 1]]
    assert changes == [50, 125]


@pytest.mark.usefixtures("ears")
def test_an_edit_and_an_extension_play_it_on_the_beats_of_their_source(song: Path, model: Generator) -> None:
    model.name = "nano"
    made("generate", "t", "--chords", "C D", "--bpm", "60", "--seconds", "8", "--seed", "1", out="source.wav")
    edited = made("edit", "source.wav", "--bars", "2", "--sheet", "song.cho", "--seed", "1", out="edited.wav")
    assert edited["controls"]["chords"] == [[0.0, 4.0, "C"], [4.0, 6.0, "Am"], [6.0, 8.0, "F"]]
    assert edited["edits"][0]["sheet"] == "song.cho"
    longer = made("extend", "source.wav", "--sheet", "song.cho", "--form", "B A", "--seed", "1", out="longer.wav")
    assert longer["seconds"] == 20.0
    added = [chord for chord in longer["controls"]["chords"] if chord[0] >= 8.0]
    assert added == [[8.0, 12.0, "G"], [12.0, 14.0, "Am"], [14.0, 16.0, "F"], [16.0, 20.0, "C"]]


@pytest.mark.usefixtures("ears")
def test_a_midi_file_that_was_written_goes_back_in(song: Path, model: Generator) -> None:
    asked_for = made("generate", "t", "--sheet", "song.cho", "--seed", "1")
    assert main(["sheet", "song.cho", "--out", "song.mid", "--quiet"]) == 0
    again = made("generate", "t", "--sheet", "song.mid", "--seed", "1", out="again.wav")
    assert again["controls"]["chords"] == asked_for["controls"]["chords"]
    assert (soundfile.read("again.wav")[0] == soundfile.read("take.wav")[0]).all()


BOMB = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><score-partwise>&b;</score-partwise>'
BAD: list[tuple[str, str, list[str], list[str]]] = [
    ("a.musicxml", BOMB, [], ["a.musicxml", "entit"]),
    ("a.musicxml", "<score-partwise>", [], ["a.musicxml", "whole XML"]),
    ("a.txt", "", [], ["a.txt", "empty"]),
    ("a.cho", "{title: words}\n", [], ["a.cho"]),
    ("a.mid", "MThd", [], ["a.mid"]),
    ("a.cho", SONG, ["--form", "A C"], ["a.cho", "'C'", "A, B"]),
    ("a.cho", SONG, ["--form", " "], ["form", "A A B A"]),
    ("a.cho", SONG, ["--recall", "1.5", "--form", "A A"], ["--recall", "1.5", "between 0 and 1"]),
    ("a.cho", SONG, ["--recall", "nan"], ["--recall", "nan"]),
    ("a.cho", SONG, ["--recall", "0.5"], ["--recall", "a.cho", "--form"]),
    ("a.txt", "C | F", ["--recall", "0.5"], ["--recall", "names no sections"]),
    ("a.cho", SONG, ["--use", "drums"], ["--use drums", "it has: beats, chords"]),
    ("a.cho", SONG, ["--story", "a.cho"], ["--sheet", "--story"]),
    ("a.cho", SONG, ["--controls", "a.cho"], ["--sheet", "--controls"]),
    ("a.cho", SONG, ["--bpm", "0"], ["--bpm", "20"]),
    ("a.cho", SONG, ["--form", "A " * 9000], ["form", "bars"]),
    ("a.cho", SONG, ["--loop", "--bars", "9"], ["--bars 9", "3"]),
]


@pytest.mark.parametrize(("name", "text", "flags", "said"), BAD)
def test_bad_input_is_one_line(
    name: str,
    text: str,
    flags: list[str],
    said: list[str],
    model: Generator,
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path(name).write_text(text)
    assert main(["generate", "t", "--sheet", name, *flags]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1 and len(lines[0]) <= 500 and all(each in lines[0] for each in said), lines
    assert [path.name for path in here.iterdir()] == [name]


@pytest.mark.parametrize("flags", [["--form", "A A"], ["--recall", "0.5"]])
def test_flags_of_a_sheet_without_one(flags: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "t", *flags]) == 2
    assert f"{flags[0]} is about the sections of a --sheet" in capsys.readouterr().err
