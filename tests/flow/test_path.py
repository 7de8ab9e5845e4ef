"""The path's ends, its velocity, and the loss on it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.flow import path, times
from flowmusic.flow.loss import flow_matching_loss, weights_of_runs

SIGMAS = st.sampled_from([0.0, 1e-5, 0.1, 0.5])
SEEDS = st.integers(0, 10_000)


def draw(seed: int, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z_0, z_1 = torch.randn(2, batch, 5, 4, generator=generator, dtype=torch.float64)
    return z_0, z_1


@given(seed=SEEDS, sigma_min=SIGMAS)
def test_path_starts_at_noise_and_ends_at_data(seed: int, sigma_min: float) -> None:
    z_0, z_1 = draw(seed)
    start = path.optimal_transport(z_0, z_1, torch.zeros(3), sigma_min)
    end = path.optimal_transport(z_0, z_1, torch.ones(3), sigma_min)
    assert torch.equal(start.z_t, z_0)
    # At t = 1 the data carry noise of width sigma_min.
    torch.testing.assert_close(end.z_t, z_1 + sigma_min * z_0)


@given(seed=SEEDS, sigma_min=SIGMAS)
def test_velocity_is_the_time_derivative_of_the_path(seed: int, sigma_min: float) -> None:
    z_0, z_1 = draw(seed)
    t = torch.rand(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    _, derivative = torch.autograd.functional.jvp(
        lambda time: path.optimal_transport(z_0, z_1, time, sigma_min).z_t, t, torch.ones_like(t)
    )
    torch.testing.assert_close(path.optimal_transport(z_0, z_1, t, sigma_min).velocity, derivative)


def test_each_item_has_its_own_time() -> None:
    z_0, z_1 = draw(0)
    t = torch.tensor([0.0, 0.3, 1.0])
    together = path.optimal_transport(z_0, z_1, t).z_t
    alone = [path.optimal_transport(z_0[i : i + 1], z_1[i : i + 1], t[i : i + 1]).z_t for i in range(3)]
    assert torch.equal(together, torch.cat(alone))


def test_shapes_that_disagree_are_named() -> None:
    z_0, z_1 = draw(0)
    with pytest.raises(ValueError, match=r"\(3, 5, 4\).*\(2, 5, 4\)"):
        path.optimal_transport(z_0, z_1[:2], torch.zeros(3))
    with pytest.raises(ValueError, match=r"B=3.*got \(1,\)"):
        path.optimal_transport(z_0, z_1, torch.zeros(1))


@pytest.mark.parametrize("sampler", [times.uniform, times.stratified, times.logit_normal, times.cosine])
@pytest.mark.parametrize("batch", [1, 7, 4096])
def test_samplers_stay_in_range_and_follow_their_generator(sampler: times.TimeSampler, batch: int) -> None:
    t = sampler(batch, torch.Generator().manual_seed(3))
    assert t.shape == (batch,)
    assert bool((t >= 0).all() and (t < 1).all())
    assert torch.equal(t, sampler(batch, torch.Generator().manual_seed(3)))
    assert not torch.equal(t, sampler(batch, torch.Generator().manual_seed(4)))


@given(batch=st.integers(1, 64), seed=SEEDS)
def test_stratified_times_fall_one_into_each_bin(batch: int, seed: int) -> None:
    t = times.stratified(batch, torch.Generator().manual_seed(seed))
    # Half an ulp of rounding may carry t across a bin's edge, so look at the sorted times instead of floor(t * batch).
    edges = torch.arange(batch + 1) / batch
    ordered = t.sort().values
    assert bool((ordered >= edges[:-1] - 1e-6).all() and (ordered <= edges[1:] + 1e-6).all())


def test_sampler_moments() -> None:
    # Standard error of the mean of 40 000 draws is below 0.002; the bounds are five of them.
    generator = torch.Generator().manual_seed(0)
    assert abs(float(times.uniform(40_000, generator).mean()) - 0.5) < 0.01
    assert abs(float(times.cosine(40_000, generator).mean()) - (1 - 2 / torch.pi)) < 0.01
    assert abs(float(times.logit_normal(40_000, generator).median()) - 0.5) < 0.01
    shifted = times.logit_normal(40_000, generator, mean=1.0)
    assert abs(float(shifted.median()) - float(torch.sigmoid(torch.tensor(1.0)))) < 0.01


def test_loss_weights() -> None:
    t = torch.tensor([0.0, 0.25, 1.0])
    assert times.weight_uniform(t).tolist() == [1.0, 1.0, 1.0]
    assert times.weight_increasing(t).tolist() == [1.0, 1.25, 2.0]
    assert times.weight_decreasing(t).tolist() == [2.0, 1.75, 1.0]


def test_channels_count_by_their_weight() -> None:
    """An error in the first of four channels, which counts four times, is 16/7 of one that all channels share alike."""
    weights = weights_of_runs([[1, 4.0], [3, 1.0]], 4)
    prediction, velocity, t = torch.zeros(2, 5, 4), torch.zeros(2, 5, 4), torch.zeros(2)
    prediction[..., 0] = 2.0
    plain = flow_matching_loss(prediction, velocity, t)
    assert float(flow_matching_loss(prediction, velocity, t, channels=weights) / plain) == pytest.approx(16 / 7)
    prediction[..., 1:] = 2.0
    assert float(flow_matching_loss(prediction, velocity, t, channels=weights)) == pytest.approx(4.0)
    for runs in ([[1, 4.0]], [[1, -1.0], [3, 1.0]], [[0, 1.0], [4, 1.0]], [[1.5, 1.0], [2.5, 1.0]], [[4]]):
        with pytest.raises(ValueError, match=r"channel_weights must be runs .* for 4 channels in all, got \[\["):
            weights_of_runs(runs, 4)
    with pytest.raises(ValueError, match=r"channel_weights must be above 0, got \[\["):
        weights_of_runs([[1, 0.0], [3, 1.0]], 4)


def test_the_mean_over_time_counts_further() -> None:
    """An error without memory counts 1 + mean times, a constant one 1 + mean T times, one of no mean once."""
    velocity, t, flat = torch.zeros(1, 8, 3), torch.zeros(1), torch.ones(1, 8, 3)
    swinging = flat * torch.tensor([1.0, -1.0]).repeat(4)[:, None]
    assert float(flow_matching_loss(swinging, velocity, t, mean=0.5)) == pytest.approx(1.0)
    assert float(flow_matching_loss(flat, velocity, t, mean=0.5)) == pytest.approx(1.0 + 0.5 * 8)
    noise = torch.randn(4000, 8, 3, generator=torch.Generator().manual_seed(0))
    without = flow_matching_loss(noise, torch.zeros_like(noise), torch.zeros(4000))
    with_it = flow_matching_loss(noise, torch.zeros_like(noise), torch.zeros(4000), mean=0.5)
    assert float(with_it / without) == pytest.approx(1.5, rel=0.03)
    # Of frames that do not count, none is in the mean.
    made = torch.tensor([[True] * 4 + [False] * 4])
    broken = flat.where(made[..., None], torch.tensor(float("nan")))
    assert float(flow_matching_loss(broken, velocity, t, mask=made, mean=0.5)) == pytest.approx(1.0 + 0.5 * 4)


def test_the_conditional_mean_is_the_best_guess_with_any_weight_on_means() -> None:
    targets = torch.randn(64, 5, 2, generator=torch.Generator().manual_seed(1)) + 0.7
    t, best = torch.zeros(64), targets.mean(0, keepdim=True).requires_grad_()
    flow_matching_loss(best.expand_as(targets), targets, t, mean=3.0).backward()
    assert best.grad is not None and float(best.grad.abs().max()) < 1e-6


@given(seed=SEEDS, error=st.floats(-3, 3))
def test_loss_of_a_constant_error_is_its_square_times_the_mean_weight(seed: int, error: float) -> None:
    u, _ = draw(seed)
    t = torch.rand(3, generator=torch.Generator().manual_seed(seed))
    loss = flow_matching_loss(u + error, u, t, times.weight_increasing)
    torch.testing.assert_close(loss, (error**2 * (1 + t).mean()).float(), atol=1e-5, rtol=1e-5)


def test_masked_frames_count_neither_in_the_loss_nor_in_the_gradient() -> None:
    u, prediction = draw(1)
    prediction[:, 3:] = torch.nan
    prediction.requires_grad_()
    mask = torch.tensor([True] * 3 + [False] * 2).expand(3, 5)
    t = torch.rand(3, generator=torch.Generator().manual_seed(0))
    loss = flow_matching_loss(prediction, u, t, mask=mask)
    torch.testing.assert_close(loss, flow_matching_loss(prediction[:, :3], u[:, :3], t))
    loss.backward()
    assert prediction.grad is not None
    assert bool((prediction.grad[:, 3:] == 0).all()) and bool((prediction.grad[:, :3] != 0).all())


def test_a_mask_without_frames_gives_zero() -> None:
    u, prediction = draw(1)
    assert float(flow_matching_loss(prediction, u, torch.zeros(3), mask=torch.zeros(3, 5, dtype=torch.bool))) == 0.0
    with pytest.raises(ValueError, match=r"mask must have shape \(3, 5\)"):
        flow_matching_loss(prediction, u, torch.zeros(3), mask=torch.zeros(3, 4, dtype=torch.bool))
