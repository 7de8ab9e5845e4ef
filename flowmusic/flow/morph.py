"""From one request to another without noise in between: the difference of two velocities (FlowEdit).

Kulikov et al. 2024, arXiv 2412.08629.  Both requests are asked at the same noise, so what they have in common cancels
out, and only what they differ in moves the music.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from flowmusic.flow import path
from flowmusic.types import VelocityField

Noises = Callable[[], Sequence[Tensor]]
"""The noises ``[B, T, D]`` of one evaluation, over which the difference is averaged: always the same, or new ones."""


def morphing(
    source: VelocityField,
    target: VelocityField,
    x: Tensor,
    noises: Noises,
    held: tuple[Tensor, Tensor] | None = None,
    sigma_min: float = path.SIGMA_MIN,
) -> VelocityField:
    """The velocity that leads music made for one request to music for another; a solve of it starts from ``x``.

    Args:
        source: the field under the request that ``x`` was made for, or that was heard in it.
        target: the field under the new one.
        x: the music, latents ``[B, T, D]``.
        noises: see :data:`Noises`.
        held: latents ``[B, T, D]`` and ``[B, T]`` bool: frames that are these already; the solve leaves them at ``x``.

    Raises: ValueError for shapes that disagree, and for no noise.

    >>> low, high = (lambda z, t: -z), (lambda z, t: 1.0 - z)
    >>> x = torch.full((1, 2, 1), 3.0)
    >>> morphing(low, high, x, lambda: [torch.zeros(1, 2, 1)])(x, torch.tensor([0.5])).flatten()
    tensor([1., 1.])
    """
    if held is not None and (held[0].shape != x.shape or held[1].shape != x.shape[:-1]):
        raise ValueError(f"shapes disagree: x {tuple(x.shape)}, held {[tuple(each.shape) for each in held]}")

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        drawn = noises()
        if not drawn:
            raise ValueError("a difference of velocities needs at least one noise")
        total = torch.zeros_like(z)
        for noise in drawn:
            # z_src is x on its path.  z_tar is as far from it as z from x, z_tar - z_src = z - x; the difference of
            # their velocities is then the derivative of both sides: dz/dt = v_target(z_tar) - v_source(z_src).
            z_src = path.point(noise, x, t, sigma_min)
            z_tar = z + z_src - x
            if held is not None:
                z_tar = torch.where(held[1][..., None], path.point(noise, held[0], t, sigma_min), z_tar)
            total = total + target(z_tar, t) - source(z_src, t)
        mean = total / len(drawn)
        return mean if held is None else mean.masked_fill(held[1][..., None], 0.0)

    return velocity
