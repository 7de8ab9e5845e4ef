"""Bars as they stand on paper, on the way to a sheet: cells that share a bar, signs that repeat, marks of the order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import lcm

from flowmusic.controls.harmony import ChordError, canonical
from flowmusic.sheets.repeats import Marks, order
from flowmusic.sheets.sheet import FINEST, Bar, Chord

HOLD = "."
"""A cell in which the chord before goes on."""


class SheetError(ValueError):
    """A lead sheet that cannot be read; the message names the place and says what to do."""


@dataclass(frozen=True)
class Written:
    """A bar and what stands at it."""

    bar: Bar
    marks: Marks = field(default_factory=Marks)


def played(written: Sequence[Written]) -> tuple[Bar, ...]:
    """The bars in the order in which they are played.

    What is told at a bar as a change (tempo, key) holds where it is played again too; a section is named again.
    Raises: SheetError for repeats that lead nowhere.
    """
    try:
        numbers = order([each.marks for each in written])
    except ValueError as error:
        raise SheetError(str(error)) from None
    bpm, key = carried([each.bar for each in written])
    found: list[Bar] = []
    for place, number in enumerate(numbers):
        bar = written[number].bar
        jumped = place > 0 and numbers[place - 1] + 1 != number
        if jumped:
            # Elsewhere in the piece another tempo or key may have been reached.
            bar = replace(bar, bpm=bpm[number], key=key[number])
        found.append(bar)
    return without_repetition(found)


def carried(bars: Sequence[Bar]) -> tuple[list[float | None], list[str | None]]:
    """Tempo and key that hold at each bar."""
    bpm: list[float | None] = []
    key: list[str | None] = []
    quarters: float | None = None
    for bar in bars:
        quarters = quarters if bar.bpm is None else bar.bpm * bar.meter.beat_quarters
        bpm.append(None if quarters is None else quarters / bar.meter.beat_quarters)
        key.append(bar.key if bar.key is not None else key[-1] if key else None)
    return bpm, key


def without_repetition(bars: Iterable[Bar]) -> tuple[Bar, ...]:
    """Bars that say their tempo and key where these change, and nowhere else."""
    found: list[Bar] = []
    quarters: float | None = None
    key: str | None = None
    for bar in bars:
        told = None if bar.bpm is None else bar.bpm * bar.meter.beat_quarters
        found.append(replace(bar, bpm=None if told == quarters else bar.bpm, key=None if bar.key == key else bar.key))
        quarters, key = told or quarters, bar.key or key
    return tuple(found)


def label_of(name: str, place: str, notices: list[str]) -> str:
    """The label of a chord name; what is reduced is added to the notices.  Raises: SheetError naming the place."""
    try:
        label, warning = canonical(name)
    except ChordError as error:
        raise SheetError(f"{place}: {error}") from None
    if warning and warning not in notices:
        notices.append(warning)
    return label


def chords_of_cells(cells: Sequence[Sequence[str]], beats: Fraction) -> tuple[Chord, ...]:
    """Labels in cells that share a bar equally; those within a cell share the cell.  :data:`HOLD` goes on.

    >>> chords_of_cells([["C"], ["."], ["F", "G"], ["."]], Fraction(4))
    ((Fraction(0, 1), 'C'), (Fraction(2, 1), 'F'), (Fraction(5, 2), 'G'))
    """
    found = []
    for number, cell in enumerate(cells):
        for part, label in enumerate(cell):
            if label != HOLD:
                place = (number + Fraction(part, len(cell))) / len(cells) * beats
                found.append((place, label))
    return tuple(found)


def cells_of(bar: Bar, least: int = 1) -> list[str]:
    """The chords of a bar as cells of equal length, at least ``least`` a beat; :data:`HOLD` where one goes on.

    >>> cells_of(Bar(chords=((Fraction(0), "C"), (Fraction(5, 2), "G"))))
    ['C', '.', '.', '.', '.', 'G', '.', '.']

    Places finer than a twenty-fourth of a beat are rounded to it.
    """
    parts = lcm(least, *(beat.denominator for beat, _ in bar.chords), bar.beats.denominator)
    parts = parts if parts <= FINEST else FINEST
    cells = [HOLD] * max(1, round(bar.beats * parts))
    for beat, label in bar.chords:
        cells[min(round(beat * parts), len(cells) - 1)] = label
    return cells
