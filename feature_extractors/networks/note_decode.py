"""From the note network's probabilities to notes.

Beginnings are peaks, and a note lasts while its part's frame head hears it.  No note is without a beginning
(Hawthorne et al. 2018, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from feature_extractors.networks import note_features
from feature_extractors.networks.note_net import OUTPUTS, PARTS

ONSET, FRAME, PART = 0.7, 0.4, 0.5
"""Thresholds, chosen on the validation split: of a beginning, a sounding frame, and a part that doubles another."""
APART_FRAMES = 3
"""Beginnings of one key that are closer are one: 60 ms."""
SHORTEST_S = 0.04
_FRAME_HEADS = len(PARTS) + 2


class Heard(NamedTuple):
    """A note: seconds, MIDI number, velocity 1-127, and its part."""

    start: float
    end: float
    pitch: int
    velocity: int
    part: str


def notes(found: np.ndarray, seconds: float, onset: float = ONSET, frame: float = FRAME) -> list[Heard]:
    """Notes in order of start and pitch; two of one part and pitch never overlap.

    Args:
        found: ``[F, 88, 9]`` in 0..1, of :func:`feature_extractors.networks.note_net.probabilities`.
        seconds: length of the recording, where every note ends at the latest.
        onset, frame: thresholds in 0..1; the higher, the fewer and the shorter the notes.
    """
    if not len(found):
        return []
    begun = peaks(found[..., 0].astype(np.float32), onset)
    by_part: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for at, key in begun.tolist():
        near = found[max(0, at - 1) : at + 2, key].astype(np.float32).max(0)[2 : 2 + len(PARTS)]
        strongest = int(near.argmax())
        time = (at + _refined(found[:, key, 0], at)) / note_features.FPS
        for part in np.flatnonzero(near >= PART).tolist() or [strongest]:
            by_part.setdefault((part, key), []).append((at, time))
    out = []
    for (part, key), starts in by_part.items():
        lasts = ends(found[:, key, _FRAME_HEADS + part].astype(np.float32), [at for at, _ in starts], frame)
        for n, ((at, time), last) in enumerate(zip(starts, lasts, strict=True)):
            latest = starts[n + 1][1] if n + 1 < len(starts) else seconds
            start = min(max(0.0, time), max(0.0, seconds - SHORTEST_S))
            end = min(max(last / note_features.FPS, start + SHORTEST_S), latest)
            velocity = int(np.clip(round(float(found[at, key, OUTPUTS.index("velocity")]) * 127), 1, 127))
            if end > start:
                out.append(Heard(round(start, 4), round(end, 4), key + note_features.LOWEST, velocity, PARTS[part]))
    return sorted(out, key=lambda note: (note.start, note.pitch, note.part))


def peaks(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Maxima over time of every key above a threshold, the first of two equal ones.  Shape: ``[F, 88] -> [K, 2]``."""
    reach = APART_FRAMES - 1
    padded = np.pad(probability, ((reach, reach), (0, 0)), constant_values=-1.0)
    highest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, 0).max(-1)
    before = np.lib.stride_tricks.sliding_window_view(padded[: len(probability) + reach - 1], reach, 0).max(-1)
    return np.argwhere((probability >= highest) & (probability > before) & (probability >= threshold))


def ends(sounding: np.ndarray, starts: Sequence[int], threshold: float) -> list[int]:
    """The frame after the last one of each beginning; one soft frame between two loud ones is no end.

    A head may be late by some frames: the note begins to be looked at where it first sounds, within 60 ms.

    Shape: sounding ``[F]``.
    """
    loud = sounding >= threshold
    # One missing frame is bridged.
    loud[1:-1] |= loud[:-2] & loud[2:]
    quiet = np.flatnonzero(~loud)
    out = []
    for start in starts:
        at = start
        while at < min(start + APART_FRAMES, len(loud) - 1) and not loud[at]:
            at += 1
        after = np.searchsorted(quiet, at)
        out.append(int(quiet[after]) if after < len(quiet) else len(loud))
    return out


def _refined(probability: np.ndarray, at: int) -> float:
    """The top of the parabola through a peak and its neighbours, in -0.5..0.5 frames."""
    if not 0 < at < len(probability) - 1:
        return 0.0
    before, top, after = (float(each) for each in probability[at - 1 : at + 2])
    bend = before - 2.0 * top + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < -1e-6 else 0.0
