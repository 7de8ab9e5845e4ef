"""Where the solver steps: times ``[steps + 1]`` from 0 to 1, strictly increasing, float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

SWAY_MIN, SWAY_MAX = -1.0, 2.0 / (math.pi - 2.0)
"""Outside these the sway map is not monotone."""


def uniform(steps: int) -> Tensor:
    """Equal steps.  Shape: ``[steps + 1]``."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    return torch.linspace(0.0, 1.0, steps + 1, dtype=torch.float64)


def sway(steps: int, strength: float = -1.0) -> Tensor:
    """t + s (cos(pi t / 2) - 1 + t): short steps near the noise for s < 0 (F5-TTS, arXiv 2410.06885, eq. 7).

    Shape: ``[steps + 1]``.
    """
    if not SWAY_MIN <= strength <= SWAY_MAX:
        raise ValueError(f"sway strength must lie in [{SWAY_MIN:g}, {SWAY_MAX:.3f}], got {strength}")
    t = uniform(steps)
    return _pin(t + strength * (torch.cos(0.5 * math.pi * t) - 1.0 + t))


def shifted(steps: int, shift: float = 3.0) -> Tensor:
    """The noise level s = 1 - t mapped to k s / (1 + (k - 1) s) (Esser et al. 2024, arXiv 2403.03206, eq. 23).

    ``shift`` k > 1 spends more steps near the noise, k = 1 is uniform.  Shape: ``[steps + 1]``.
    """
    if not (math.isfinite(shift) and shift > 0):
        raise ValueError(f"shift must be a positive number, got {shift}")
    noise = 1.0 - uniform(steps)
    return _pin(1.0 - shift * noise / (1.0 + (shift - 1.0) * noise))


GRIDS: Mapping[str, Callable[[int], Tensor]] = {"uniform": uniform, "sway": sway, "shifted": shifted}
"""The grids that can be asked for by name, with their default strength."""


def named(name: str, steps: int) -> Tensor:
    """The grid of that name.  Shape: ``[steps + 1]``.  Raises: ValueError listing the names."""
    if name not in GRIDS:
        raise ValueError(f"unknown time grid {name!r}; choose one of {', '.join(GRIDS)}")
    return GRIDS[name](steps)


def _pin(t: Tensor) -> Tensor:
    t[0], t[-1] = 0.0, 1.0
    return t
