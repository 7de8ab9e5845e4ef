"""In which order written bars are played: repeats, endings, D.C. and D.S., Fine and Coda."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_BARS = 10_000


class RepeatError(ValueError):
    """Repeats that lead nowhere, or to more bars than any piece has."""


@dataclass(frozen=True)
class Marks:
    """What stands at a bar that changes the order.

    Attributes:
        start: a repeat begins here.
        end: how often the repeat that ends here is played in all; 0 where none ends.
        endings: the passes on which this bar is played (``1.``, ``2.``); empty is all.
        segno, coda: signs at its start.
        to_coda: after it, on the way after a jump, the coda follows.
        fine: after it, on the way after a jump, the piece ends.
        jump: ``D.C.`` or ``D.S.`` at its end, taken once.
    """

    start: bool = False
    end: int = 0
    endings: frozenset[int] = frozenset()
    segno: bool = False
    coda: bool = False
    to_coda: bool = False
    fine: bool = False
    jump: str = ""


def order(marks: Sequence[Marks]) -> list[int]:
    """The numbers of the bars in the order in which they are played.

    After a jump no repeat is taken and the last ending is played, as is the custom.

    >>> order([Marks(start=True), Marks(end=2, endings=frozenset({1})), Marks(endings=frozenset({2}))])
    [0, 1, 0, 2]
    >>> order([Marks(), Marks(fine=True), Marks(jump="D.C.")])
    [0, 1, 2, 0, 1]

    Raises: RepeatError for a jump to a sign that is not there, and for more than 10,000 bars.
    """
    played: list[int] = []
    here, start, times, jumped = 0, 0, 1, False
    while here < len(marks):
        mark = marks[here]
        if mark.start and here != start:
            start, times = here, 1
        if mark.endings:
            last = max(_endings_from(marks, here, start))
            if (last if jumped else times) not in mark.endings:
                here += 1
                continue
        played.append(here)
        if len(played) > MOST_BARS:
            raise RepeatError(f"the repeats lead to more than {MOST_BARS} bars; repeat less")
        if jumped and mark.fine:
            break
        if jumped and mark.to_coda:
            here = _sign(marks, "coda", here)
            continue
        if mark.end and not jumped:
            # An ending that is followed by others is repeated until the last of them.
            passes = max(mark.end, max(_endings_from(marks, here, start), default=0)) if mark.endings else mark.end
            if times < passes:
                times, here = times + 1, start
                continue
        over = mark.end or (mark.endings and not (here + 1 < len(marks) and marks[here + 1].endings == mark.endings))
        if over:
            start, times = here + 1, 1
        if mark.jump and not jumped:
            jumped = True
            here = 0 if mark.jump.upper().startswith("D.C") else _sign(marks, "segno", here)
            start, times = here, 1
            continue
        here += 1
    return played


def _endings_from(marks: Sequence[Marks], here: int, start: int) -> set[int]:
    """The numbers of all endings of the repeat that a bar lies in."""
    found: set[int] = set()
    first = here
    while first > start and marks[first - 1].endings:
        first -= 1
    for mark in marks[first:]:
        if not mark.endings:
            break
        found |= mark.endings
    return found


def _sign(marks: Sequence[Marks], name: str, here: int) -> int:
    places = [number for number, mark in enumerate(marks) if getattr(mark, name)]
    after = [number for number in places if number > here]
    found = (after or places) if name == "coda" else places
    if not found:
        raise RepeatError(f"bar {here + 1} jumps to a {name} sign, and none is written")
    return found[0]
