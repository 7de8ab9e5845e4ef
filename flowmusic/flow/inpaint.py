"""Hold some frames on the path to known data while the rest is generated (inpainting, continuation).

On kept frames the state is the path point (1 - (1 - sigma_min) t) z_0 + t z_1 and the velocity the path's own, so every
solver lands there on the known latents; the other frames see context that is exactly as noisy as in training.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flowmusic.flow import path
from flowmusic.types import VelocityField


def keeping(
    field: VelocityField, z_0: Tensor, known: Tensor, keep: Tensor, sigma_min: float = path.SIGMA_MIN
) -> VelocityField:
    """``field`` with kept frames tied to ``known``.

    Shape: z_0 (the solve's start) and known latents ``[B, T, D]``; keep ``[B, T]`` bool.

    >>> z_0, known, keep = torch.zeros(1, 3, 1), torch.ones(1, 3, 1), torch.tensor([[True, True, False]])
    >>> velocity = keeping(lambda z, t: torch.full_like(z, 7.0), z_0, known, keep)
    >>> velocity(z_0, torch.zeros(1)).flatten()
    tensor([1., 1., 7.])
    """
    if z_0.shape != known.shape or keep.shape != known.shape[:-1]:
        raise ValueError(
            f"shapes disagree: z_0 {tuple(z_0.shape)}, known {tuple(known.shape)}, keep {tuple(keep.shape)}"
        )
    kept = keep[..., None]
    # This does not depend on t, so every method integrates it exactly: kept frames end at known + sigma_min z_0.
    towards = path.velocity(z_0, known, sigma_min)

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        held = torch.where(kept, path.point(z_0, known, t, sigma_min), z)
        return torch.where(kept, towards, field(held, t))

    return velocity
