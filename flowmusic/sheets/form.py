"""The form of a piece: its sections by name, and in another order."""

from __future__ import annotations

from dataclasses import replace

from flowmusic.sheets.sheet import Bar, Sheet


def played_as(sheet: Sheet, form: str) -> Sheet:
    """The sections of a sheet in another order: ``A A B A``.

    >>> from fractions import Fraction
    >>> sheet = Sheet(tuple(Bar(chords=((Fraction(0), name),), section=part) for name, part in ("CA", "FB")))
    >>> [bar.chords[0][1] for bar in played_as(sheet, "A A B A").bars]
    ['C', 'C', 'F', 'C']

    Raises: ValueError for a name that no section has, listing those there are.
    """
    parts = sections(sheet)
    bars: list[Bar] = []
    for name in form.replace(",", " ").split():
        found = next((key for key in parts if key.casefold() == name.casefold()), None)
        if found is None:
            known = ", ".join(parts) or "none: it names no sections"
            raise ValueError(f"the form names a section {name!r}; the sheet has {known}")
        bars += parts[found]
    if not bars:
        raise ValueError("the form is empty; name sections such as A A B A")
    tempo, key = sheet.bpm, next((bar.key for bar in sheet.bars if bar.key), None)
    bars[0] = replace(bars[0], bpm=bars[0].bpm or tempo, key=bars[0].key or key)
    return replace(sheet, bars=tuple(bars))


def sections(sheet: Sheet) -> dict[str, list[Bar]]:
    """The bars of every section by its name; of one that comes several times the first."""
    found: dict[str, list[Bar]] = {}
    current: list[Bar] | None = None
    for bar in sheet.bars:
        if bar.section is not None:
            current = None if bar.section in found else found.setdefault(bar.section, [])
        if current is not None:
            current.append(bar)
    return found
