"""Scores on a scale from no skill to the best possible, and how sure they are.

``norm = (score - shuffled) / (truth - shuffled)``: 0 is what an output gets that ignores the control, 1 what the
reference audio gets against its own labels.  Raw control scores mislead (no-skill onset F1 is about 0.4).

>>> norm(score=0.65, shuffled=0.4, truth=0.9)
0.5
>>> bootstrap([0.5, 0.6, 0.7, 0.8])
Interval(mean=0.65, low=0.55, high=0.75, count=4)
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
LEAST_RANGE = 0.02
"""Below this distance of truth and shuffled a metric cannot tell skill from none."""


@dataclass(frozen=True)
class Interval:
    """A mean over ``count`` clips with a bootstrap interval; all nan for no clip."""

    mean: float
    low: float
    high: float
    count: int


def norm(score: float, shuffled: float, truth: float) -> float:
    """The normalised score; nan, with a warning, where truth does not exceed shuffled by :data:`LEAST_RANGE`."""
    if math.isnan(score) or math.isnan(shuffled) or math.isnan(truth):
        return math.nan
    if truth - shuffled < LEAST_RANGE:
        warnings.warn(f"truth {truth:.3f} does not exceed shuffled {shuffled:.3f}; no normalised score", stacklevel=2)
        return math.nan
    return (score - shuffled) / (truth - shuffled)


def mean(values: Sequence[float]) -> float:
    """Mean of the values that are not nan; nan for none."""
    kept = [v for v in values if not math.isnan(v)]
    return float(np.mean(kept)) if kept else math.nan


def bootstrap(values: Sequence[float], seed: int = 0, level: float = 0.95, draws: int = 1000) -> Interval:
    """Percentile bootstrap of the mean over clips (Efron 1979); nan values are left out."""
    kept = np.array([v for v in values if not math.isnan(v)], float)
    if kept.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    picks = np.random.default_rng(seed).integers(0, kept.size, (draws, kept.size))
    low, high = _percentiles(kept[picks].mean(1), level)
    return Interval(float(kept.mean()), low, high, int(kept.size))


def bootstrap_norm(
    score: Sequence[float],
    shuffled: Sequence[float],
    truth: Sequence[float],
    seed: int = 0,
    level: float = 0.95,
    draws: int = 1000,
) -> Interval:
    """Bootstrap of the ratio of means, the same clips drawn for all three; clips with a nan anywhere are left out.

    Args:
        score, shuffled, truth: one value a clip, in the same order.
    """
    rows = np.array([score, shuffled, truth], float)
    rows = rows[:, ~np.isnan(rows).any(0)]
    count = rows.shape[1]
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    value = norm(*(float(row.mean()) for row in rows))
    if math.isnan(value):
        return Interval(math.nan, math.nan, math.nan, count)
    picks = np.random.default_rng(seed).integers(0, count, (draws, count))
    # The same clips for all three: that some clips are easier than others then cancels in the ratio.
    s, f, t = (row[picks].mean(1) for row in rows)
    usable = t - f >= LEAST_RANGE
    low, high = _percentiles((s[usable] - f[usable]) / (t[usable] - f[usable]), level)
    return Interval(value, low, high, count)


def derange(items: Sequence[Item]) -> list[Item]:
    """Every item replaced by the next, the last by the first: the labels of another clip, the same way each time.

    Raises: ValueError for fewer than two items, which have no other.
    """
    if len(items) < 2:
        raise ValueError(f"a shuffled reference needs at least 2 clips, got {len(items)}")
    return [*items[1:], items[0]]


def _percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return float(low), float(high)
