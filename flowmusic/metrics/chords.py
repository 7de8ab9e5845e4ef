"""Chord adherence: time-weighted agreement on major, minor and no chord.

Conventions: changes are ``(start [s], end [s], label)``, ascending, in our labels or any spelling that
``flowmusic.controls.chords.canonical`` reads.  The vocabulary is mir_eval's ``majmin``: sevenths and sixths count as
their triad, basses are ignored, and requested chords that are neither major nor minor nor N (dim, aug, m7b5, UNK)
are left out of the score.  Time that was not requested is left out too; time without a recognised chord counts as N.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from flowmusic.controls import vocabulary
from flowmusic.controls.chords import canonical, check_changes

Change = tuple[float, float, str]

_HARTE = {
    "": "maj",
    "m": "min",
    "7": "7",
    "maj7": "maj7",
    "m7": "min7",
    "m7b5": "hdim7",
    "6": "maj6",
    "m6": "min6",
    "dim": "dim",
    "aug": "aug",
}
_DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")


def to_harte(label: str) -> str:
    """A label in the notation of Harte et al. (ISMIR 2005): ``F/A`` is ``F:maj/3``, ``UNK`` is ``X``.

    Raises: ChordError if the label cannot be read.
    """
    name = canonical(label).label
    if name == vocabulary.NO_CHORD:
        return "N"
    chord = vocabulary.split(name)
    if chord is None:
        return "X"
    bass = f"/{_DEGREES[chord.bass_interval]}" if chord.bass_interval else ""
    return f"{vocabulary.ROOTS[chord.root]}:{_HARTE[chord.suffix]}{bass}"


def chord_acc(requested: Iterable[Sequence], recognised: Iterable[Sequence]) -> float:
    """Share of the requested time whose chord was recognised (mir_eval ``majmin``), in 0..1.

    Returns nan, with a warning, if nothing requested can be compared.
    Raises: ChordError for unreadable labels and for times that overlap or descend.

    >>> chord_acc([(0.0, 2.0, "C"), (2.0, 4.0, "Am")], [(0.0, 3.0, "Cmaj7"), (3.0, 4.0, "A:min")])
    0.75
    """
    import mir_eval

    wanted = _filled(requested, "X")
    if not wanted:
        warnings.warn("chord_acc: no chord was requested; the score is nan", stacklevel=2)
        return math.nan
    start, end = wanted[0][0], wanted[-1][1]
    # mir_eval takes the bass for a note of the chord: C/D would no longer be C major.
    heard = [(s, e, name.partition("/")[0]) for s, e, name in _filled(recognised, "N")] or [(start, end, "N")]
    est_intervals, est_labels = mir_eval.util.adjust_intervals(*_arrays(heard), start, end, "N", "N")
    intervals, ref, est = mir_eval.util.merge_labeled_intervals(*_arrays(wanted), est_intervals, est_labels)
    comparisons = mir_eval.chord.majmin(ref, est)
    # mir_eval gives -1 where the requested chord is not of the vocabulary.
    if not np.any(comparisons >= 0):
        warnings.warn("chord_acc: none of the requested chords is major, minor or N; the score is nan", stacklevel=2)
        return math.nan
    return float(mir_eval.chord.weighted_accuracy(comparisons, mir_eval.util.intervals_to_durations(intervals)))


def chord_iou(requested: Iterable[Sequence], recognised: Iterable[Sequence]) -> float:
    """Intersection over union of the two labelled time lines: a / (2 - a) for an agreement of a; nan as there."""
    agreement = chord_acc(requested, recognised)
    # Of two labelled lines of length L, a L is common and 2 L - a L is in either.
    return agreement / (2.0 - agreement)


def _filled(changes: Iterable[Sequence], label: str) -> list[Change]:
    """Changes in Harte's notation without empty spans, gaps filled."""
    out: list[Change] = []
    for start, end, name in check_changes((float(s), float(e), str(n)) for s, e, n in changes):
        if end - start < 1e-6:
            continue
        if out and start - out[-1][1] > 1e-6:
            out.append((out[-1][1], start, label))
        out.append((out[-1][1] if out else start, end, to_harte(name)))
    return out


def _arrays(changes: list[Change]) -> tuple[np.ndarray, list[str]]:
    return np.array([change[:2] for change in changes], float), [change[2] for change in changes]
