"""Adaptive projected guidance (APG; Sadat et al. 2024, arXiv 2410.02416): what of a guidance update is kept.

The paper guides predictions of the data.  On our path the data predicted at (z, t) by a velocity v is z + (1 - t) v,
up to sigma_min.  An update u of the velocity moves the prediction by (1 - t) u, which has the direction of u.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flowmusic.flow.path import per_item
from flowmusic.guidance import Projection


def split(update: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
    """Parts of an update parallel and orthogonal to ``along``, per item, over frames and channels together.

    Shape: ``[B, T, D], [B, T, D]`` -> the same, twice; they add up to the update.

    >>> update, along = torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[2.0, 0.0]]])
    >>> [part.tolist() for part in split(update, along)]
    [[[[3.0, 0.0]]], [[[0.0, 4.0]]]]
    """
    # In double, as in the paper's code: products over a whole take lose digits in fp32.
    u, a = update.double().flatten(1), along.double().flatten(1)
    share = (u * a).sum(1, keepdim=True) / a.square().sum(1, keepdim=True).clamp_min(torch.finfo(a.dtype).tiny)
    parallel = (share * a).reshape(update.shape).to(update)
    return parallel, update - parallel


class Projector:
    """Applies a :class:`Projection` along one solve.  With momentum it remembers, so every solve needs its own."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self._updates: Tensor | None = None

    def __call__(self, update: Tensor, plain: Tensor, z: Tensor, t: Tensor) -> Tensor:
        """The update as it is to be added to ``plain``.

        Momentum sums updates of the velocity, where the paper's sums those of the data: these would be divided by
        1 - t, and a solver may ask at t = 1.  The norm is that of the whole update, weights included, per latent value.

        Shape: update, plain (velocities) and z ``[B, T, D]``, t ``[B]`` -> ``[B, T, D]``.
        """
        wanted = self.projection
        if wanted.momentum:
            if self._updates is not None:
                update = update + wanted.momentum * self._updates
            self._updates = update
        # What an update of the velocity moves the predicted data by, per unit (see the module's head).
        left = 1.0 - per_item(t, z)
        if wanted.norm is not None:
            size = left * update.square().flatten(1).mean(1).sqrt().reshape(left.shape)
            # min(1, norm / size), in a form that does not divide by zero.
            update = update * (wanted.norm / size.clamp_min(wanted.norm))
        if wanted.eta == 1.0:
            return update
        # Along the predicted data, not along the velocity: the former is what saturates.
        parallel, orthogonal = split(update, z + left * plain)
        return orthogonal + wanted.eta * parallel
