"""The key of a progression, for the names of files and the signature of a score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowmusic.annotations.annotation import Chord, Note
from flowmusic.controls.vocabulary import NO_CHORD, ROOTS, UNKNOWN_CHORD, pitch_classes

_PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
"""How well each step fits to a key (Krumhansl & Kessler 1982, Psychological Review 89(4))."""
ROOT_SHARE = 2.0
"""What a root counts beside the other notes of its chord."""
FRAME = (0.15, 0.05)
"""Correlation that the chord of a key's first step adds where the music begins with it, and where it ends with it.

A progression of one scale fits two keys equally well: C Am F G is in C, Am F C G in A minor.
"""
_MINOR = frozenset(("m", "m7", "m6", "m7b5", "dim"))


def key_of(chords: Sequence[Chord], notes: Sequence[Note] = ()) -> str | None:
    """The key that chords and a melody fit best, ``A minor``; None where there is nothing to tell it by.

    >>> [key_of([(n, n + 1, label) for n, label in enumerate(text.split())]) for text in ("C Am F G", "Am F C G", "N")]
    ['C major', 'A minor', None]
    """
    weights = np.zeros(12)
    named = [(end - start, label) for start, end, label in chords if label not in (NO_CHORD, UNKNOWN_CHORD)]
    for seconds, label in named:
        found = pitch_classes(label)
        weights[list(found.notes)] += seconds
        if found.root is not None:
            weights[found.root] += (ROOT_SHARE - 1.0) * seconds
    for start, end, midi in notes:
        weights[midi % 12] += end - start
    if not weights.any() or np.ptp(weights) == 0.0:
        return None

    def fits(root: int, mode: str) -> float:
        value = float(np.corrcoef(weights, np.roll(_PROFILES[mode], root))[0, 1])
        for added, (_, label) in zip(FRAME, (named[0], named[-1]) if named else ()):
            chord = pitch_classes(label)
            suffix = label.removeprefix(ROOTS[root]).partition("/")[0]
            value += added * (chord.root == root and (suffix in _MINOR) == (mode == "minor"))
        return value

    root, mode = max(((n, mode) for mode in _PROFILES for n in range(12)), key=lambda each: fits(*each))
    return f"{ROOTS[root]} {mode}"
