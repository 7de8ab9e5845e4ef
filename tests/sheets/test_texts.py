"""Sheets that are one piece of text: pasted chords, and addresses of iReal Pro."""

from __future__ import annotations

from fractions import Fraction
from urllib.parse import quote

import pytest

from flowmusic.sheets import ireal, plain_text
from flowmusic.sheets.sheet import Sheet
from flowmusic.sheets.written import SheetError
from tests.sheets.test_chordpro import bars


def test_pasted_chords_with_headings() -> None:
    text = "[Verse 1]\n| C / / / | Am / F / |\n[Chorus] x2\nCΔ - Am - F\n\nOutro:\n| N.C. |"
    sheet = plain_text.read(text)
    assert bars(sheet)[:2] == ["C@0", "Am@0 F@2"]
    assert [(n, bar.section) for n, bar in enumerate(sheet.bars) if bar.section] == [
        (0, "Verse 1"), (2, "Chorus"), (4, "Outro"),
    ]  # fmt: skip
    assert bars(sheet)[-1] == "N@0"
    assert any("share one bar" in notice for notice in sheet.notices)
    with pytest.raises(SheetError, match=r"'Q'"):
        plain_text.read("| C | Q |")


def test_plain_text_is_read_back() -> None:
    sheet = plain_text.read("[A]\n| C . G . | Am7 | F | N |\n[B]\n| Bb | C/E . . Dm |")
    assert plain_text.read(plain_text.write(sheet)) == sheet


def address(chords: str, key: str = "A-") -> str:
    return "irealbook://" + quote(f"Blue Boat=Nobody A=Medium Swing={key}=n={chords}")


@pytest.mark.parametrize(
    ("chords", "expected"),
    [
        ("T44*A[C^7 |A-7 D-7 |G7 p p C7 Z", ["Cmaj7@0", "Am7@0 Dm7@2", "G7@0 C7@3"]),
        ("T34{C |F }|G Z", ["C@0", "F@0", "C@0", "F@0", "G@0"]),
        ("{C |N1F }|N2G Z", ["C@0", "F@0", "C@0", "G@0"]),
        ("[C |x |F G |r |n Z", ["C@0", "C@0", "F@0 G@2", "C@0", "F@0 G@2", "N@0"]),
        ("[SC |D- Q|E- |F <D.S. al Coda>|QG Z", ["C@0", "Dm@0", "Em@0", "F@0", "C@0", "Dm@0", "G@0"]),
        ("[C |F <Fine>|G <D.C. al Fine>Z", ["C@0", "F@0", "G@0", "C@0", "F@0"]),
        ("[C(A-7) Bh7 |Ab7sus/C ,Ab+ Z", ["C@0 Bm7b5@2", "Ab7/C@0 Abaug@2"]),
        ("{C <3x>|F }Z", ["C@0", "F@0", "C@0", "F@0", "C@0", "F@0"]),
    ],
)
def test_ireal(chords: str, expected: list[str]) -> None:
    sheet = ireal.read(f'<a href="{address(chords)}">song</a>')
    assert bars(sheet) == expected
    assert (sheet.title, sheet.composer, sheet.bars[0].key) == ("Blue Boat", "Nobody A", "A minor")


def test_a_shuffled_song_is_put_in_order() -> None:
    chords = "*A[T44C^7 |A-7 |D-9 |G7#5 |E-7 |A7 |D-7 |G7 ]*B[F^7 |F-7 Bb7 |Eb^7 |D-7 G7 Z"
    shuffled = ireal._in_order(chords)
    assert shuffled != chords
    text = "irealb://" + quote(f"Blue Boat=Nobody==Swing=C==1r34LbKcu7{shuffled}=Jazz=120=3")
    sheet = ireal.read(text)
    assert len(sheet.bars) == 12 and bars(sheet)[9] == "Fm7@0 Bb7@2"
    assert [bar.section for bar in sheet.bars if bar.section] == ["A", "B"]


def test_ireal_is_read_back() -> None:
    sheet = ireal.read(address("*A[T44C^7 |A-7 D-7 |G7 p p C7 |*BT34F |Bh7/A Z"))
    again = ireal.read(ireal.write(sheet))
    assert again == sheet and again.bars[3].beats == Fraction(3)


def test_what_is_no_song() -> None:
    for text, message in (
        ("nothing", "no irealbook://"),
        ("irealbook://a=b", "too few parts"),
        (address("T99[C Z"), "time signature"),
        (address("[x Z"), "repeats a bar before it"),
        (address(" "), "no bars"),
    ):
        with pytest.raises(SheetError, match=message):
            ireal.read(text)


def test_sheets_say_the_same_in_seconds() -> None:
    sheet: Sheet = ireal.read(address("T34[C |F |G Z"))
    assert sheet.annotations(bpm=90).chords == ((0.0, 2.0, "C"), (2.0, 4.0, "F"), (4.0, 6.0, "G"))
