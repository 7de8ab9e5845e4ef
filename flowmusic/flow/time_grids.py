"""Where the solver steps: times ``[steps + 1]`` from 0 to 1, strictly increasing, float64.

The names of the grids are also the choices of a command line, so this file loads torch only to make one.

>>> named("uniform", 4).tolist(), [round(time, 3) for time in named("sway", 4).tolist()]
([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.076, 0.293, 0.617, 1.0])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

EPSS_FINE = 32
EPSS: Mapping[int, tuple[int, ...]] = {
    5: (0, 2, 4, 8, 16, 32),
    6: (0, 2, 4, 6, 8, 16, 32),
    7: (0, 2, 4, 6, 8, 16, 24, 32),
    10: (0, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32),
    12: (0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32),
    16: (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32),
}
"""Which of :data:`EPSS_FINE` steps are kept, by the number of steps (Fast F5-TTS, arXiv 2505.19931)."""
# The slope 1 + s (1 - pi / 2 sin(pi t / 2)) is least at an end, t = 0 or 1, where it is 1 + s or 1 - s (pi / 2 - 1).
SWAY_MIN, SWAY_MAX = -1.0, 2.0 / (math.pi - 2.0)
"""Outside these the sway map is not monotone."""


def uniform(steps: int) -> Tensor:
    """Equal steps.  Shape: ``[steps + 1]``."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    import torch

    return torch.linspace(0.0, 1.0, steps + 1, dtype=torch.float64)


def sway(steps: int, strength: float = -1.0) -> Tensor:
    """t + s (cos(pi t / 2) - 1 + t): short steps near the noise for s < 0 (F5-TTS, arXiv 2410.06885, eq. 7).

    Shape: ``[steps + 1]``.
    """
    if not SWAY_MIN <= strength <= SWAY_MAX:
        raise ValueError(f"sway strength must lie in [{SWAY_MIN:g}, {SWAY_MAX:.3f}], got {strength}")
    return _sway(uniform(steps), strength)


def shifted(steps: int, shift: float = 3.0) -> Tensor:
    """The noise level s = 1 - t mapped to k s / (1 + (k - 1) s) (Esser et al. 2024, arXiv 2403.03206, eq. 23).

    ``shift`` k > 1 spends more steps near the noise, k = 1 is uniform.  Shape: ``[steps + 1]``.
    """
    if not (math.isfinite(shift) and shift > 0):
        raise ValueError(f"shift must be a positive number, got {shift}")
    # The odds s / (1 - s) are multiplied by k: over k^2 times as many values, noise averages out k times better.
    noise = 1.0 - uniform(steps)
    return _pin(1.0 - shift * noise / (1.0 + (shift - 1.0) * noise))


def epss(steps: int, strength: float = 0.0) -> Tensor:
    """Empirically pruned step sampling (Fast F5-TTS, arXiv 2505.19931): the published choice among 32 finer steps.

    ``strength`` is that of the sway grid which is pruned: 0, equal steps; -1, as F5-TTS uses the tables.
    Shape: ``[steps + 1]``.  Raises: ValueError for a number of steps that has no table.
    """
    if steps not in EPSS:
        raise ValueError(
            f"the epss time grids are tables for {', '.join(map(str, EPSS))} steps, got {steps}; "
            "choose one of these numbers, or another time grid"
        )
    return _sway(uniform(EPSS_FINE), strength)[list(EPSS[steps])]


def epss_sway(steps: int) -> Tensor:
    """:func:`epss` of the sway grid of strength -1.  Shape: ``[steps + 1]``."""
    return epss(steps, -1.0)


GRIDS: Mapping[str, Callable[[int], Tensor]] = {
    "uniform": uniform,
    "sway": sway,
    "shifted": shifted,
    "epss": epss,
    "epss_sway": epss_sway,
}
"""The grids that can be asked for by name, with their default strength."""


def named(name: str, steps: int) -> Tensor:
    """The grid of that name.

    Shape: ``[steps + 1]``.  Raises: ValueError listing the names, or the numbers of steps that a grid has.
    """
    if name not in GRIDS:
        raise ValueError(f"unknown time grid {name!r}; choose one of {', '.join(GRIDS)}")
    return GRIDS[name](steps)


def _sway(t: Tensor, strength: float) -> Tensor:
    return _pin(t + strength * ((0.5 * math.pi * t).cos() - 1.0 + t))


def _pin(t: Tensor) -> Tensor:
    # cos(pi / 2) is 6e-17 in double precision, and the last step must end on the data.
    t[0], t[-1] = 0.0, 1.0
    return t
