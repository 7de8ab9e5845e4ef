"""Label tracks of Audacity: ``start<TAB>end<TAB>text`` in seconds, a line each.

Labels that are chord names are chords, the others sections, and so is what stands in brackets: ``[A]``.
"""

from __future__ import annotations

import math
import re

from flowmusic.annotations.annotation import Annotations, Chord
from flowmusic.controls.harmony import reads
from flowmusic.sheets.written import SheetError, label_of

_LINE = re.compile(r"\s*(-?[\d.,]+(?:[eE][+-]?\d+)?)\t\s*(-?[\d.,]+(?:[eE][+-]?\d+)?)(?:\t(.*))?")
_BRACKETED = re.compile(r"\[(.+)\]")


def matches(text: str) -> bool:
    """Whether the first line that is not empty is a label."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return _LINE.fullmatch(first) is not None


def read(text: str) -> tuple[Annotations, list[str]]:
    """Chords and sections, and notices.  Raises: SheetError naming the line."""
    chords: list[tuple[float, float, str]] = []
    sections: list[tuple[float, float, str]] = []
    notices: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        # A backslash begins the second line of a label with frequencies.
        if not line.strip() or line.startswith("\\"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise SheetError(f"line {number}: {line[:40]!r} is no label; start, end and text are parted by tabs")
        start, end = _seconds(match[1], number), _seconds(match[2], number)
        if end < start:
            raise SheetError(f"line {number}: the label ends at {end:g} s, before it begins at {start:g} s")
        words = (match[3] or "").strip()
        named = _BRACKETED.fullmatch(words)
        if named is not None:
            sections.append((start, end, named[1][:60]))
        elif words and reads(words):
            chords.append((start, end, label_of(words, f"line {number}", notices)))
        elif words:
            sections.append((start, end, words[:60]))
    chords, sections = _filled(sorted(chords)), _filled(sorted(sections))
    ends = [end for _, end, _ in (*chords, *sections)]
    if not ends:
        raise SheetError("it holds no label with a text")
    found = Annotations(
        seconds=max(ends), chords=tuple(chords) or None, sections=tuple((*row, "") for row in sections) or None
    )
    return found, notices


def _filled(rows: list[Chord]) -> list[Chord]:
    """Points last to the next label, as a label track is often clicked in."""
    found: list[Chord] = []
    for number, (start, stop, text) in enumerate(rows):
        following = rows[number + 1][0] if number + 1 < len(rows) else stop
        end = following if stop == start else min(stop, following)
        if end > start:
            found.append((start, end, text))
    return found


def _seconds(text: str, number: int) -> float:
    # Where the decimal sign is a comma, Audacity writes it so.
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise SheetError(f"line {number}: {text[:20]!r} is no time in seconds")
    return value


def write(annotations: Annotations) -> str:
    """Chords and sections as labels, in the order of time."""
    rows = [(start, end, label) for start, end, label in annotations.chords or ()]
    rows += [(start, end, f"[{name}]") for start, end, name, _ in annotations.sections or ()]
    return "".join(f"{start:.6f}\t{end:.6f}\t{text}\n" for start, end, text in sorted(rows, key=lambda row: row[:2]))
