"""Plain scores of an extractor against exact labels, for the table of ceilings.

The project's metrics live in ``flowmusic.metrics``, which this package may not import.  These are their slow, obvious
twins, without mir_eval; a test holds the two together.  nan: nothing was there to be found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from flowmusic.controls import chords as chord_control
from flowmusic.controls import vocabulary

_QUALITY = {"": 0, "7": 0, "maj7": 0, "6": 0, "m": 1, "m7": 1, "m6": 1}
"""Chord types with a major or a minor triad; the rest (dim, aug, m7b5) is not scored."""


def chord_agreement(truth: Sequence[Sequence], found: Sequence[Sequence]) -> float:
    """Share of the labelled time with the right major or minor triad or no chord."""
    edges = sorted({float(t) for change in (*truth, *found) for t in change[:2]})
    right = scored = 0.0
    for start, end in zip(edges, edges[1:], strict=False):
        wanted = _triad(_at(truth, (start + end) / 2))
        if wanted is None:
            continue
        scored += end - start
        right += (end - start) * (wanted == _triad(_at(found, (start + end) / 2) or vocabulary.NO_CHORD))
    return right / scored if scored > 0.0 else math.nan


def _at(changes: Sequence[Sequence], time: float) -> str | None:
    return next((str(label) for start, end, label in changes if start <= time < end), None)


def _triad(label: str | None) -> tuple[int, int] | None:
    if label is None:
        return None
    name = chord_control.canonical(label).label
    chord = vocabulary.split(name)
    if chord is None:
        return (-1, -1) if name == vocabulary.NO_CHORD else None
    return (chord.root, _QUALITY[chord.suffix]) if chord.suffix in _QUALITY else None


def f_measure(truth: Sequence[float], found: Sequence[float], tolerance_s: float) -> float:
    """F-measure of times matched one to one within a tolerance, as many as can be."""
    if not truth:
        return math.nan
    wanted, heard = sorted(truth), sorted(found)
    matched = n = 0
    # Both ascend and all windows are equally wide, so taking the earliest free partner matches as many as possible.
    for time in wanted:
        while n < len(heard) and heard[n] < time - tolerance_s - 1e-9:
            n += 1
        if n < len(heard) and heard[n] <= time + tolerance_s + 1e-9:
            matched, n = matched + 1, n + 1
    return 2.0 * matched / (len(wanted) + len(heard))


def pitch_accuracy(notes: Sequence[Sequence[float]], times: np.ndarray, midi: np.ndarray, octaves: bool) -> float:
    """Share of frames inside notes with the right pitch: within 50 cents, or only the pitch class, rounded."""
    wanted = np.full(len(times), -1)
    for start, end, note in notes:
        inside = (times >= start) & (times < end)
        wanted[inside] = np.maximum(wanted[inside], round(note))
    frames = wanted >= 0
    if not frames.any():
        return math.nan
    if octaves:
        return float(np.mean(np.abs(midi[frames] - wanted[frames]) <= 0.5))
    same = (np.rint(midi[frames]).astype(int) - wanted[frames]) % 12 == 0
    return float(np.mean(same & (midi[frames] >= 0)))


def si_sdr(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019) of ``[N]``; nan for a silent reference."""
    wanted, found = reference.astype(np.float64), estimate.astype(np.float64)
    power = float(wanted @ wanted)
    if power < 1e-10 * max(1, len(wanted)):
        return math.nan
    target = (float(found @ wanted) / power) * wanted
    wrong = float(np.sum((found - target) ** 2))
    right = float(target @ target)
    if wrong == 0.0:
        return math.inf if right > 0.0 else -math.inf
    return 10.0 * math.log10(right / wrong) if right > 0.0 else -math.inf
