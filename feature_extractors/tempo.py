"""The tempo of tracked beats, how sure it is, and whether there is enough sound to claim one at all.

A tracker finds beats in anything: half a second of sound has two beats, and so a tempo.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feature_extractors.rows import BLOCK, Rows, blocks, peak

LEAST_BEATS, LEAST_SECONDS = 4, 1.5
"""Fewer beats, or beats over a shorter time, are none: any three hits fit some tempo."""
LEAST_CONFIDENCE = 0.15
"""A tempo that is less sure is not claimed."""
EVEN = 0.08
"""A beat is in time if its distance from the one before differs by less than this share of the usual one."""
QUIET_DB = -40.0
"""Below this under the peak a recording has ended, or not begun."""
_AROUND_S = 0.1


def tempo(beats: Sequence[float]) -> float | None:
    """Beats a minute by a straight line through the beats, robust to one that is missing; None below two.

    Times are quantised to 10 ms, so a median interval alone would be off by a beat a minute.
    """
    if len(beats) < 2:
        return None
    times = np.asarray(beats)
    interval = float(np.median(np.diff(times)))
    if interval <= 0:
        return None
    index = np.concatenate([[0], np.cumsum(np.maximum(1, np.rint(np.diff(times) / interval)))])
    return round(float(60.0 / np.polyfit(index, times, 1)[0]), 2)


def confidence(beats: Sequence[float], sure: Sequence[float], chance: float = 0.0) -> float:
    """How sure the tempo of beats is, in 0..1.

    The mean confidence of the beats above chance, times the share of intervals that are in time, times ``n / (n + 4)``
    for ``n`` intervals: what a share of n trials is worth against a prior of four.

    Args:
        beats: at least two ascending times.
        sure: confidence of each.
        chance: what it is on average where there is no beat.
    """
    steps = np.diff(np.asarray(beats))
    usual = float(np.median(steps))
    even = float(np.mean(np.abs(steps - usual) <= EVEN * usual))
    above = max(0.0, float(np.mean(sure)) - chance) / (1.0 - chance)
    return round(above * even * len(steps) / (len(steps) + 4), 3)


def enough(beats: Sequence[float]) -> bool:
    """Whether so many beats over so long a time can have a tempo."""
    return len(beats) >= LEAST_BEATS and beats[-1] - beats[0] >= LEAST_SECONDS


def sounding(samples: Rows, rate: int) -> tuple[float, float]:
    """Seconds from the first to the last sound, with a little around it: beats that go on in silence are a guess.

    Read block by block, so that the samples need not lie in memory.  Shape: ``[N]``.
    """
    loud = 10.0 ** (QUIET_DB / 20.0) * peak(samples)
    first, last = None, 0
    for number, block in enumerate(blocks(samples)):
        start, here = number * BLOCK, np.flatnonzero(np.abs(block) > loud)
        if len(here):
            first, last = start + int(here[0]) if first is None else first, start + int(here[-1])
    if first is None:
        return 0.0, 0.0
    return max(0.0, first / rate - _AROUND_S), last / rate + _AROUND_S
