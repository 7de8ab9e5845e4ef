"""Which t to train on, and how much each t counts.

A sampler takes ``(batch, generator)`` and returns t ``[B]`` in [0, 1) on the device of the generator; a weight takes t
``[B]`` and returns w(t) ``[B]``.

>>> t = stratified(4, torch.Generator().manual_seed(0))
>>> sorted((4 * t).int().tolist()), weight_increasing(torch.tensor([0.0, 0.5]))
([0, 1, 2, 3], tensor([1.0000, 1.5000]))
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

TimeSampler = Callable[[int, Generator], Tensor]
LossWeight = Callable[[Tensor], Tensor]
BELOW_ONE = 1.0 - 2.0**-24
"""The last number before 1 in single precision."""


def uniform(batch: int, generator: Generator) -> Tensor:
    """Every t alike.  Shape: ``[B]``."""
    return torch.rand(batch, generator=generator, device=generator.device)


def stratified(batch: int, generator: Generator) -> Tensor:
    """Uniform, but one draw in each of B equal bins, in random order: less noise in the loss of a small batch.

    Shape: ``[B]``.
    """
    bins = torch.randperm(batch, generator=generator, device=generator.device)
    # The clamp catches (B - 1 + 0.99999994) / B rounding up to 1.
    return ((bins + uniform(batch, generator)) / batch).clamp(max=BELOW_ONE)


def logit_normal(batch: int, generator: Generator, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """sigmoid of a normal: the middle of the path more often (Esser et al. 2024, arXiv 2403.03206).  Shape: ``[B]``."""
    if not std > 0:
        raise ValueError(f"std of the logit-normal sampler must be positive, got {std}")
    normal = torch.randn(batch, generator=generator, device=generator.device)
    # At the ends the best guess is the mean of noise or of data; what is hard to learn lies between (same paper).
    return torch.sigmoid(mean + std * normal)


def cosine(batch: int, generator: Generator) -> Tensor:
    """t = 1 - cos(pi u / 2) of a stratified u: the noisy half of the path more often.  Shape: ``[B]``."""
    # The density is du / dt = 2 / (pi sqrt(t (2 - t))), which falls from t = 0 to t = 1.
    return (1.0 - torch.cos(0.5 * math.pi * stratified(batch, generator))).clamp(max=BELOW_ONE)


def weight_uniform(t: Tensor) -> Tensor:
    """w = 1."""
    return torch.ones_like(t)


def weight_increasing(t: Tensor) -> Tensor:
    """w = 1 + t: errors near the data count more (JASCO's choice, arXiv 2406.10970)."""
    return 1.0 + t


def weight_decreasing(t: Tensor) -> Tensor:
    """w = 2 - t: errors near the noise count more."""
    return 2.0 - t
