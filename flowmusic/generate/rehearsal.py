"""A stream on a clock that is not real: whether it would run dry, given what its blocks cost."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch

from flowmusic.generate.live import READY_BLOCKS, Ended, Pace, Report, perform
from flowmusic.generate.sampling import Sampling
from flowmusic.generate.stream import Block


class FakeClock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += max(0.0, seconds)


class FakeProducer:
    """Blocks that take known times to make, two ahead, on a clock that is not real.

    Args:
        costs: seconds that each block takes with all evaluations; a coarser one takes its share.
        blocks: of the same number.
        sampling: with all evaluations; None: nobody hurries.
    """

    def __init__(
        self, costs: Sequence[float], blocks: Sequence[Block], rate: int, clock: FakeClock, sampling: Sampling | None
    ) -> None:
        self._costs, self._blocks, self._rate, self._clock = costs, blocks, rate, clock
        self.pace = None if sampling is None else Pace(sampling)
        self._whole = sampling
        self._number = 0
        self._idle = 0.0
        self._taken: list[float] = []
        self._ready_at: list[float] = []

    def _make_ready(self, number: int) -> float:
        """When a block is there: begun as soon as the one before is, and there is room for it."""
        while len(self._ready_at) <= number:
            n = len(self._ready_at)
            room = self._taken[n - READY_BLOCKS - 1] if n > READY_BLOCKS else 0.0
            begin = max(self._ready_at[-1] if n else 0.0, room)
            cost = self._costs[n]
            if self.pace is not None and self._whole is not None:
                cost *= self.pace.sampling.evals() / self._whole.evals()
                self.pace.took(cost, self._blocks[n].samples.shape[-1] / self._rate)
            self._ready_at.append(begin + cost)
        return self._ready_at[number]

    def get(self, seconds: float | None) -> Block | None:
        if self._number == len(self._blocks):
            raise Ended
        wait = max(0.0, self._make_ready(self._number) - self._clock.now())
        if seconds is not None and wait > seconds:
            self._clock.sleep(seconds)
            return None
        self._clock.sleep(wait)
        self._taken.append(self._clock.now())
        self._number += 1
        return self._blocks[self._number - 1]


def simulated(
    costs: Sequence[float], seconds: Sequence[float], sampling: Sampling | None = None, rate: int = 1000
) -> Report:
    """What a listener would have been given.

    Args:
        costs: seconds that each block took, or would take, with all evaluations.
        seconds: of music in each.
        sampling: with all evaluations; None: coarser sampling does not help.
        rate: of the samples that stand for the music.

    >>> simulated([1.0] * 100, [2.0] * 100).repeats  # quick enough
    0
    >>> simulated([3.0] * 100, [2.0] * 100).repeats > 10  # too slow for every second bar
    True
    >>> str(simulated([3.0] * 100, [2.0] * 100, Sampling("midpoint", 6)))  # half of the evaluations suffice
    '200 s, 100 blocks, 0 bars again, 0.00 s without sound'
    """
    clock = FakeClock()
    blocks = [
        Block(torch.zeros(1, round(rate * length)), torch.zeros(1, rate // 50), torch.zeros(0, 1), n, n + 1, 0, 0.0)
        for n, length in enumerate(seconds)
    ]
    source = FakeProducer(costs, blocks, rate, clock, sampling)
    return perform(source, lambda samples: None, clock, rate, Fraction(round(rate * seconds[-1])))
