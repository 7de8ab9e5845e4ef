"""Guidance rescale: what is guided moves as much as what is not (Lin et al. 2023, arXiv 2305.08891, section 3.4).

Guidance makes the data that are predicted larger, and in channels that hold a spectrum larger is louder and brighter.
The paper scales a guided prediction to the deviation of the conditional one, equations 15 and 16; here each channel of
the latents has its own, over the frames, for guidance amplifies some more than others.
"""

from __future__ import annotations

from torch import Tensor

from flowmusic.flow.path import per_item

LEAST_DEVIATION = 1e-3
"""Of a channel that stands still; latents are about 1."""
LEAST_LEFT = 0.02
"""Of the path, in which a change of the data is made up at the soonest; at t = 1 nothing is left to do it in."""


def deviation(data: Tensor) -> Tensor:
    """Of each channel over the frames.  Shape: ``[B, T, D] -> [B, 1, D]``."""
    return data.std(1, correction=0, keepdim=True).clamp(min=LEAST_DEVIATION)


def rescaled(guided: Tensor, plain: Tensor, z: Tensor, t: Tensor, amount: float) -> Tensor:
    """A guided velocity whose predicted data have the deviations of those of ``plain``.

    With the prediction x = z + (1 - t) v, its mean m and deviation d over the frames, and d' of the plain prediction, x
    becomes m + (d' / d)^amount (x - m), and v changes by the difference over 1 - t.

    Args:
        guided, plain: velocities ``[B, T, D]``.
        z, t: where they hold, ``[B, T, D]`` and ``[B]``.
        amount: 0 leaves the guided one, 1 goes all the way.

    >>> import torch
    >>> z, plain = torch.zeros(1, 2, 1), torch.tensor([[[-1.0], [1.0]]])
    >>> rescaled(3.0 * plain + 5.0, plain, z, torch.zeros(1), 1.0).flatten()
    tensor([4., 6.])
    """
    left = 1.0 - per_item(t, z)
    data = z + left * guided
    ratio = (deviation(z + left * plain) / deviation(data)) ** amount
    return guided + (ratio - 1.0) * (data - data.mean(1, keepdim=True)) / left.clamp(min=LEAST_LEFT)
