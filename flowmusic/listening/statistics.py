"""Statistics of listening tests: intervals over listeners and items, tests, and strengths of pairs.

>>> [round(float(p), 3) for p in holm([0.01, 0.04, 0.03])]
[0.03, 0.06, 0.06]
>>> round(recognition(12, 16), 3)
0.038
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DRAWS = 4000
HIDDEN_LEAST, HIDDEN_SHARE = 90.0, 0.15
"""BS.1534-3, 4.1.2: who rates the hidden reference below 90 in more than 15 % of the trials is left out."""
PRIOR = 0.1
"""Wins that each of a pair is given beside its own, so that who always wins is not infinitely strong."""


def resampled(values: Array, seed: int = 0, draws: int = DRAWS) -> Array:
    """Means of each condition when listeners and items are drawn again with replacement (Owen 2007, the pigeonhole).

    Both are random: an interval of these says what other listeners would say of other items.

    Shape: ``[listeners, items, conditions]``, nan where there is no answer, ``-> [draws, conditions]``; nan where a
    draw holds none of a condition.
    """
    listeners, items = drawn_counts(values.shape[0], values.shape[1], seed, draws)
    there = ~np.isnan(values)
    total = np.einsum("dl,di,lic->dc", listeners, items, np.where(there, values, 0.0), optimize=True)
    count = np.einsum("dl,di,lic->dc", listeners, items, there.astype(float), optimize=True)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def drawn_counts(listeners: int, items: int, seed: int, draws: int = DRAWS) -> tuple[Array, Array]:
    """How often each listener and each item is in a draw.  Shape: ``[draws, listeners]``, ``[draws, items]``."""
    random = np.random.default_rng(seed)
    counts = [random.multinomial(n, np.full(n, 1.0 / n), size=draws).astype(float) for n in (listeners, items)]
    return counts[0], counts[1]


def interval(draws: Array, level: float = 0.95) -> tuple[float, float]:
    """Percentiles of draws ``[draws]``; nan where there are none."""
    kept = draws[~np.isnan(draws)]
    if not kept.size:
        return math.nan, math.nan
    low, high = np.percentile(kept, [50.0 * (1.0 - level), 50.0 * (1.0 + level)])
    return float(low), float(high)


def estimate(values: Array, draws: Array) -> dict[str, float]:
    """The mean of a table, its 95 % interval over listeners and items, and the two-sided p of its being 0.

    The interval is that of Student with the deviation of the draws, in which listeners, items and chance all have their
    part.  Its degrees of freedom are those of the variances between listeners and between items (Satterthwaite 1946).
    A test over listeners alone takes it for granted that the items are all there are: in simulated studies with equal
    conditions it found a difference in 14 to 28 of a hundred, this one does in 5 at most
    (``python -m flowmusic.listening.simulate``).

    Args:
        values: ``[listeners, items]``, nan where there is no answer.
        draws: of :func:`resampled`, ``[draws]``.
    """
    from scipy.stats import t

    mean = _mean(values)
    parts = [_variance_of_mean([_mean(row) for row in rows]) for rows in (values, values.T)]
    known = [(variance, count) for variance, count in parts if count > 1]
    deviation = float(np.nanstd(draws)) if np.isfinite(draws).any() else math.nan
    if not known or math.isnan(mean):
        return {"mean": mean, "low": math.nan, "high": math.nan, "p": 1.0}
    total = sum(variance for variance, _ in known)
    if total == 0.0 or deviation == 0.0:
        return {"mean": mean, "low": mean, "high": mean, "p": 1.0 if mean == 0.0 else 0.0}
    freedom = total**2 / sum(variance**2 / (count - 1) for variance, count in known)
    reach = float(t.ppf(0.975, freedom)) * deviation
    p = float(2.0 * t.sf(abs(mean) / deviation, freedom))
    return {"mean": mean, "low": mean - reach, "high": mean + reach, "p": p}


def _mean(values: Array | Sequence[float]) -> float:
    """Of the numbers that are not nan; nan for none."""
    kept = np.asarray(values, float)
    kept = kept[~np.isnan(kept)]
    return float(kept.mean()) if kept.size else math.nan


def _variance_of_mean(means: Sequence[float]) -> tuple[float, int]:
    kept = np.array([each for each in means if not math.isnan(each)])
    return (float(kept.var(ddof=1)) / kept.size, kept.size) if kept.size > 1 else (0.0, kept.size)


def recognition(correct: int, trials: int) -> float:
    """One-sided p of so many right answers or more by guessing one of two (exact binomial)."""
    from scipy.stats import binomtest

    return float(binomtest(correct, trials, 0.5, alternative="greater").pvalue)


def share_interval(correct: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of trials."""
    from scipy.stats import binomtest

    found = binomtest(correct, trials).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def holm(values: Sequence[float]) -> list[float]:
    """The p values of a family of tests corrected by Holm (1979): together they err as seldom as one."""
    order = np.argsort(values, kind="stable")
    corrected, most = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        most = max(most, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = most
    return corrected


def strengths(wins: Array, rounds: int = 300) -> Array:
    """Strengths by Bradley and Terry (1952): the log odds of winning against another are the difference of two.

    Found by the steps of Hunter (2004, doi 10.1214/aos/1079120141), with :data:`PRIOR`.  Those of each item add up
    to 0.

    Args:
        wins: ``[*, S, S]``, how often the row won against the column; a tie is half a win for each.
    """
    met = wins + np.swapaxes(wins, -1, -2)
    wins = wins + PRIOR * (met > 0)
    met = wins + np.swapaxes(wins, -1, -2)
    total = wins.sum(-1)
    found = np.ones(total.shape)
    for _ in range(rounds):
        # p_i <- W_i / sum_j n_ij / (p_i + p_j), which raises the likelihood at every step.
        rate = (met / (found[..., :, None] + found[..., None, :])).sum(-1)
        found = np.where(rate > 0, total / np.where(rate > 0, rate, 1.0), 1.0)
        found /= np.exp(np.log(found).mean(-1, keepdims=True))
    logs: Array = np.log(found)
    return logs


def misses_reference(scores: Sequence[float]) -> bool:
    """Whether a listener fails the hidden reference by the rule of BS.1534-3.

    >>> misses_reference([100, 95, 60, 100, 100, 100, 100]), misses_reference([100, 60, 80, 100, 100])
    (False, True)
    """
    below = sum(score < HIDDEN_LEAST for score in scores)
    return bool(scores) and below > HIDDEN_SHARE * len(scores)
