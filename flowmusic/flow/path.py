"""Probability paths between noise z_0 and data z_1 (Lipman et al. 2023, arXiv 2210.02747).

Time runs from t = 0 (noise) to t = 1 (data).  The conditional optimal-transport path is the straight line
z_t = (1 - (1 - sigma_min) t) z_0 + t z_1, whose velocity u = z_1 - (1 - sigma_min) z_0 does not depend on t.
"""

from __future__ import annotations

from torch import Tensor

from flowmusic.types import PathSample

SIGMA_MIN = 1e-5
"""Width of the noise left around the data at t = 1."""


def per_item(t: Tensor, like: Tensor) -> Tensor:
    """View t so that it broadcasts over everything behind the batch.  Shape: ``[B] -> [B, 1, ...]``."""
    if t.ndim != 1 or t.shape[0] != like.shape[0]:
        raise ValueError(f"t must have shape [B={like.shape[0]}], one time per item, got {tuple(t.shape)}")
    return t.reshape(-1, *(1,) * (like.ndim - 1)).to(like)


def point(z_0: Tensor, z_1: Tensor, t: Tensor, sigma_min: float = SIGMA_MIN) -> Tensor:
    """z_t on the optimal-transport path (eq. 22).  Shape: z_0, z_1 ``[B, T, D]``, t ``[B]`` -> ``[B, T, D]``."""
    time = per_item(t, z_1)
    # Mean t z_1 and deviation 1 - (1 - sigma_min) t change linearly (eq. 20), so that every sample moves straight and
    # evenly.
    return (1.0 - (1.0 - sigma_min) * time) * z_0 + time * z_1


def velocity(z_0: Tensor, z_1: Tensor, sigma_min: float = SIGMA_MIN) -> Tensor:
    """d z_t / d t on the optimal-transport path (eq. 23), the same at every t.  Shape: ``[B, T, D]``."""
    return z_1 - (1.0 - sigma_min) * z_0


def optimal_transport(z_0: Tensor, z_1: Tensor, t: Tensor, sigma_min: float = SIGMA_MIN) -> PathSample:
    """A point of the path and the velocity to learn there.

    Shape: z_0 (noise) and z_1 (data) ``[B, T, D]``, t ``[B]`` in [0, 1].
    Raises: ValueError if the shapes disagree.

    >>> import torch
    >>> sample = optimal_transport(torch.zeros(1, 2, 1), torch.ones(1, 2, 1), torch.tensor([0.25]))
    >>> sample.z_t.flatten(), sample.velocity.flatten()
    (tensor([0.2500, 0.2500]), tensor([1., 1.]))
    """
    if z_0.shape != z_1.shape:
        raise ValueError(f"noise and data must have one shape, got {tuple(z_0.shape)} and {tuple(z_1.shape)}")
    return PathSample(t=t, z_t=point(z_0, z_1, t, sigma_min), velocity=velocity(z_0, z_1, sigma_min))
