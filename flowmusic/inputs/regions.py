"""Parts of a piece as a person names them: bars as they are counted, or seconds; to spans in seconds.

>>> bars("5-8,13"), bars("-2"), bars("7--1")
(((5, 8), (13, 13)), ((-2, -2),), ((7, -1),))
>>> in_seconds([4.0], [-1.0], length=10.0)
[(4.0, 10.0)]
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowmusic.types import FrameGrid, Track

Span = tuple[float, float]
Bars = tuple[tuple[int, int], ...]
"""First and last of some bars, counted from 1, or backwards from -1, the last one."""
LEAST_SECONDS = 0.1
"""Of a region: shorter ones are hardly more than the two fades at their edges."""
EARLY_S = 0.02
"""A line this little after the beginning of a region is meant by it."""
_RANGE = re.compile(r"(-?\d{1,6})(?:-(-?\d{1,6}))?")


def bars(text: str) -> Bars:
    """``5-8,13``: some bars, for a flag.  Raises: argparse.ArgumentTypeError."""
    found = []
    for item in text.split(","):
        match = _RANGE.fullmatch(item.strip())
        first = int(match[1]) if match else 0
        last = int(match[2]) if match and match[2] else first
        if not first or not last:
            raise argparse.ArgumentTypeError(
                f"{item.strip()[:40]!r} names no bars; write 3, 5-8 or 5-8,13, counted from 1; -1 is the last"
            )
        found.append((first, last))
    return tuple(found)


def in_seconds(starts: Sequence[float], ends: Sequence[float], length: float) -> list[Span]:
    """Regions of ``--start`` and ``--end``, in pairs; -1 is the end of the piece.

    One that is left out is the beginning or the end of the piece.

    Raises: ValueError for regions that are empty, backwards, outside of the piece or over one another.
    """
    if len(starts) != len(ends) and max(len(starts), len(ends)) > 1:
        raise ValueError(
            f"--start is given {len(starts)} times and --end {len(ends)} times; give both for each of several regions"
        )
    found = []
    for start, end in zip(starts or [0.0], ends or [-1.0], strict=True):
        told = f"the region from {start:g} to {end:g} s"
        end = length if end == -1.0 else end
        if start < 0.0 or end > length + 1e-3 or start >= length:
            raise ValueError(f"{told} is not within the piece, which lasts {length:.2f} s; -1 as --end is its end")
        found.append(_judged(start, min(end, length), told))
    return _apart(found)


def in_bars(wanted: Sequence[tuple[int, int]], lines: Sequence[float], name: str) -> list[Span]:
    """Regions of ``--bars``.

    Args:
        lines: where the bars begin, ascending, and the end of the piece.
        name: of the piece, for messages.

    Raises: ValueError as :func:`in_seconds`.
    """
    count, found = len(lines) - 1, []
    for first, last in wanted:
        told = f"bar {first}" if first == last else f"bars {first}-{last}"
        numbers = [number + count + 1 if number < 0 else number for number in (first, last)]
        if not all(1 <= number <= count for number in numbers):
            raise ValueError(f"{told} of {name} is not there; it has bars 1 to {count}, and -1 is the last")
        if numbers[0] > numbers[1]:
            raise ValueError(f"{told} of {name} run backwards; write the first bar before the last")
        found.append(_judged(lines[numbers[0] - 1], lines[numbers[1]], told))
    return _apart(found)


def _judged(start: float, end: float, told: str) -> Span:
    if start >= end:
        raise ValueError(f"{told} ends before it begins; give a later --end")
    if end - start < LEAST_SECONDS:
        raise ValueError(
            f"{told} lasts {end - start:.3g} s, which leaves nothing to make anew; {LEAST_SECONDS:g} s are the least"
        )
    return start, end


def _apart(spans: Sequence[Span]) -> list[Span]:
    """In order of time, neighbours that touch as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1] - 1e-6:
            raise ValueError(
                f"two regions overlap from {start:.2f} to {min(end, found[-1][1]):.2f} s; name every part once"
            )
        if found and start < found[-1][1] + 1e-6:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def bar_lines(beats: Track | None, length: float) -> list[float] | None:
    """Where bars begin, and the end of the piece; None where no bars are known.

    Args:
        beats: the beat grid of the piece.
        length: of the piece in seconds.
    """
    from flowmusic.controls.beats import bar_edges, from_track

    downbeats = () if beats is None else from_track(beats).downbeats
    # Phases are told to single precision, so that 2 s may read 1.99999999.
    return None if not downbeats else [round(time, 6) for time in bar_edges(downbeats, length)]


def beat_grid(beats: Track | None, bpm: float | None, meter: str | None, grid: FrameGrid) -> Track | None:
    """The beat grid of a piece, or one of ``bpm`` and ``meter`` in its place, from the first bar line, or beat, on.

    Raises: ValueError for a meter alone, where no tempo is known.
    """
    from flowmusic.controls.beats import from_bpm, from_track, tempo
    from flowmusic.controls.tracks import batched

    if bpm is None and meter is None:
        return beats
    times = None if beats is None else from_track(beats)
    bpm = bpm or (None if beats is None else tempo(beats))
    if bpm is None:
        raise ValueError("--meter counts the beats of a tempo, and none is known; give --bpm as well")
    first = (times.downbeats or times.beats or (0.0,))[0] if times is not None else 0.0
    return batched(from_bpm(bpm, meter or "4/4", grid, first))


def first_bar(lines: Sequence[float] | None, start: float) -> float:
    """Where the bar begins in which a region does, which is where its chords begin; without bars, its start."""
    earlier = [line for line in (lines or [])[:-1] if line <= start + EARLY_S]
    return earlier[-1] if earlier else start
