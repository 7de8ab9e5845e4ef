"""A sheet as lines for a terminal: what was understood, bar by bar."""

from __future__ import annotations

from collections.abc import Iterator

from flowmusic.annotations.annotation import Annotations
from flowmusic.sheets.formats import Reading
from flowmusic.sheets.sheet import Bar
from flowmusic.sheets.written import HOLD, cells_of


def lines(reading: Reading, bpm: float | None = None) -> Iterator[str]:
    """A head, and a line for every bar: number, second, section, chords in cells, notes of the melody."""
    yield head(reading)
    sheet = reading.sheet
    if sheet is None:
        yield from _in_seconds(reading.annotations)
        return
    starts = sheet.starts(bpm if reading.in_bars else None)
    offset = 0.0 if reading.in_bars else _first(reading.annotations)
    names = max([len(bar.section or "") for bar in sheet.bars] + [7])
    yield f"{'bar':>4} {'second':>8}  {'section':<{names}}  chords"
    counted = 0 if sheet.bars and sheet.bars[0].short is not None else 1
    for number, (bar, start) in enumerate(zip(sheet.bars, starts, strict=False)):
        changes = "".join(f"  ({each})" for each in _changes(bar, sheet.bars[number - 1] if number else None))
        notes = f"  {len(bar.notes)} note{'s' * (len(bar.notes) != 1)}" if bar.notes else ""
        cells = " ".join(cells_of(bar)) if bar.chords else HOLD
        yield f"{number + counted:>4} {start + offset:>8.2f}  {bar.section or '':<{names}}  {cells}{notes}{changes}"


def _first(annotations: Annotations) -> float:
    """Where the first bar of annotations in seconds begins."""
    return min([*(annotations.beats or ())[:1], *(annotations.downbeats or ())[:1]], default=0.0)


def head(reading: Reading) -> str:
    """What it is, in a line."""
    found, sheet = reading.annotations, reading.sheet
    words = [reading.format]
    if sheet is not None:
        words.append(f"{len(sheet.bars)} bar{'s' * (len(sheet.bars) != 1)}")
    words += [each for each in (found.meter, f"{found.bpm:g} bpm" if found.bpm else None, found.key) if each]
    if found.seconds is not None:
        words.append(f"{found.seconds:.2f} s")
    if found.melody is not None:
        words.append(f"melody of {len(found.melody)} notes")
    if found.drums is not None:
        words.append(f"{len(found.drums.onsets)} drum hits")
    title = f"{sheet.title}: " if sheet is not None and sheet.title else ""
    return title + ", ".join(words)


def _changes(bar: Bar, before: Bar | None) -> Iterator[str]:
    if before is not None and bar.meter != before.meter:
        yield bar.meter.name
    if bar.short is not None:
        yield f"{float(bar.short):g} beat{'s' * (bar.short != 1)}"
    if bar.bpm is not None:
        yield f"{bar.bpm:g} bpm"
    if bar.key is not None:
        yield bar.key


def _in_seconds(annotations: Annotations) -> Iterator[str]:
    for start, end, label in annotations.chords or ():
        yield f"{start:>8.2f} {end:>8.2f}  {label}"
