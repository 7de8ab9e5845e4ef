"""The Frechet distance against its closed forms, its interval, and the embedding."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from flowmusic.audio import Audio
from flowmusic.metrics.fad import COEFFICIENTS, Gaussian, fad, frechet, halves, mfcc_patches

RATE = 32_000


def spd(rng: np.random.Generator, size: int) -> np.ndarray:
    root = rng.standard_normal((size, size))
    return root @ root.T + 0.1 * np.eye(size)


def test_diagonal_gaussians_have_a_closed_form() -> None:
    one = Gaussian(np.array([0.0, 1.0]), np.diag([4.0, 1.0]))
    other = Gaussian(np.array([3.0, 5.0]), np.diag([1.0, 9.0]))
    # |m|^2 = 9 + 16, and (sqrt(4) - sqrt(1))^2 + (sqrt(1) - sqrt(9))^2 = 1 + 4
    assert frechet(one, other) == pytest.approx(30.0)


def test_full_covariances_agree_with_the_matrix_root() -> None:
    rng = np.random.default_rng(0)
    one = Gaussian(rng.standard_normal(6), spd(rng, 6))
    other = Gaussian(rng.standard_normal(6), spd(rng, 6))
    root = scipy.linalg.sqrtm(one.covariance @ other.covariance).real
    slow = ((one.mean - other.mean) ** 2).sum() + np.trace(one.covariance + other.covariance - 2 * root)
    assert frechet(one, other) == pytest.approx(slow, rel=1e-9)
    assert frechet(one, other) == pytest.approx(frechet(other, one), rel=1e-9)


def test_a_set_is_at_no_distance_from_itself_even_if_singular() -> None:
    few = Gaussian.of(np.random.default_rng(0).standard_normal((4, 20)))
    assert np.linalg.matrix_rank(few.covariance) == 3
    assert frechet(few, few) == pytest.approx(0.0, abs=1e-6)


def test_wrong_embeddings_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 embeddings"):
        Gaussian.of(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="finite"):
        Gaussian.of(np.array([[0.0, 1.0], [np.nan, 1.0]]))
    with pytest.raises(ValueError, match="2 and 3 channels"):
        frechet(Gaussian(np.zeros(2), np.eye(2)), Gaussian(np.zeros(3), np.eye(3)))


def test_the_interval_holds_the_distance_and_narrows_with_clips() -> None:
    rng = np.random.default_rng(0)
    real = [rng.standard_normal((20, 3)) for _ in range(40)]
    # Clips differ among themselves, so few of them leave the distance uncertain.
    ours = [rng.standard_normal((20, 3)) + 1.0 + 0.5 * rng.standard_normal(3) for _ in range(40)]
    many, few = fad(ours, real), fad(ours[:8], real)
    assert many.low < many.mean < many.high and many.count == 40
    assert many.high - many.low < few.high - few.low
    assert many.low < 3.25 < many.high  # |m|^2 = 3, and the means add 0.25 to each variance: about 0.04 more
    alone = fad(ours[:1], real)
    assert alone.count == 1 and np.isnan(alone.low)


def test_halves_of_one_kind_are_nearer_than_another_kind() -> None:
    rng = np.random.default_rng(0)
    real = [rng.standard_normal((20, 3)) for _ in range(10)]
    other = [rng.standard_normal((20, 3)) + 2.0 for _ in range(10)]
    between = halves(real, seed=1)
    assert 0.0 < between.low <= between.mean <= between.high < fad(other, real).mean
    assert between == halves(real, seed=1) and between != halves(real, seed=2)
    with pytest.raises(ValueError, match="at least 2 clips"):
        halves(real[:1])


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(1, round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def test_patches_hear_timbre_and_not_level() -> None:
    sound = noise(3.0)
    patches = mfcc_patches(Audio(sound, RATE))
    assert patches.shape == (5, 2 * COEFFICIENTS)
    assert mfcc_patches(Audio(0.1 * sound, RATE)) == pytest.approx(patches, abs=1e-3)
    dull = torch.nn.functional.avg_pool1d(sound[None], 8, 1)[0]
    assert np.abs(mfcc_patches(Audio(dull, RATE)).mean(0) - patches.mean(0)).max() > 3.0
    assert np.abs(mfcc_patches(Audio(noise(3.0, 1), RATE)).mean(0) - patches.mean(0)).max() < 1.0


def test_short_and_silent_recordings_have_a_patch() -> None:
    assert mfcc_patches(Audio(noise(0.2), RATE)).shape == (1, 2 * COEFFICIENTS)
    assert not mfcc_patches(Audio(torch.zeros(1, RATE), RATE)).any()
