"""`flowmusic sheet`: what it shows and writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowmusic.apps.cli import main

SONG = """{title: Blue Boat}
{key: Am}
{tempo: 60}
{sog: label="A"}
| Am . F . | C |
{eog}
{sog: label="B"}
| G |
{eog}
"""


def test_it_is_shown_bar_by_bar_and_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("song.cho").write_text(SONG)
    assert main(["sheet", "song.cho", "--out", "song.musicxml", "--out", "song.mid"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Blue Boat: ChordPro, 3 bars, 4/4, 60 bpm, A minor, 12.00 s"
    assert [line.split() for line in out[2:5]] == [
        ["1", "0.00", "A", "Am", ".", "F", ".", "(60", "bpm)", "(A", "minor)"],
        ["2", "4.00", "C", ".", ".", "."],
        ["3", "8.00", "B", "G", ".", ".", "."],
    ]
    assert out[5:] == ["song.musicxml", "song.mid"]
    assert main(["sheet", "song.mid", "--quiet", "--out", "again.cho"]) == 0
    assert "| Am . F . | C . . . |" in Path("again.cho").read_text()


def test_the_form_and_the_tempo_are_chosen(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("song.cho").write_text(SONG)
    assert main(["sheet", "song.cho", "--form", "A B A", "--bpm", "120"]) == 0
    out = capsys.readouterr().out
    assert "5 bars" in out and "10.00 s" in out
    assert main(["sheet", "song.cho", "--form", "A C"]) == 2
    assert "names a section 'C'; the sheet has A, B" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.cho", "{sog}\n| C | Hm |\n{eog}", "a.cho: line 2: "),
        ("a.musicxml", "<score-partwise>", "a.musicxml is no whole XML document"),
        ("a.mid", "MThd", "a.mid"),
        ("a.jams", '{"annotations": 3}', "a.jams: it is no JAMS"),
        ("a.txt", "0.0\tx\n", "a.txt: "),
        ("a.abc", "X:1\nK:C\n", "a.abc: the tune has no bars"),
    ],
)
def test_what_cannot_be_read(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, message: str
) -> None:
    Path(name).write_text(text)
    assert main(["sheet", name, "--out", "b.cho"]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.strip().splitlines()) == 1 and len(err) < 520
    assert not Path("b.cho").exists()
