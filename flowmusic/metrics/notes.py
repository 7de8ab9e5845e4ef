"""How many of the notes of a reference a transcription has: F1 by mir_eval's transcription scores.

>>> wanted = [(0.0, 0.5, 60), (0.5, 1.0, 64)]
>>> note_f1(wanted, [(0.02, 0.3, 60), (0.5, 1.0, 65)])
0.5
>>> note_f1(wanted, [(0.02, 0.3, 60), (0.5, 1.0, 64)], offsets=True)
0.5
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

ONSET_S = 0.05
OFFSET_SHARE = 0.2


def note_f1(wanted: Sequence[Sequence[Any]], heard: Sequence[Sequence[Any]], offsets: bool = False) -> float:
    """F1 of notes with the right pitch that begin within 50 ms; 1 if there are none in either, 0 if only in one.

    Args:
        wanted, heard: notes, of each first its start [s], end [s] and MIDI number.
        offsets: whether ends count as well, within 50 ms or a fifth of the note (Raffel et al., ISMIR 2014).
    """
    if not wanted or not heard:
        return float(not wanted and not heard)
    import mir_eval

    reference, found = (_arrays(notes) for notes in (wanted, heard))
    ratio = OFFSET_SHARE if offsets else None
    _, _, f1, _ = mir_eval.transcription.precision_recall_f1_overlap(
        *reference, *found, onset_tolerance=ONSET_S, offset_ratio=ratio
    )
    return float(f1)


def _arrays(notes: Sequence[Sequence[Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Intervals ``[K, 2]`` in seconds and pitches ``[K]`` in Hz."""
    intervals = np.array([note[:2] for note in notes], float)
    return intervals, 440.0 * 2.0 ** ((np.array([note[2] for note in notes], float) - 69.0) / 12.0)
