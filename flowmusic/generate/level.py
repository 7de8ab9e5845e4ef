"""How loud a stream is: the level of its opening, beside which that of the last seconds is set, and full scale.

>>> level = OpeningLevel(rate=100)
>>> for loud in (0.1, 0.1, 0.2):
...     level.hear(torch.full((1, 800), loud))
>>> round(level.correction_db(6.0), 2)
-3.98
>>> bent(torch.tensor([0.5, -0.9])).tolist() == torch.tensor([0.5, -0.9]).tolist()
True
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.generate.opening import OPENING_SECONDS, RECENT_SECONDS

KNEE = 0.9
"""Samples above this are bent towards full scale."""


class OpeningLevel:
    """The level of the first seconds, and of the last ones; both without any gain.  ``rate`` is in Hz."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._parts: list[Tensor] = []
        self._target: float | None = None
        self._last: list[tuple[float, int]] = []

    def hear(self, samples: Tensor) -> None:
        """What was made next.  Shape: ``[C, n]``."""
        self._last.append((float(samples.square().sum()), samples.shape[-1]))
        while sum(count for _, count in self._last[1:]) >= RECENT_SECONDS * self._rate:
            self._last.pop(0)
        if self._target is None:
            self._parts.append(samples)
            if sum(part.shape[-1] for part in self._parts) >= OPENING_SECONDS * self._rate:
                self._target = self._level()

    def _level(self) -> float:
        power = sum(energy for energy, _ in self._last) / max(1, sum(count for _, count in self._last))
        return 10.0 * math.log10(max(power, 1e-9))

    def correction_db(self, most: float) -> float:
        """How much louder the last seconds should be to be as loud as the first, by ``most`` dB at most."""
        return 0.0 if self._target is None else min(most, max(-most, self._target - self._level()))

    def excerpt(self) -> Audio | None:
        """The first seconds, once and only once they are there."""
        if self._target is None or not self._parts:
            return None
        found, self._parts = Audio(torch.cat(self._parts, -1), self._rate), []
        return found


def bent(samples: Tensor) -> Tensor:
    """Samples within full scale: linear up to the knee, and from there on ever less.  Shape: any."""
    size, room = samples.abs(), 1.0 - KNEE
    return torch.where(size <= KNEE, samples, samples.sign() * (KNEE + room * torch.tanh((size - KNEE) / room)))
