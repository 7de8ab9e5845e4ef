"""The chord network's classes: 12 roots x the 16 types of the vocabulary (with their basses), and no chord.

Class ``16 root + type``; :data:`TYPES` says which types; 192 is no chord.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from feature_extractors.networks import chord_features
from flowmusic.controls import chords as chord_control
from flowmusic.controls import vocabulary

TYPES: tuple[tuple[str, int], ...] = tuple(
    (chord.suffix, chord.bass_interval)
    for chord in sorted(
        (c for c in map(vocabulary.split, vocabulary.LABELS) if c is not None and c.root == 0),
        key=lambda c: (list(vocabulary.INTERVALS).index(c.suffix), c.bass_interval),
    )
)
"""Suffix and bass interval (semitones above the root) of each type."""
NONE = 12 * len(TYPES)
CLASSES = NONE + 1
_PLAIN = ("", "m", "dim", "aug")
_TRIAD_OF = {"m": 1, "m7": 1, "m6": 1, "dim": 2, "m7b5": 2, "aug": 3}
TRIAD = np.array([4 * (n // len(TYPES)) + _TRIAD_OF.get(TYPES[n % len(TYPES)][0], 0) for n in range(NONE)] + [48])
"""Triad (``4 root + quality``, 48 no chord) of each class.  Shape: ``[193]``."""
PLAIN = np.array([len(TYPES) * root + TYPES.index((kind, 0)) for root in range(12) for kind in _PLAIN] + [NONE])
"""The class that is each triad in root position and nothing more.  Shape: ``[49]``."""


def label(number: int) -> str:
    """The vocabulary's label of a class."""
    if number == NONE:
        return vocabulary.NO_CHORD
    root, kind = divmod(number, len(TYPES))
    found = vocabulary.join(vocabulary.Chord(root, *TYPES[kind]))
    assert found is not None, (root, kind)
    return found


@functools.cache
def class_of(name: str) -> int | None:
    """The class of a chord in any spelling; None for one that is not known."""
    found = chord_control.canonical(name).label
    chord = vocabulary.split(found)
    if chord is None:
        return NONE if found == vocabulary.NO_CHORD else None
    return len(TYPES) * chord.root + TYPES.index((chord.suffix, chord.bass_interval))


def targets(changes: Sequence[tuple[float, float, str]], frames: int) -> Tensor:
    """Share of each frame, half a hop to either side of its centre, that each class holds.

    Shape: ``[F, 193]``.  Rows sum to 1 where everything is labelled; what is not labelled holds nothing.
    """
    out = torch.zeros(frames, CLASSES)
    known = [(start, end, number) for start, end, name in changes if (number := class_of(name)) is not None]
    if known and frames:
        starts, ends, numbers = (np.array(column) for column in zip(*known, strict=True))
        centres, half = np.arange(frames) / chord_features.FPS, 0.5 / chord_features.FPS
        inside = np.minimum(centres[:, None] + half, ends) - np.maximum(centres[:, None] - half, starts)
        share = torch.from_numpy((inside * chord_features.FPS).clip(min=0.0)).float()
        out.index_add_(1, torch.from_numpy(numbers.astype(np.int64)), share)
    if frames:
        # The first frame's other half lies before the recording, and the last one's may lie behind it.
        out[[0, -1]] /= out[[0, -1]].sum(1, keepdim=True).clamp(min=1e-6)
    return out
