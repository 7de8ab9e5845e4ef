"""What a training step draws depends on the run's seed and the step's number alone, so that resuming is exact."""

from __future__ import annotations

from torch import Generator

STRIDE = 1_000_003
"""More than the steps of all but huge runs: runs of neighbouring seeds share no draws."""
APART = 500_001
"""Between the draws of one part of a step and those of the next: half a stride, further than runs go."""


def of_step(seed: int, number: int, part: int = 0) -> Generator:
    """The generator (on the CPU) of step ``number`` of a run; ``part`` 1 is for a second loss that draws for itself.

    >>> of_step(2, 7).initial_seed(), of_step(2, 7, part=1).initial_seed()
    (2000013, 2500014)
    """
    return Generator().manual_seed(seed * STRIDE + number + part * APART)
