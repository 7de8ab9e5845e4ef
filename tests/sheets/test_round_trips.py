"""A hundred sheets through every format: no bar, chord or note that the format can hold is lost."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from flowmusic.controls.meter import Meter
from flowmusic.controls.vocabulary import LABELS
from flowmusic.sheets import WRITTEN, formats
from flowmusic.sheets.formats import Reading
from flowmusic.sheets.sheet import Bar, Sheet
from flowmusic.sheets.written import SheetError

F = Fraction
METERS = (Meter.of(4, 4), Meter.of(3, 4), Meter.of(6, 8), Meter.of(2, 2), Meter.of(5, 4))
NAMES = [label for label in LABELS if label != "UNK"]


def made(seed: int, *, melody: bool, places: tuple[Fraction, ...], changes: bool) -> Sheet:
    """A sheet of chance: 4 to 12 bars, chords at some places, notes of one voice, sections, changes of meter, tempo."""
    rng = random.Random(seed)
    meter = rng.choice(METERS)
    bars = []
    held, told = "", 0.0
    for number in range(rng.randint(4, 12)):
        if changes and number and rng.random() < 0.15:
            meter = rng.choice(METERS)
        chords = []
        at = [F(0), *(place for place in places if 0 < place < meter.beats_per_bar and rng.random() < 0.3)]
        for place in at:
            if place == 0 and number and rng.random() < 0.2:
                continue  # the chord before goes on
            held = rng.choice([name for name in NAMES if name != held])
            chords.append((place, held))
        notes, now = [], F(0)
        while melody and now < meter.beats_per_bar:
            long = rng.choice((F(1, 2), F(1), F(1, 3), F(3, 2), F(1, 4)))
            if rng.random() < 0.8 and now + long <= meter.beats_per_bar:
                notes.append((now, long, rng.randint(55, 84)))
            now += long
        bpm = float(rng.randint(60, 180)) if number == 0 or (changes and rng.random() < 0.1) else None
        quarters = (bpm or 0.0) * meter.beat_quarters
        bpm = None if quarters == told else bpm
        told = quarters or told
        section = rng.choice("ABC") if number % 4 == 0 else None
        bars.append(Bar(meter, tuple(chords), tuple(notes), bpm=bpm, section=section))
    bars[0] = replace(bars[0], key=rng.choice(("C major", "A minor", "Eb major", "F# minor")))
    return Sheet(tuple(bars), "Blue Boat", "A. Nobody", melody and any(bar.notes for bar in bars))


def through(sheet: Sheet, path: Path) -> Reading:
    return formats.read(formats.write(Reading("test", sheet, sheet.annotations(), (), True), path))


QUARTERS, EIGHTHS = (F(1), F(2), F(3)), (F(1), F(3, 2), F(2), F(5, 2), F(3))


@pytest.mark.parametrize("seed", range(100))
def test_formats_in_bars(seed: int, tmp_path: Path) -> None:
    sheet = made(seed, melody=False, places=EIGHTHS, changes=True)
    assert through(sheet, tmp_path / "a.cho").sheet == sheet
    simple = replace(sheet, bars=tuple(replace(bar, section=None) for bar in sheet.bars))
    whole = made(seed, melody=True, places=EIGHTHS, changes=True)
    assert through(whole, tmp_path / "a.musicxml").sheet == whole
    assert through(whole, tmp_path / "a.abc").sheet == whole
    # iReal Pro has no tempo, and its bars share out equally; plain text has one meter as well.
    untimed = replace(simple, bars=tuple(replace(bar, bpm=None) for bar in simple.bars))
    held = explicit(untimed)
    assert explicit(through(untimed, tmp_path / "a.ireal").sheet) == held
    plain = replace(untimed, title=None, composer=None)
    plain = replace(plain, bars=tuple(replace(bar, meter=METERS[0], key=None) for bar in within(plain, 4)))
    assert explicit(through(plain, tmp_path / "a.txt").sheet) == explicit(plain)


def explicit(sheet: Sheet | None) -> list[object]:
    """Bars whose first chord is always named, for formats in which a bar must name it."""
    assert sheet is not None
    found: list[object] = []
    held = ""
    for bar in sheet.bars:
        chords = bar.chords if bar.chords and bar.chords[0][0] == 0 else ((F(0), held), *bar.chords)
        held = chords[-1][1]
        found.append((bar.meter, chords, bar.section))
    return found


def within(sheet: Sheet, beats: int) -> list[Bar]:
    """Bars with the chords that lie within so many beats."""
    return [replace(bar, chords=tuple(c for c in bar.chords if c[0] < beats)) for bar in sheet.bars]


@pytest.mark.parametrize("seed", range(100))
def test_formats_in_seconds(seed: int, tmp_path: Path) -> None:
    """MIDI, JAMS, labels and controls.json hold times, to a few milliseconds."""
    sheet = made(seed, melody=True, places=EIGHTHS, changes=True)
    meant = sheet.annotations()
    for name in ("a.mid", "a.jams", "a.json", "a.labels"):
        reading = through(sheet, tmp_path / name)
        found = reading.annotations
        assert found.chords is not None and meant.chords is not None
        # Marks say a chord again where it goes on; what sounds is the same.
        assert [c[2] for c in found.chords] == [c[2] for c in meant.chords], name
        for got, wanted in zip(found.chords, meant.chords, strict=True):
            assert got[:2] == pytest.approx(wanted[:2], abs=2e-3), name
        if name == "a.labels":
            continue
        assert [n[2] for n in found.melody or ()] == [n[2] for n in meant.melody or ()], name
        for note, expected in zip(found.melody or (), meant.melody or (), strict=True):
            assert note[:2] == pytest.approx(expected[:2], abs=3e-3), name
        assert found.downbeats is not None and meant.downbeats is not None
        assert found.downbeats[: len(meant.downbeats)] == pytest.approx(meant.downbeats, abs=2e-3), name
    again = formats.read(tmp_path / "a.mid").sheet
    assert again is not None and [bar.section for bar in again.bars][: len(sheet.bars)] == [
        b.section for b in sheet.bars
    ]


def test_names_that_are_no_format(tmp_path: Path) -> None:
    assert tuple(formats.WRITERS) == WRITTEN
    sheet = made(1, melody=False, places=QUARTERS, changes=False)
    reading = Reading("test", sheet, sheet.annotations(), (), True)
    with pytest.raises(SheetError, match=r"a\.docx names no format of sheets; end it with one of \.cho"):
        formats.write(reading, tmp_path / "a.docx")
    with pytest.raises(SheetError, match="sheet not found"):
        formats.read(tmp_path / "none.cho")
    (tmp_path / "b.txt").write_text("just some words about the weather today")
    with pytest.raises(SheetError, match=r"b\.txt: "):
        formats.read(tmp_path / "b.txt")
