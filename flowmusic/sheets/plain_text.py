"""Chords as people paste them from chord pages: ``| C / / / | Am / F / |``, ``C - Am - F``, headings, ``x2``.

The chord text of ``--chords`` with its headings as sections; see :mod:`flowmusic.controls.chord_text` for the signs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from flowmusic.controls.chord_text import read_bars
from flowmusic.controls.harmony import ChordError
from flowmusic.controls.meter import Meter
from flowmusic.sheets.sheet import FOUR, Bar, Sheet
from flowmusic.sheets.written import SheetError, cells_of, chords_of_cells

SUFFIXES = (".txt",)
BARS_IN_A_LINE = 4


def read(text: str, meter: Meter = FOUR) -> Sheet:
    """Bars of one meter, whose chords share each equally.  Raises: SheetError naming the line, bar and chord."""
    try:
        found = read_bars(text)
    except ChordError as error:
        raise SheetError(str(error)) from None
    beats = Fraction(meter.beats_per_bar)
    names = dict(found.sections)
    bars = []
    for number, labels in enumerate(found.bars):
        cells = [[label] for label in labels]
        bars.append(Bar(meter, _changes(chords_of_cells(cells, beats)), section=names.get(number)))
    return Sheet(tuple(bars), notices=found.notices)


def _changes(chords: tuple[tuple[Fraction, str], ...]) -> tuple[tuple[Fraction, str], ...]:
    """Of a chord that is said again in its bar, the first."""
    return tuple(chord for n, chord in enumerate(chords) if n == 0 or chord[1] != chords[n - 1][1])


def write(sheet: Sheet) -> str:
    """Bars between bar lines, a heading for every section; tempo, key, meter and melody have no place in it."""
    return "\n".join(_lines(sheet)) + "\n"


def _lines(sheet: Sheet) -> Iterator[str]:
    row: list[str] = []
    held: str | None = None
    for bar in sheet.bars:
        if row and (bar.section is not None or len(row) == BARS_IN_A_LINE):
            yield f"| {' | '.join(row)} |"
            row = []
        if bar.section is not None:
            yield f"[{bar.section}]"
        # A bar must name its chord here, also one that goes on.
        if held is not None and not any(beat == 0 for beat, _ in bar.chords):
            bar = replace(bar, chords=((Fraction(0), held), *bar.chords))
        held = bar.chords[-1][1] if bar.chords else held
        row.append(" ".join("/" if cell == "." else cell for cell in cells_of(bar)) if bar.chords else "N")
    if row:
        yield f"| {' | '.join(row)} |"
