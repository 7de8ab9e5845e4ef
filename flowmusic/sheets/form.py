"""The form of a piece: its sections by name, and in another order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.retime import joined
from flowmusic.sheets.repeats import MOST_BARS
from flowmusic.sheets.sheet import Bar, Sheet
from flowmusic.sheets.written import carried, without_repetition


def played_as(sheet: Sheet, form: str) -> Sheet:
    """The sections of a sheet in another order: ``A A B A``.

    Each is played as it stands in the sheet: at the tempo and in the key that hold there, on the chord that is held
    over from the bar before it.

    >>> sheet = Sheet(tuple(Bar(chords=((Fraction(0), name),), section=part) for name, part in ("CA", "FB")))
    >>> [bar.chords[0][1] for bar in played_as(sheet, "A A B A").bars]
    ['C', 'C', 'F', 'C']

    Raises: ValueError for a name that no section has, listing those there are, and for more bars than any piece has.
    """
    parts = sections(sheet)
    bars: list[Bar] = []
    for name in _names(form, parts):
        bars += parts[name]
        if len(bars) > MOST_BARS:
            raise ValueError(f"the form has more than {MOST_BARS} bars; name fewer sections")
    return replace(sheet, bars=without_repetition(bars))


def in_order(annotations: Annotations, form: str) -> Annotations:
    """The same of what is written in seconds, drums included; each section keeps its own times.

    >>> song = Annotations(4.0, beats=(0, 1, 2, 3), sections=((0, 2, "A", ""), (2, 4, "B", "loud")))
    >>> found = in_order(song, "B A B")
    >>> found.seconds, found.beats, [name for _, _, name, _ in found.sections]
    (6.0, (0.0, 1.0, 2.0, 3.0, 4.0, 5.0), ['B', 'A', 'B'])

    Raises: ValueError as :func:`played_as`.
    """
    spans: dict[str, tuple[float, float]] = {}
    for start, end, name, _ in annotations.sections or ():
        spans.setdefault(name, (start, end))
    names = _names(form, spans)
    if len(names) > MOST_BARS:
        raise ValueError(f"the form has more than {MOST_BARS} sections; name fewer")
    return joined([annotations.part(spans[name][0], spans[name][1] - spans[name][0]) for name in names])


def _names(form: str, known: Iterable[str]) -> list[str]:
    """The names of a form as the sheet writes them; longer names are found before shorter ones: ``verse 1 chorus``."""
    by_length = sorted(known, key=lambda name: (-len(name.split()), name))
    words, found = form.replace(",", " ").split(), []
    letters = {key.casefold() for key in by_length}
    while words:
        name = next((key for key in by_length if _begins(words, key.split())), None)
        if name is None and len(words[0]) > 1 and all(letter.casefold() in letters for letter in words[0]):
            words[:1] = words[0]  # AABA
            continue
        if name is None:
            listed = ", ".join(known) or "none: it names no sections"
            listed = listed if len(listed) <= 200 else f"{listed[:200]}..."
            raise ValueError(f"the form names a section {words[0][:40]!r}; the sheet has {listed}")
        found.append(name)
        del words[: len(name.split())]
    if not found:
        raise ValueError("the form is empty; name sections such as A A B A")
    return found


def _begins(words: Sequence[str], name: Sequence[str]) -> bool:
    return bool(name) and [word.casefold() for word in words[: len(name)]] == [word.casefold() for word in name]


def sections(sheet: Sheet) -> dict[str, list[Bar]]:
    """The bars of every section by its name; of one that comes several times the first.

    Its first bar says tempo, key and chord, as far as they are known there.
    """
    bpm, key = carried(sheet.bars)
    found: dict[str, list[Bar]] = {}
    current: list[Bar] | None = None
    held: str | None = None
    for number, bar in enumerate(sheet.bars):
        if bar.section is not None:
            current = None if bar.section in found else found.setdefault(bar.section, [])
            if current is not None:
                current.append(_alone(bar, bpm[number] or sheet.bpm, key[number], held))
        elif current is not None:
            current.append(bar)
        held = bar.chords[-1][1] if bar.chords else held
    return found


def _alone(bar: Bar, bpm: float | None, key: str | None, held: str | None) -> Bar:
    """A bar that says by itself what holds in it."""
    chords = bar.chords
    if held is not None and not (chords and chords[0][0] == 0):
        chords = ((Fraction(0), held), *chords)
    return replace(bar, bpm=bpm, key=key, chords=chords)
