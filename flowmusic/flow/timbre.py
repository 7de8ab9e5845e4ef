"""Bring the statistics of what is generated to those of an excerpt: adaptive instance normalisation along the solve.

Huang & Belongie (2017, arXiv 1703.06868, eq. 8) give features of one picture the mean and deviation, by channel, of
those of another, which keeps what is shown and changes how it looks.  Here the features are the data that the field
predicts at every evaluation, so that what is predicted next goes with the change.  In channels of latents that hold a
spectrum the mean is its shape and the deviation its power: the timbre of the excerpt, and not a note of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from flowmusic.flow.path import per_item
from flowmusic.flow.rescale import LEAST_DEVIATION, LEAST_LEFT
from flowmusic.types import VelocityField

MOST_RATIO = 2.0
"""By how much one evaluation scales deviations at most, or by its inverse: an early prediction is blurred, and how
much less it moves than music is not to be made up at once."""


@dataclass(frozen=True)
class Target:
    """Statistics that are wanted, per item of a batch.

    Args:
        mean, deviation: over the frames of an excerpt, ``[B, D]``.
        shift, scale: ``[B, D]``, how far each channel is brought to either: 0 leaves it, 1 goes all the way.
        share: ``[T]`` in 0..1, how much of each frame is meant; None: all of it.
    """

    mean: Tensor
    deviation: Tensor
    shift: Tensor
    scale: Tensor
    share: Tensor | None = None


def matching(field: VelocityField, targets: Sequence[Target]) -> VelocityField:
    """``field`` with the statistics of the data that it predicts brought to those of the targets.

    With the prediction x = z + (1 - t) v, its mean m and deviation d over the frames of a target, and m', d' wanted,
    x becomes m + a (m' - m) + (d' / d)^b (x - m), a of ``shift`` and b of ``scale``, and v changes by the difference
    over 1 - t.  Targets with shares of the frames are measured by these shares, and add up by them.

    >>> import torch
    >>> one = torch.ones(1, 1)
    >>> target = Target(5.0 * one, 2.0 * one, shift=one, scale=one)
    >>> field = matching(lambda z, t: torch.zeros_like(z), [target])
    >>> z = torch.tensor([[[-1.0], [1.0]]])
    >>> z + field(z, torch.zeros(1))
    tensor([[[3.],
             [7.]]])

    Shape: the result maps ``z [B, T, D], t [B] -> [B, T, D]``.  Without targets it is ``field`` itself.
    """
    if not targets:
        return field

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        v = field(z, t)
        left = 1.0 - per_item(t, z)
        change = sum(_change(z + left * v, target) for target in targets)
        return v + change / left.clamp(min=LEAST_LEFT)

    return velocity


def _change(data: Tensor, target: Target) -> Tensor:
    """What is to be added to predicted data.  Shape: ``[B, T, D] -> [B, T, D]``."""
    share = data.new_ones(data.shape[1]) if target.share is None else target.share.to(data)
    weight = (share / share.sum().clamp(min=1e-6))[None, :, None]
    mean = (weight * data).sum(1, keepdim=True)
    away = data - mean
    deviation = (weight * away.square()).sum(1, keepdim=True).sqrt().clamp(min=LEAST_DEVIATION)
    wanted = target.deviation.to(data)[:, None].clamp(min=LEAST_DEVIATION)
    ratio = (wanted / deviation).clamp(1.0 / MOST_RATIO, MOST_RATIO).pow(target.scale.to(data)[:, None])
    found = mean + target.shift.to(data)[:, None] * (target.mean.to(data)[:, None] - mean) + ratio * away
    return share[None, :, None] * (found - data)


def statistics(excerpt: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over the frames of an excerpt.  Shape: ``[T, D] -> [D], [D]``, fp32."""
    z = excerpt.float()
    return z.mean(0), z.std(0, correction=0)
