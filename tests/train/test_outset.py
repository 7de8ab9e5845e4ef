"""What a field is asked at t = 0: the mean of the window, from what it is told."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flowmusic.train.outset import FRAMES, outset_loss
from flowmusic.types import Condition

TOLD = torch.tensor([[1.0, -2.0], [0.5, 3.0], [0.0, 0.0]])


class Guess(nn.Module):
    """A field that takes the data to be what it is told, plus what is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.added = nn.Parameter(torch.zeros(2))

    def forward(self, z: Tensor, t: Tensor, condition: Condition) -> Tensor:
        assert z.shape == (3, FRAMES, 2) and not t.any() and condition.pooled is not None
        return condition.pooled[:, None] + self.added - z


def condition() -> Condition:
    none = torch.zeros(3, 1, dtype=torch.bool)
    return Condition(frames=None, tokens=torch.zeros(3, 1, 2), tokens_mask=none, pooled=TOLD)


def swinging(offset: float = 0.0) -> Tensor:
    """Windows whose means are what is told and an offset, with much that cancels over time."""
    wave = torch.tensor([5.0, -5.0]).repeat(20)[None, :, None]
    return TOLD[:, None] + offset + wave


def test_a_field_that_knows_the_means_makes_no_error() -> None:
    rng = torch.Generator().manual_seed(0)
    assert float(outset_loss(Guess(), condition(), swinging(), rng)) < 1e-10
    assert float(outset_loss(Guess(), condition(), swinging(2.0), rng)) == pytest.approx(4.0, rel=1e-5)
    # All weight on the second channel, which is as far off as the first.
    channels = torch.tensor([0.0, 2.0])
    assert float(outset_loss(Guess(), condition(), swinging(2.0), rng, channels)) == pytest.approx(4.0, rel=1e-5)


def test_it_is_learnt() -> None:
    field, rng = Guess(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(field.parameters(), lr=0.5)
    for _ in range(50):
        optimizer.zero_grad()
        outset_loss(field, condition(), swinging(2.0), rng).backward()
        optimizer.step()
    torch.testing.assert_close(field.added, torch.full((2,), 2.0), atol=1e-3, rtol=0.0)
