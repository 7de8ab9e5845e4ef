"""Chord changes from the network's scores: two Viterbi passes, from coarse to fine.

A chord's probability is spread over its types (C, C7, C/E), so the most probable class need not belong to the most
probable triad.  The first pass follows triads, whose probabilities are sums over their types; the second chooses among
the types of the triad that holds.  In both, staying is free and every change costs the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from feature_extractors.networks import chord_features, chord_labels
from feature_extractors.survivors import Survivors

TRIAD_COST, TYPE_COST = 4.0, 4.0
"""Of a change of the triad, and of the type within a triad, in nats; chosen on the validation split."""
STEPS_A_FRAME = 4
"""Changes are placed on a grid this much finer than the frames, by interpolating log probabilities."""
_IMPOSSIBLE = -1e4
_BLOCK = 4000

Changes = tuple[tuple[float, float, str], ...]


def changes(
    log_probabilities: np.ndarray,
    seconds: float,
    types: bool = True,
    triad_cost: float = TRIAD_COST,
    type_cost: float = TYPE_COST,
) -> Changes:
    """Gapless chords of a recording, ``(start [s], end [s], label)``.

    Args:
        log_probabilities: ``[F, 193]`` at 10 Hz, frame k centred at ``k / 10`` s.
        seconds: length of the recording; an empty one has no chords.
        types: False stops after the triads.
    """
    return joined(path(log_probabilities, seconds, types, triad_cost, type_cost), seconds)


def path(
    log_probabilities: np.ndarray,
    seconds: float,
    types: bool = True,
    triad_cost: float = TRIAD_COST,
    type_cost: float = TYPE_COST,
) -> np.ndarray:
    """The class of every step of 25 ms, as :func:`changes` has them in spans.  Shape: ``[S]``."""
    steps = int(np.ceil(seconds * chord_features.FPS * STEPS_A_FRAME - 1e-6))
    if steps <= 0 or len(log_probabilities) == 0:
        return np.zeros(0, np.int64)
    triad = viterbi(_interpolated(triads(log_probabilities), steps), triad_cost)
    if not types:
        return np.asarray(chord_labels.PLAIN[triad])
    rows = zip(_interpolated(log_probabilities, steps), triad, strict=True)
    allowed = (np.where(held == chord_labels.TRIAD, row, _IMPOSSIBLE) for row, held in rows)
    return viterbi(allowed, type_cost)


def confidence(log_probabilities: np.ndarray, classes: np.ndarray, types: bool = True) -> np.ndarray:
    """How probable the chosen chord is, frame by frame: what the network gives it there and over its whole span.

    The geometric mean of both: the first tells the edges of a chord apart, the second what the span was named after.

    Args:
        log_probabilities: ``[F, 193]``.
        classes: ``[S]``, of :func:`path`.
        types: False counts the whole triad.

    Shape: ``[F]`` in 0..1.
    """
    if len(classes) == 0:
        return np.zeros(len(log_probabilities), np.float32)
    at = np.minimum(np.arange(len(log_probabilities)) * STEPS_A_FRAME, len(classes) - 1)
    chosen = classes[at]
    scores = log_probabilities if types else triads(log_probabilities)
    here = np.exp(scores[np.arange(len(chosen)), chosen if types else chord_labels.TRIAD[chosen]])
    return over_spans(here, chosen)


def over_spans(probability: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Geometric mean of a probability and its mean over the span of one choice.  Shape: ``[F], [F] -> [F]``."""
    span = np.concatenate([[0], np.cumsum(np.diff(chosen) != 0)])
    mean = np.bincount(span, probability) / np.bincount(span)
    return np.sqrt(probability * mean[span]).astype(np.float32)


def triads(log_probabilities: np.ndarray) -> np.ndarray:
    """Log probabilities of triads.  Shape: ``[F, 193] -> [F, 49]``."""
    member = np.zeros((chord_labels.CLASSES, 49), np.float32)
    member[np.arange(chord_labels.CLASSES), chord_labels.TRIAD] = 1.0
    return np.log(np.maximum(np.exp(log_probabilities) @ member, 1e-12))


def viterbi(scores: Iterable[np.ndarray], cost: float) -> np.ndarray:
    """The best path where staying is free and any change costs the same.

    Args:
        scores: at least one row of ``[states]``, step by step.

    Shape: ``-> [S]``.
    """
    rows = iter(scores)
    total = next(rows).astype(np.float64)
    own = np.arange(len(total), dtype=np.int16)
    survivors = Survivors()
    for row in rows:
        best = int(total.argmax())
        # Every change costs the same, so that the best state of all is the only one worth coming from.
        leave = total[best] - cost
        survivors.add(np.where(total >= leave, own, np.int16(best)))
        total = np.maximum(total, leave) + row
    return survivors.path(int(total.argmax()))


def _interpolated(scores: np.ndarray, steps: int) -> Iterator[np.ndarray]:
    """Scores at the middle of each step, each a step's share of a frame's.  Shape: ``[F, C] -> steps x [C]``."""
    for start in range(0, steps, _BLOCK):  # an hour at once would take hundreds of megabytes
        at = np.minimum((np.arange(start, min(start + _BLOCK, steps)) + 0.5) / STEPS_A_FRAME, len(scores) - 1)
        first = np.floor(at).astype(int)
        second = np.minimum(first + 1, len(scores) - 1)
        share = (at - first)[:, None].astype(np.float32)
        yield from ((1.0 - share) * scores[first] + share * scores[second]) / STEPS_A_FRAME


def joined(classes: np.ndarray, seconds: float) -> Changes:
    """Classes of steps as labelled spans from 0 to the end.  Shape: ``[S]``."""
    if len(classes) == 0:
        return ()
    firsts = [0, *(np.flatnonzero(np.diff(classes)) + 1).tolist()]
    starts = [round(n / (chord_features.FPS * STEPS_A_FRAME), 4) for n in firsts]
    labels = [chord_labels.label(int(classes[n])) for n in firsts]
    spans = zip(starts, [*starts[1:], seconds], labels, strict=True)
    return tuple((start, end, name) for start, end, name in spans if end > start)
