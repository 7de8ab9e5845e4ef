"""Onsets and beats: F-measures of times."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.metrics.beats import beat_f1
from flowmusic.metrics.onsets import merge, onset_f1

times = st.lists(st.integers(0, 200), min_size=1, max_size=20, unique=True).map(lambda ns: [n / 20 for n in sorted(ns)])
BOTH = pytest.mark.parametrize("score", [onset_f1, beat_f1])


@BOTH
@given(times)
def test_perfect_is_one(score, found: list[float]) -> None:
    assert score(found, found) == pytest.approx(1.0)
    assert score(found[::-1], found) == pytest.approx(1.0)


@BOTH
@given(times, times)
def test_symmetric(score, a: list[float], b: list[float]) -> None:
    assert score(a, b) == pytest.approx(score(b, a))


@given(times, times)
def test_as_many_pairs_as_can_be(a: list[float], b: list[float]) -> None:
    """Windows are equally wide, so taking the earliest free partner of each time in turn matches the most."""
    free, matched = sorted(b), 0
    for time in sorted(a):
        partner = next((other for other in free if abs(other - time) <= 0.06), None)
        if partner is not None:
            free.remove(partner)
            matched += 1
    assert onset_f1(a, b, 0.06) == pytest.approx(2.0 * matched / (len(a) + len(b)))
    assert beat_f1(a, b, 0.06) == pytest.approx(2.0 * matched / (len(a) + len(b)))


def test_tolerances() -> None:
    assert onset_f1([1.0, 2.0], [1.049, 2.051]) == pytest.approx(0.5)
    assert beat_f1([1.0, 2.0], [1.069, 2.071]) == pytest.approx(0.5)


def test_early_beats_are_not_trimmed() -> None:
    assert beat_f1([0.5, 1.0, 1.5], [0.5]) == pytest.approx(0.5)


def test_one_detection_matches_one_request() -> None:
    assert onset_f1([1.0, 1.04], [1.02]) == pytest.approx(2 / 3)


def test_requests_struck_together_are_one() -> None:
    assert onset_f1([1.0, 1.01, 1.02, 2.0], [1.0, 2.0]) == 1.0
    assert merge(np.array([0.0, 0.02, 0.04, 0.06]), 0.03).tolist() == [0.0, 0.04]


@BOTH
def test_nothing_detected_is_zero_and_nothing_requested_is_nan(score) -> None:
    assert score([1.0], []) == 0.0
    with pytest.warns(UserWarning, match="was requested; the score is nan"):
        assert math.isnan(score([], [1.0]))


def test_impossible_times_are_refused() -> None:
    with pytest.raises(ValueError, match="requested times must be finite"):
        onset_f1([math.nan], [1.0])
    with pytest.raises(ValueError, match="detected times must be finite"):
        onset_f1([1.0], [-1.0])
