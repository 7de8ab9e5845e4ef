"""Onset adherence: F-measure of matched onset times, 50 ms to either side (mir_eval.onset).

The detector is part of the result: name it beside every number.  Two onsets within 30 ms are heard as one and merged
on the requested side, because drums hit together are written twice; detectors merge on theirs.
A no-skill score (another clip's drums) is about 0.4, so report the normalised score as well.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

import numpy as np

TOLERANCE_S = 0.05
MERGE_S = 0.03


def onset_f1(requested: Iterable[float], detected: Iterable[float], tolerance_s: float = TOLERANCE_S) -> float:
    """F-measure in 0..1.

    Args:
        requested, detected: seconds, in any order.
        tolerance_s: largest distance of a match.

    Returns nan, with a warning, if nothing was requested, and 0 if something was but nothing was detected.
    Raises: ValueError for times that are not finite or negative.

    >>> onset_f1([0.5, 1.0, 1.01], [0.52, 1.2])  # two of the three are one; one hit of two and two
    0.5
    """
    import mir_eval

    wanted = merge(_times(requested, "requested"), MERGE_S)
    heard = _times(detected, "detected")
    if wanted.size == 0:
        warnings.warn("onset_f1: no onset was requested; the score is nan", stacklevel=2)
        return math.nan
    if heard.size == 0:
        return 0.0
    return float(mir_eval.onset.f_measure(wanted, heard, window=tolerance_s)[0])


def merge(times: np.ndarray, closer_than_s: float) -> np.ndarray:
    """Keep the first of ascending times that follow one another within ``closer_than_s``."""
    kept: list[float] = []
    for time in times:
        # From the last that is kept, not the last seen: a roll must not become one onset.
        if not kept or time - kept[-1] > closer_than_s:
            kept.append(float(time))
    return np.array(kept)


def _times(times: Iterable[float], name: str) -> np.ndarray:
    array = np.sort(np.asarray(list(times), float).reshape(-1))
    if array.size and not (np.isfinite(array).all() and array[0] >= 0.0):
        raise ValueError(f"{name} times must be finite and not negative, got {array[:3].tolist()} ...")
    return array
