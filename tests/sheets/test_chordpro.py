"""ChordPro: grids, chords over words, directives that hold from where they stand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from flowmusic.sheets import chordpro
from flowmusic.sheets.sheet import Sheet
from flowmusic.sheets.written import SheetError

SONG = """{title: Blue Boat}
{composer: A. Nobody}
{key: Am}
{tempo: 96}
{time: 4/4}
# a remark
{start_of_grid: label="Verse" shape="4x4"}
|: Am . F . | C~G . . Em7b5 | % . . . :|
{end_of_grid}
{tempo: 120}
{start_of_grid label="Chorus"}
|| F / G / | C . . . |.  (twice)
{end_of_grid}
"""


def bars(sheet: Sheet) -> list[str]:
    """Every bar in a word."""
    return [" ".join(f"{label}@{float(beat):g}" for beat, label in bar.chords) for bar in sheet.bars]


def test_a_grid() -> None:
    sheet = chordpro.read(SONG)
    verse = ["Am@0 F@2", "C@0 G@0.5 Em7b5@3", "C@0 G@0.5 Em7b5@3"]
    assert bars(sheet) == [*verse, *verse, "F@0 G@2", "C@0"]
    assert (sheet.title, sheet.composer, sheet.bpm) == ("Blue Boat", "A. Nobody", 96.0)
    assert [bar.section for bar in sheet.bars] == ["Verse", None, None, "Verse", None, None, "Chorus", None]
    assert [bar.bpm for bar in sheet.bars] == [96.0, None, None, None, None, None, 120.0, None]
    found = sheet.annotations()
    assert found.key == "A minor" and found.seconds == pytest.approx(6 * 2.5 + 2 * 2.0)
    assert found.sections == (
        (0.0, 7.5, "Verse", ""), (7.5, 15.0, "Verse", ""), (15.0, 19.0, "Chorus", ""),
    )  # fmt: skip
    assert found.downbeats == pytest.approx((0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.0))


def test_endings() -> None:
    sheet = chordpro.read("{sog}\n|: C . . . |1 F . . . :|2 G . . . | Am . . . |\n{eog}")
    assert bars(sheet) == ["C@0", "F@0", "C@0", "G@0", "Am@0"]


def test_chords_over_words_are_bars_and_this_is_told() -> None:
    sheet = chordpro.read("{t: x}\n{soc}\n[C]Hello [*soft] my [Am]friend\n{eoc}\nand [F]on\n{chorus}")
    assert bars(sheet) == ["C@0", "Am@0", "F@0", "C@0", "Am@0"]
    assert [bar.section for bar in sheet.bars] == ["chorus", None, None, "chorus", None]
    assert any("every chord is taken for a bar" in notice for notice in sheet.notices)


def test_what_is_written_is_read_back() -> None:
    sheet = chordpro.read(SONG)
    again = chordpro.read(chordpro.write(sheet))
    assert again == sheet
    waltz = chordpro.read("{time: 6/8}\n{sog}\n| C . | C G |\n{eog}\n{time: 3/4}\n{sog}\n| Dm7 . Ebmaj7 |\n{eog}")
    assert [bar.beats for bar in waltz.bars] == [Fraction(2), Fraction(2), Fraction(3)]
    assert chordpro.read(chordpro.write(waltz)) == waltz


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{title: x}", "holds no chords"),
        ("{sog}\n| C . Q . |", r"line 2: .*'Q'"),
        ("{tempo: fast}\n[C]", r"line 1: \{tempo: fast\} cannot be read"),
        ("{time: 4/3}\n[C]", "line 1: .*time signature"),
        ("{key: Q}\n[C]", "line 1: .*no key"),
        ("{sog}\n| % . |", "line 2: % repeats 1 bar"),
        ("{sog}\n:| C |", "line 2: a repeat ends before any bar"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(SheetError, match=message):
        chordpro.read(text)
