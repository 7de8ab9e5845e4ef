"""How a window is integrated: solver, steps and grid, from noise or from a point on the way; and the noise itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from flowmusic import limits
from flowmusic.flow import solve, time_grids

MAX_SEED = int(limits.limit("noise_seed").high) + 1
LEAST_STEPS = 2
"""Of a solve that begins close to the data."""


@dataclass(frozen=True)
class Sampling:
    """Solver, number of steps, time grid, and the tolerance of an adaptive solver (which ignores ``steps``).

    Raises: ValueError for a name or number that is not allowed.
    """

    solver: str = "midpoint"
    steps: int = 24
    time_grid: str = "uniform"
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        solve.check(self.solver, self.steps)
        time_grids.named(self.time_grid, self.steps)

    def times(self, start: float = 0.0) -> Tensor:
        """The grid from ``start`` to the data; from 0 it is the whole one.

        A start on the way leaves as many steps as lie behind it on the whole grid, at least two, placed as densely
        there as the grid is.

        >>> Sampling("euler", 4).times().tolist(), Sampling("euler", 4).times(0.5).tolist()
        ([0.0, 0.25, 0.5, 0.75, 1.0], [0.5, 0.75, 1.0])

        Shape: ``[steps + 1]``, float64.  Raises: ValueError for a start outside 0 <= start < 1.
        """
        whole = time_grids.named(self.time_grid, self.steps)
        if start == 0.0:
            return whole
        if not 0.0 < start < 1.0:
            raise ValueError(f"a solve starts at a time of at least 0 (noise) and below 1 (music), got {start}")
        # The grid read as a curve over its own steps: where it passes the start, and even steps from there on.
        passed = int((whole <= start).sum()) - 1
        place = passed + float((start - whole[passed]) / (whole[passed + 1] - whole[passed]))
        left = max(LEAST_STEPS, math.ceil(round(self.steps - place, 9)))
        places = torch.linspace(place, self.steps, left + 1, dtype=torch.float64)
        below = places.floor().long().clamp(max=self.steps - 1)
        times = whole[below] + (places - below) * (whole[below + 1] - whole[below])
        times[0], times[-1] = start, 1.0
        return times

    def evals(self, start: float = 0.0) -> int:
        """Evaluations of the field; an estimate for an adaptive solver."""
        return solve.expected_evals(self.solver, len(self.times(start)) - 1)


class Noise(Protocol):
    """Where windows take their noise from, one after the other."""

    def draw(self, length: int, dim: int) -> Tensor:
        """The next window's.  Shape: ``[B, length, dim]``, on the CPU."""
        ...


class SeededNoise:
    """One generator per item, on the CPU: an item's noise depends neither on its batch nor on the device.

    >>> pair, second = SeededNoise([4, 5]), SeededNoise([5])
    >>> bool((pair.draw(3, 2)[1] == second.draw(3, 2)[0]).all())
    True
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._draws = [torch.Generator().manual_seed(seed % MAX_SEED) for seed in seeds]

    @staticmethod
    def counted(seed: int, batch: int) -> SeededNoise:
        """Item b from seed + b, so that a batch repeats takes that were made one by one."""
        return SeededNoise([seed + item for item in range(batch)])

    def draw(self, length: int, dim: int) -> Tensor:
        return torch.stack([torch.randn(length, dim, generator=each) for each in self._draws])
