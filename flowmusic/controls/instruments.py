"""Who plays when: forty instruments per frame, from spans in seconds and back.

Values ``[T, 40]`` in the order of :data:`flowmusic.facts.INSTRUMENTS`: 1 plays, 0 does not, and 0.5 (:data:`UNSAID`)
where a frame is known for others but nothing is said of this one.  A frame counts as its centre does.

>>> track = to_track([(0.0, 0.4, "piano"), (0.2, 1.0, "cello")], FrameGrid.of_seconds(1, 25))
>>> track.values.shape, from_track(track)
(torch.Size([25, 40]), ((0.0, 0.4, 'piano'), (0.2, 1.0, 'cello')))
>>> sorted(sounding([(0.0, 0.4, "piano"), (0.2, 1.0, "cello")], 25, first=15, length=10))
['cello']
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

import torch

from flowmusic import limits
from flowmusic.controls.tracks import runs, single
from flowmusic.facts import INSTRUMENTS, Facts
from flowmusic.types import FrameGrid, Track

NAME = "instruments"
"""Of the track."""
DRUMS = "drums"
"""Who plays the drums, among spans: no column of the track, for drums have a control of their own."""
UNSAID = 0.5
"""Halfway between silent and playing: of an instrument that nothing is said of on a known frame."""
BRIDGED_S = 0.5
"""Rests shorter than this belong to the playing.  A player who breathes, or plays staccato, has not stopped, and a
control that fell silent with each rest would tell the rhythm, which is not its to tell."""
PLAYERS = (*INSTRUMENTS, DRUMS)

Span = tuple[float, float, str]
"""Start and end in seconds, and one of :data:`PLAYERS`."""

_COLUMN = {name: column for column, name in enumerate(INSTRUMENTS)}


def check(spans: Iterable[Sequence[object]]) -> tuple[Span, ...]:
    """Spans of plain data.  Raises: ValueError naming the first that is none."""
    found = []
    for index, row in enumerate(spans):
        times = row[:2] if isinstance(row, Sequence) and not isinstance(row, str) and len(row) == 3 else ()
        numbers = [each for each in times if isinstance(each, int | float) and not isinstance(each, bool)]
        if len(numbers) != 2 or not (limits.moments(*numbers) and numbers[0] < numbers[1]):
            raise ValueError(f"span {index} of who plays must be [start, end, name] with start < end in seconds")
        if not isinstance(row[2], str) or row[2] not in PLAYERS:
            raise ValueError(f"span {index}: unknown player {str(row[2])[:40]!r}; allowed: {', '.join(PLAYERS)}")
        found.append((float(numbers[0]), float(numbers[1]), row[2]))
    return tuple(found)


def bridged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans of each player joined over rests shorter than :data:`BRIDGED_S`, by their starts.

    >>> bridged([(0.0, 1.0, "flute"), (1.3, 2.0, "flute"), (3.0, 4.0, "flute")])
    ((0.0, 2.0, 'flute'), (3.0, 4.0, 'flute'))
    """
    joined: dict[str, list[tuple[float, float]]] = {}
    for start, end, name in sorted(spans):
        own = joined.setdefault(name, [])
        if own and start - own[-1][1] < BRIDGED_S:
            own[-1] = (own[-1][0], max(own[-1][1], end))
        else:
            own.append((start, end))
    return tuple(sorted((start, end, name) for name, own in joined.items() for start, end in own))


def part(spans: Iterable[Span], start: float, seconds: float) -> tuple[Span, ...]:
    """What of the spans lies in a part of the recording, with times from the part's beginning."""
    moved = ((max(0.0, s - start), min(seconds, e - start), name) for s, e, name in spans)
    return tuple((s, e, name) for s, e, name in moved if s < e)


def to_track(spans: Iterable[Span], grid: FrameGrid, end_s: float | None = None) -> Track:
    """Who plays on every frame; drums are left out.

    Args:
        spans: in any order, also partly outside the grid.
        end_s: frames whose centre is not before it are unknown; None knows all.

    Returns: Track with values ``[T, 40]`` float32 and known ``[T]``.
    Raises: ValueError for what is no span.
    """
    values = torch.zeros(grid.length, len(INSTRUMENTS))
    for start, end, name in check(spans):
        if name != DRUMS:
            first, last = _frames(start, end, grid.frame_rate)
            values[max(0, first) : max(0, last), _COLUMN[name]] = 1.0
    known = torch.ones(grid.length, dtype=torch.bool)
    if end_s is not None:
        known[max(0, _frames(end_s, end_s, grid.frame_rate)[0]) :] = False
    return Track(values * known[:, None], known, grid)


def from_track(track: Track) -> tuple[Span, ...]:
    """Spans of the known frames of an unbatched (or batch of one) track, by their starts; what is unsaid is none."""
    track = single(track)
    rate = float(track.grid.frame_rate)
    plays = track.known[:, None] & (track.values > UNSAID)
    spans = [
        (first / rate, last / rate, name)
        for name, column in _COLUMN.items()
        for first, last, on in runs(plays[:, column].long())
        if on
    ]
    return tuple(sorted(spans))


def sounding(spans: Iterable[Span], rate: Fraction | int, first: int, length: int) -> frozenset[str]:
    """Who plays on any of ``length`` frames from frame ``first`` on, drums among them."""
    found = set()
    for start, end, name in spans:
        begin, stop = _frames(start, end, rate)
        if max(begin, first) < min(stop, first + length):
            found.add(name)
    return frozenset(found)


def heard(facts: Facts, spans: Iterable[Span] | None, rate: Fraction | int, first: int, length: int) -> Facts:
    """The facts of a window of a recording: instruments and drums are those that play in it.

    Args:
        facts: of the whole recording.
        spans: who plays in it; None where that is not known: then nothing is said of a window's instruments, and of
            its drums only that there are none where the whole has none.
        first, length: the window in frames.
    """
    if spans is None:
        return replace(facts, instruments=None, drums=False if facts.drums is False else None)
    players = sounding(spans, rate, first, length)
    return replace(facts, instruments=players - {DRUMS}, drums=DRUMS in players)


def _frames(start: float, end: float, rate: Fraction | int) -> tuple[int, int]:
    # start <= (n + 0.5) / rate < end
    return math.ceil(start * float(rate) - 0.5 - 1e-9), math.ceil(end * float(rate) - 0.5 - 1e-9)
