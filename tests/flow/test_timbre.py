"""Statistics of predicted data are those of the target, in the channels and on the frames that are meant."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowmusic.flow import solve, time_grids
from flowmusic.flow.timbre import MOST_RATIO, Target, matching, statistics
from flowmusic.types import VelocityField

FRAMES, DIM = 200, 4


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def towards(data: Tensor) -> VelocityField:
    """The field that leads every state to ``data``."""
    return lambda z, t: (data - z) / (1.0 - t.reshape(-1, 1, 1)).clamp(min=1e-4)


def solved(field: VelocityField, z: Tensor, solver: str = "midpoint") -> Tensor:
    return solve.solve(field, z, time_grids.uniform(8), solver).z


@pytest.mark.parametrize("solver", ["euler", "midpoint", "ab2"])
def test_data_gets_the_statistics_and_keeps_its_course(solver: str) -> None:
    """Each channel is a line through what it was, with the mean and deviation asked for; strength 0 leaves it."""
    data, noise = 1.5 * drawn(0, 1, FRAMES, DIM) - 0.5, drawn(1, 1, FRAMES, DIM)
    mean, deviation = torch.tensor([[0.7, -1.0, 0.2, 3.0]]), torch.tensor([[1.0, 2.0, 1.4, 2.5]])
    strength = torch.tensor([[1.0, 1.0, 0.0, 1.0]])
    found = solved(matching(towards(data), [Target(mean, deviation, strength, strength)]), noise, solver)
    torch.testing.assert_close(found[..., 2], data[..., 2], atol=2e-2, rtol=0)
    for channel in (0, 1, 3):
        got = found[0, :, channel]
        assert float(got.mean()) == pytest.approx(float(mean[0, channel]), abs=0.05)
        assert float(got.std(correction=0)) == pytest.approx(float(deviation[0, channel]), rel=0.05)
        assert float(torch.corrcoef(torch.stack([got, data[0, :, channel]]))[0, 1]) > 0.99


def test_half_the_strength_goes_half_the_way() -> None:
    """Half of the distance of means, the root of the ratio of deviations; by one evaluation, from the prediction."""
    data = drawn(0, 1, FRAMES, 1)
    mean, deviation = (each[None] for each in statistics(data[0]))
    half = torch.tensor([[0.5]])
    target = Target(mean + 4.0, 1.96 * deviation, half, half)
    z = drawn(1, 1, FRAMES, 1)
    t = torch.tensor([0.25])
    found = z + 0.75 * matching(towards(data), [target])(z, t)
    torch.testing.assert_close(found.mean(), mean[0, 0] + 2.0, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.std(correction=0), 1.4 * deviation[0, 0], atol=1e-4, rtol=0)


def test_frames_belong_to_their_own_target() -> None:
    data = drawn(2, 2, FRAMES, DIM)
    first = (torch.arange(FRAMES) < FRAMES // 2).float()
    ones, zeros = torch.ones(2, DIM), torch.zeros(2, DIM)
    only_one = torch.stack([ones[0], zeros[0]])  # the other item asks for nothing
    targets = [Target(5.0 * ones, ones, ones, zeros, first), Target(-5.0 * ones, ones, only_one, zeros, 1.0 - first)]
    found = solved(matching(towards(data), targets), torch.zeros_like(data))
    halves = found.reshape(2, 2, -1, DIM).mean(2)
    torch.testing.assert_close(halves[:, 0], 5.0 * ones, atol=0.1, rtol=0)
    torch.testing.assert_close(halves[0, 1], -5.0 * ones[0], atol=0.1, rtol=0)
    torch.testing.assert_close(halves[1, 1], data[1, FRAMES // 2 :].mean(0), atol=0.1, rtol=0)


def test_silence_and_the_end_of_the_path_stay_finite() -> None:
    """Deviations change by a factor at most, and at t = 1, where nothing is left, no faster than just before."""
    still = torch.zeros(1, FRAMES, DIM)
    ones = torch.ones(1, DIM)
    loud = Target(0.0 * ones, 9.0 * ones, ones, ones)
    assert float(matching(lambda z, t: z - z, [loud])(still, torch.ones(1)).abs().max()) == 0.0
    moving = drawn(3, 1, FRAMES, DIM)
    change = matching(lambda z, t: z - z, [loud])(moving, torch.zeros(1))
    assert float((moving + change).std(1).mean()) == pytest.approx(MOST_RATIO * float(moving.std(1).mean()), rel=1e-3)
    assert bool(matching(lambda z, t: z - z, [loud])(moving, torch.ones(1)).isfinite().all())


def test_without_targets_it_is_the_field() -> None:
    field = towards(torch.zeros(1, 2, 1))
    assert matching(field, []) is field
