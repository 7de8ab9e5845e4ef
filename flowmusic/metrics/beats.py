"""Beat adherence: F-measure of beat times, 70 ms to either side (mir_eval.beat), first seconds included."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

import numpy as np

TOLERANCE_S = 0.07


def beat_f1(requested: Iterable[float], detected: Iterable[float], tolerance_s: float = TOLERANCE_S) -> float:
    """F-measure in 0..1, without the usual trimming of the first 5 s (clips are short).

    Args:
        requested, detected: seconds, in any order.
        tolerance_s: largest distance of a match.

    Returns nan, with a warning, if nothing was requested, and 0 if something was but nothing was detected.

    >>> beat_f1([0.5, 1.0, 1.5, 2.0], [0.52, 1.0, 1.75])  # two hits of four wanted and three heard
    0.571...
    """
    import mir_eval

    wanted, heard = (np.sort(np.asarray(list(times), float).reshape(-1)) for times in (requested, detected))
    if wanted.size == 0:
        warnings.warn("beat_f1: no beat was requested; the score is nan", stacklevel=2)
        return math.nan
    if heard.size == 0:
        return 0.0
    return float(mir_eval.beat.f_measure(wanted, heard, f_measure_threshold=tolerance_s))
