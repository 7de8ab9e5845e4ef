"""Drum hits and patterns made of sines and noise, for tests: the sound and the times at which the hits begin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pattern:
    """samples ``[N]``; ascending onset times in seconds, by drum and all together."""

    samples: Tensor
    rate: int
    kick: tuple[float, ...]
    snare: tuple[float, ...]
    hat: tuple[float, ...]

    @property
    def onsets(self) -> tuple[float, ...]:
        return tuple(sorted({*self.kick, *self.snare, *self.hat}))


def hit(name: str, rate: int, generator: torch.Generator) -> Tensor:
    """One hit of 0.2 s that begins at its first sample."""
    time = torch.arange(int(0.2 * rate)) / rate
    fade = 1 - time / 0.2  # an abrupt end would click
    if name == "kick":
        phase = 2 * math.pi * torch.cumsum(50 + 90 * torch.exp(-time / 0.02), 0) / rate
        return 0.9 * fade * torch.sin(phase) * torch.exp(-time / 0.08)
    noise = torch.randn(time.shape, generator=generator)
    if name == "snare":
        return fade * (0.4 * noise + 0.4 * torch.sin(2 * math.pi * 190 * time)) * torch.exp(-time / 0.05)
    return 0.1 * fade * (noise - noise.roll(1)) * torch.exp(-time / 0.025)


def pattern(seed: int, rate: int = 32000, seconds: float = 8.0) -> Pattern:
    """A beat with hats on eighths, a back beat, some extra kicks, and some milliseconds of human timing."""
    generator = torch.Generator().manual_seed(seed)

    def draw() -> float:
        return float(torch.rand((), generator=generator))

    sixteenth = 15 / (75 + 70 * draw())
    samples = torch.zeros(round(rate * (seconds + 0.3)))
    times: dict[str, list[float]] = {"kick": [], "snare": [], "hat": []}
    start = 0.02 + 0.1 * draw()
    for step in range(int((seconds - start - 0.06) / sixteenth)):
        at = start + step * sixteenth + 0.01 * (draw() - 0.5)
        extra = draw() < 0.1
        played = {"kick": step % 8 == 0 or extra, "snare": step % 8 == 4, "hat": step % 2 == 0}
        for name, plays in played.items():
            if plays:
                first = round(at * rate)
                sound = hit(name, rate, generator) * (0.4 + 0.6 * draw())
                samples[first : first + len(sound)] += sound
                times[name].append(first / rate)
    return Pattern(samples[: round(rate * seconds)], rate, *(tuple(times[name]) for name in ("kick", "snare", "hat")))
