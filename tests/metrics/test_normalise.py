from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.metrics.normalise import bootstrap, bootstrap_norm, derange, mean, norm

share = st.floats(0.0, 1.0)


@given(st.floats(0.0, 0.4), st.floats(0.5, 1.0), share)
def test_ends_and_middle(shuffled: float, truth: float, part: float) -> None:
    assert norm(shuffled, shuffled, truth) == pytest.approx(0.0)
    assert norm(truth, shuffled, truth) == pytest.approx(1.0)
    assert norm(shuffled + part * (truth - shuffled), shuffled, truth) == pytest.approx(part, abs=1e-9)


def test_no_range_is_nan_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"0\.400 does not exceed shuffled 0\.400"):
        assert math.isnan(norm(0.5, 0.4, 0.4))
    assert math.isnan(norm(math.nan, 0.1, 0.9))


def test_means_leave_out_nan() -> None:
    assert mean([0.2, math.nan, 0.4]) == pytest.approx(0.3)
    assert math.isnan(mean([]))
    assert bootstrap([0.2, math.nan, 0.4]).count == 2
    assert bootstrap([math.nan]).count == 0
    assert math.isnan(bootstrap([]).mean)


@given(st.lists(share, min_size=2, max_size=30))
def test_interval_holds_the_mean_and_repeats(values: list[float]) -> None:
    found = bootstrap(values, seed=3)
    assert found.low - 1e-12 <= found.mean <= found.high + 1e-12
    assert found == bootstrap(values, seed=3)


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        found = bootstrap(rng.normal(0.5, 0.1, 40).tolist(), seed=trial, draws=400)
        hits += found.low <= 0.5 <= found.high
    # 95 % of 200 is 190; three standard deviations of the count are 9, and the percentile bootstrap is a bit short.
    assert 178 <= hits <= 200


def test_constant_values_have_no_width() -> None:
    found = bootstrap([0.7] * 5)
    assert (found.mean, found.low, found.high) == pytest.approx((0.7, 0.7, 0.7))


def test_normalised_interval() -> None:
    score, shuffled, truth = [0.5, 0.6, math.nan], [0.1, 0.2, 0.1], [0.9, 1.0, 0.9]
    found = bootstrap_norm(score, shuffled, truth)
    assert found.mean == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))
    assert found.count == 2
    assert bootstrap_norm([], [], []).count == 0


@given(st.lists(st.integers(), min_size=2, max_size=10, unique=True))
def test_derangement_moves_every_item(items: list[int]) -> None:
    moved = derange(items)
    assert sorted(moved) == sorted(items)
    assert all(a != b for a, b in zip(items, moved))


def test_one_clip_has_no_other() -> None:
    with pytest.raises(ValueError, match="at least 2 clips, got 1"):
        derange([1])
