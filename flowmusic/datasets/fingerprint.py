"""Acoustic fingerprints: which recordings repeat each other, whatever format, level or first second they have.

A frame of 1 s every 64 ms is a word of 32 bits: for each pair of neighbouring bands (33 from 300 to 2000 Hz, spaced
evenly in log frequency), whether the upper one gained on the lower one over the last quarter of a second.  Gain drops
out, coding noise turns a few bits, and a cut at the start moves the words along by at most half a frame step.  After
Haitsma and Kalker (A highly robust audio fingerprinting system, ISMIR 2002), with longer and fewer frames: 1.9 kB for
:data:`SECONDS` of sound.

Two recordings are near duplicates where the words of one, moved along, differ from those of the other in less than
:data:`MOST_WRONG` of the bits; unrelated music differs in a half.  Candidates come from words that are equal or
one bit apart, so that the work grows with the number of recordings and not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

VERSION = 1
"""Raised when the same recording is to give other words."""
SECONDS = 30.0
"""How much of a recording is heard, from its first sound."""
RATE = 8_000
WINDOW, STEP, LAG = 8_192, 512, 4
BANDS, LOW_HZ, HIGH_HZ = 33, 300.0, 2_000.0
MOST_WRONG = 0.28
"""Share of bits; ``benchmarks/duplicates.py`` measures what it finds and what it takes for a duplicate wrongly."""
LEAST_WORDS = 24
"""An overlap of fewer words (2.5 s of sound) tells nothing; shorter recordings are compared by their bytes alone."""
_COMMON = 64
"""A word that occurs more often belongs to no recording in particular."""
_MOST_CANDIDATES = 32
_REACH = 1 << 20
"""More words than any fingerprint has."""
_ONE_BIT: Words = np.concatenate([np.zeros(1, np.uint32), np.uint32(1) << np.arange(32, dtype=np.uint32)])


def words(samples: NDArray[np.float32], rate: int) -> Words:
    """The fingerprint of the beginning of a recording.  Shape: mono ``[N] -> [W]``; empty for less than a window."""
    import soxr
    from scipy.fft import rfft

    heard = samples[: round(SECONDS * rate)].astype(np.float32)
    if rate != RATE:
        heard = soxr.resample(heard, rate, RATE, quality="MQ")
    if len(heard) < WINDOW:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(heard, WINDOW)[::STEP]
    power = np.abs(rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2
    edges = np.round(np.geomspace(LOW_HZ, HIGH_HZ, BANDS + 1) * WINDOW / RATE).astype(int)
    sums = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1, dtype=np.float64)], axis=1)
    bands = sums[:, edges[1:]] - sums[:, edges[:-1]]
    # The floor keeps bands without sound from answering with rounding errors.
    level = np.log(bands + 1e-9 * power.sum(axis=1, keepdims=True) + 1e-12)
    tilt = level[:, 1:] - level[:, :-1]
    bits = tilt[LAG:] > tilt[:-LAG]
    return (bits.astype(np.uint32) << np.arange(BANDS - 1, dtype=np.uint32)).sum(axis=1, dtype=np.uint32)


@dataclass(frozen=True)
class Pair:
    """Two recordings by place, ``first < second``, and the share of bits in which they differ."""

    first: int
    second: int
    wrong: float


def pairs(prints: Sequence[Words]) -> list[Pair]:
    """Near duplicates among fingerprints, in order of their places."""
    lengths = [len(each) for each in prints]
    if not sum(lengths):
        return []
    everything = np.concatenate(prints)
    owner = np.repeat(np.arange(len(prints)), lengths)
    place = np.concatenate([np.arange(length) for length in lengths])
    order = np.argsort(everything, kind="stable")
    ascending = everything[order]
    found = []
    for here, own in enumerate(prints):
        if len(own) < LEAST_WORDS:
            continue
        probes = (own[:, None] ^ _ONE_BIT[None]).ravel()
        first = np.searchsorted(ascending, probes, side="left")
        count = np.searchsorted(ascending, probes, side="right") - first
        use = np.flatnonzero((count > 0) & (count <= _COMMON))
        if not len(use):
            continue
        spread = count[use]
        inner = np.arange(spread.sum()) - np.repeat(np.cumsum(spread) - spread, spread)
        hits = order[np.repeat(first[use], spread) + inner]
        moved = np.repeat(use // len(_ONE_BIT), spread) - place[hits]
        others = owner[hits]
        later = others > here
        found += _verified(here, own, others[later], moved[later], prints)
    return found


def _verified(
    here: int, own: Words, others: NDArray[np.int64], moved: NDArray[np.int64], prints: Sequence[Words]
) -> list[Pair]:
    """Of the candidates with the most common words, those that agree over the whole overlap."""
    candidates, votes = np.unique(others * (2 * _REACH) + moved + _REACH, return_counts=True)
    best: dict[int, float] = {}
    for place in np.argsort(-votes, kind="stable")[:_MOST_CANDIDATES]:
        other, offset = divmod(int(candidates[place]), 2 * _REACH)
        offset -= _REACH
        # Where the cut falls between two frames, either neighbour may agree better.
        wrong = min(difference(own, prints[other], offset + near) for near in (-1, 0, 1))
        best[other] = min(wrong, best.get(other, 1.0))
    return [Pair(here, other, wrong) for other, wrong in sorted(best.items()) if wrong < MOST_WRONG]


def difference(first: Words, second: Words, offset: int) -> float:
    """Share of bits that differ where word ``n + offset`` of the first meets word n of the second.

    1 where the overlap is below half of the shorter one or below :data:`LEAST_WORDS`.
    """
    one, other = first[max(0, offset) :], second[max(0, -offset) :]
    length = min(len(one), len(other))
    if length < max(LEAST_WORDS, 0.5 * min(len(first), len(second))):
        return 1.0
    return float(np.bitwise_count(one[:length] ^ other[:length]).sum() / (32 * length))
