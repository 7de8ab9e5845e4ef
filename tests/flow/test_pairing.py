"""Minibatch pairing against brute force."""

from __future__ import annotations

import itertools

import pytest
import torch

from flowmusic.flow.pairing import nearest


def cost(noise: torch.Tensor, data: torch.Tensor) -> float:
    return float((noise - data).square().sum())


def test_no_other_order_is_nearer() -> None:
    generator = torch.Generator().manual_seed(0)
    noise, data = torch.randn(2, 5, 3, 2, generator=generator)
    paired = nearest(noise, data)
    best = min(cost(noise[list(order)], data) for order in itertools.permutations(range(5)))
    assert cost(paired, data) == pytest.approx(best, rel=1e-6) and best < cost(noise, data)
    assert sorted(paired.flatten().tolist()) == sorted(noise.flatten().tolist())


@pytest.mark.parametrize("mixed", [False, True])
def test_noise_near_data_finds_it(mixed: bool) -> None:
    # In bf16, 100 and 100.2 would be one number.
    data = 100.0 + 0.2 * torch.arange(6.0).view(6, 1, 1)
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        assert torch.equal(nearest(data[order] - 100.0, data), data - 100.0)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3, 4\)"):
        nearest(torch.zeros(2, 3, 4), torch.zeros(3, 3, 4))
