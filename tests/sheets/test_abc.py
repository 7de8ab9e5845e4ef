"""ABC: lengths, accidentals, chord symbols, repeats, and what comes back."""

from __future__ import annotations

from fractions import Fraction

import pytest

from flowmusic.sheets import abc
from flowmusic.sheets.sheet import Sheet
from flowmusic.sheets.written import SheetError
from tests.sheets.test_chordpro import bars

F = Fraction
HEAD = "X:1\nT:Blue Boat\nC:A. Nobody\nM:4/4\nL:1/8\nQ:1/4=100\nK:{key}\n"


def read(music: str, key: str = "C") -> Sheet:
    return abc.read(HEAD.format(key=key) + music)


def notes(sheet: Sheet, bar: int = 0) -> list[tuple[float, float, int]]:
    return [(float(at), float(long), midi) for at, long, midi in sheet.bars[bar].notes]


def test_head_chords_and_notes() -> None:
    sheet = read('"C"C2 "^slow"D2 "F"z2 [FAc]2 | "G7"G8 |]')
    assert (sheet.title, sheet.composer, sheet.bpm, sheet.bars[0].key) == ("Blue Boat", "A. Nobody", 100.0, "C major")
    assert bars(sheet) == ["C@0 F@2", "G7@0"]
    assert notes(sheet) == [(0, 1, 60), (1, 1, 62), (3, 1, 72)] and notes(sheet, 1) == [(0, 4, 67)]


@pytest.mark.parametrize(
    ("music", "key", "expected"),
    [
        ("F^GG=G F2 c2|", "D", [66, 68, 68, 67, 66, 73]),  # the accidental holds in its bar; F and c are sharp by key
        ("B,2 B2 b2 b'2|", "F", [58, 70, 82, 94]),
        ("E2 e2 A2 ^a2|", "Gmix", [64, 76, 69, 82]),
        ("F2 f2 G2 g2|", "Ador", [66, 78, 67, 79]),
    ],
)
def test_pitches(music: str, key: str, expected: list[int]) -> None:
    assert [midi for _, _, midi in notes(read(music, key))] == expected


def test_lengths() -> None:
    assert [long for _, long, _ in notes(read("C C/ C/2 C// C3/2 (3CCC C2|"))] == pytest.approx(
        [0.5, 0.25, 0.25, 0.125, 0.75, 1 / 3, 1 / 3, 1 / 3, 1.0]
    )
    assert [long for _, long, _ in notes(read("C>C C<C C4|"))] == [0.75, 0.25, 0.25, 0.75, 2.0]
    tied = read("C6 G2-|G2 z2 c2-c2|")
    assert notes(tied) == [(0, 3, 60), (3, 2, 67)] and notes(tied, 1) == [(2, 2, 72)]


def test_repeats_pickup_voices_and_changes() -> None:
    sheet = read('G2|:"C"C8|1"D"D8:|2"E"E8|\nP:B\n[M:3/4]"F"F6|]')
    assert [each[:1] for each in bars(sheet)] == ["", "C", "D", "C", "E", "F"]
    assert sheet.bars[0].short == 1 and sheet.bars[-1].beats == 3 and sheet.bars[-1].section == "B"
    reel = read('|:G2|"C"C8|"D"D6:|')
    assert [float(bar.beats) for bar in reel.bars] == [1, 4, 3, 1, 4, 3]
    found = reel.annotations(bpm=60)
    assert found.downbeats == (1.0, 5.0, 9.0, 13.0) and len(found.beats or ()) == 16
    two = read('V:1\n"C"C8|\nV:2\n"G"G8|\nV:1\n"F"F8|')
    assert bars(two) == ["C@0", "F@0"]
    rests = read('Z2|"C"C8|')
    assert len(rests.bars) == 3
    jumps = read('"C"C8|!fine!"D"D8|"E"E8!D.C.!|')
    assert [each[:1] for each in bars(jumps)] == ["C", "D", "E", "C", "D"]


def test_what_is_written_is_read_back() -> None:
    sheet = read('G2|"Am"A3 "F/A"B (3cde ^f2-|f4 "N.C."z4|\nP:B\n[M:6/8]"C"C3 [Q:3/8=80]"Ebmaj7"_E3|', "Am")
    assert abc.read(abc.write(sheet)) == sheet


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("X:1\nT:x\n", "no bars"),
        ("X:1\nM:3/5\nK:C\nC", "line 2: M:3/5 cannot be read"),
        ('X:1\nK:C\n"Q7"C|', "line 3: .*'Q7'"),
        ("X:1\nL:1/0\nK:C\nC", "line 2: L:1/0 cannot be read"),
        ("X:1\nK:C\nC/0|", "line 3: '/0' is no length"),
        ("X:1\nK:C\nc''''''''|", "line 3: .*no note of MIDI"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(SheetError, match=message):
        abc.read(text)
