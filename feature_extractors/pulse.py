"""Beat tracking by dynamic programming (Ellis 2007), on any onset strength: pure numpy, no weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PRIOR_BPM = 120.0
TIGHTNESS = 100.0
CHANCE = 0.5
"""The :func:`agreement` of trackers that have nothing to do with each other."""


def period(strength: np.ndarray, fps: float, min_bpm: float, max_bpm: float) -> float | None:
    """Frames per beat: the autocorrelation's peak under a log-normal preference for :data:`PRIOR_BPM`.

    A lag also counts what its double and triple hold, so that a steady hi-hat does not double the tempo.
    Returns None if the strength is too short or flat to tell.
    """
    low, high = 60.0 * fps / max_bpm, 60.0 * fps / min_bpm
    size = len(strength)
    if size < 2 * low:
        return None
    centred = strength - strength.mean()
    # The autocorrelation by Wiener-Khinchin; twice the length keeps its ends from wrapping around.
    spectrum = np.abs(np.fft.rfft(centred, 2 * size)) ** 2
    correlation = np.fft.irfft(spectrum)[:size]
    if correlation[0] <= 0.0:
        return None
    # Fewer products at long lags: unbiased up to half the length, beyond it nothing is known.
    correlation = correlation / correlation[0] * size / np.maximum(size - np.arange(size), size / 2)
    lags = np.arange(low, min(high, size / 2), 0.25)
    if len(lags) == 0:
        return None
    place = np.arange(size)
    score = sum(
        weight * np.interp(multiple * lags, place, correlation, right=0.0)
        for multiple, weight in ((1, 1.0), (2, 0.5), (3, 0.25), (4, 0.25))
    )
    # A bell over octaves of tempo: half and double tempo are equally far from the preferred one.
    score = score * np.exp(-0.5 * (np.log2(lags / (60.0 * fps / PRIOR_BPM)) / 0.9) ** 2)
    best = int(np.argmax(score))
    return float(lags[best]) if score[best] > 0.0 else None


def beats(strength: np.ndarray, lag: float) -> np.ndarray:
    """The chain of frames that collects most strength while keeping a distance near ``lag``.

    Maximises the sum of strength minus ``TIGHTNESS * log(distance / lag) ** 2`` (Ellis 2007, equation 4).

    Args:
        strength: ``[F]`` non-negative.
        lag: frames per beat.

    Returns: ascending frame numbers.
    """
    scale = float(strength.std())
    if len(strength) == 0 or scale <= 0.0:
        return np.zeros(0, int)
    value = strength / scale
    steps = np.arange(-round(2 * lag), -max(1, round(lag / 2)) + 1)
    cost = -TIGHTNESS * np.log(-steps / lag) ** 2
    total = value.copy()
    back = np.full(len(value), -1)
    for n in range(len(value)):
        before = n + steps
        inside = before >= 0
        if inside.any():
            options = total[before[inside]] + cost[inside]
            best = int(options.argmax())
            # A chain that would lose by its past begins here.
            if options[best] > 0.0:
                total[n] = value[n] + options[best]
                back[n] = before[inside][best]
    # The chain may end anywhere in the last beat and a half; the first and last beat need some strength of their own.
    last = max(0, len(value) - round(1.5 * lag))
    n = last + int(total[last:].argmax())
    chain = [n]
    while back[n] >= 0:
        n = int(back[n])
        chain.append(n)
    found = np.array(chain[::-1])
    strong = np.flatnonzero(_around(value, found) >= 0.5 * np.median(_around(value, found)))
    return found[strong[0] : strong[-1] + 1]


def agreement(found: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """How well other trackers' beats agree with these, beat by beat: a committee's confidence (Zapata et al. 2014).

    At eight places from each beat to the next the phase within the beat is compared: 1 where all others have the same,
    0 where they have the opposite one.  Another tempo so agrees about half, whatever the beats that coincide.

    Args:
        found: ``[K]`` ascending times.
        others: such times each; fewer than two agree nowhere.

    Shape: ``[K]`` in 0..1.
    """
    if len(found) < 2 or not others:
        return np.zeros(len(found))
    whole = np.append(found, 2 * found[-1] - found[-2])
    share = np.arange(8) / 8
    times = whole[:-1, None] + np.diff(whole)[:, None] * share
    total = np.zeros(len(found))
    for other in others:
        if len(other) >= 2:
            away = np.abs((_position(times, other) - share + 0.5) % 1.0 - 0.5)
            total += (1.0 - 2.0 * away).mean(1)
    return total / len(others)


def _position(at: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Times in beats, by a straight line beyond the first and the last."""
    index = np.clip(np.searchsorted(beats, at, side="right") - 1, 0, len(beats) - 2)
    return np.asarray(index + (at - beats[index]) / (beats[index + 1] - beats[index]))


def bar_phase(strength: np.ndarray, found: np.ndarray, beats_per_bar: int) -> int:
    """Which of the first beats begins a bar: the phase whose beats are strongest on average."""
    around = _around(strength, found)
    return int(np.argmax([around[p::beats_per_bar].mean() if len(around) > p else -1.0 for p in range(beats_per_bar)]))


def _around(strength: np.ndarray, frames: np.ndarray) -> np.ndarray:
    return np.array([strength[max(0, n - 3) : n + 4].max(initial=0.0) for n in frames])
