"""Cutting, filling and shifting tracks."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from flowmusic.controls.tracks import batched, crop, fit_track, runs, single
from flowmusic.types import FrameGrid, Track

GRID = FrameGrid(Fraction(25), 5)
IDS = Track(torch.arange(5), torch.ones(5, dtype=torch.bool), GRID)
FEATURES = Track(torch.arange(10.0).reshape(5, 2), torch.ones(5, dtype=torch.bool), GRID)


def test_crop_leaves_the_outside_unknown() -> None:
    track = crop(FEATURES, -2, 4)
    assert track.known.tolist() == [False, False, True, True]
    assert track.values.tolist() == [[0, 0], [0, 0], [0, 1], [2, 3]]
    assert crop(IDS, 3, 4).known.tolist() == [True, True, False, False]
    assert crop(IDS, 3, 4).values[:2].tolist() == [3, 4]


def test_crop_keeps_a_batch() -> None:
    track = crop(batched(FEATURES), 1, 3)
    assert track.values.shape == (1, 3, 2) and track.grid == FrameGrid(Fraction(25), 3)
    assert torch.equal(track.values[0], FEATURES.values[1:4])


def test_fit_cuts_and_fills() -> None:
    assert fit_track(IDS, FrameGrid(Fraction(25), 3)).values.tolist() == [0, 1, 2]
    assert fit_track(IDS, FrameGrid(Fraction(25), 7)).known.tolist() == [True] * 5 + [False] * 2
    with pytest.raises(ValueError, match=r"track has 25 frames per second, the grid 50"):
        fit_track(IDS, FrameGrid(Fraction(50), 5))


def test_batched_and_single_are_inverse() -> None:
    assert torch.equal(single(batched(IDS)).values, IDS.values)
    assert batched(batched(IDS)).known.shape == (1, 5)
    with pytest.raises(ValueError, match=r"\(2, 5\)"):
        single(Track(IDS.values.expand(2, -1), IDS.known.expand(2, -1), GRID))


def test_runs() -> None:
    assert runs(torch.tensor([4, 4, 1, 4])) == [(0, 2, 4), (2, 3, 1), (3, 4, 4)]
    assert runs(torch.tensor([], dtype=torch.int64)) == []
