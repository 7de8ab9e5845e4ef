"""Sounds with known content, made here: nothing is read from outside."""

from __future__ import annotations

import numpy as np
import torch

from flowmusic.audio import Audio
from flowmusic.units import midi_to_hz

RATE = 32_000
BEATS = [0.5 * n for n in range(5)]


def tone(midi: float, seconds: float, rate: int = RATE, level: float = 0.2) -> torch.Tensor:
    """A tone with five harmonics.  Shape: ``[N]``."""
    t = torch.arange(round(seconds * rate)) / rate
    # 20 ms of fade at both ends: a tone that is cut off clicks.
    fade = torch.minimum(t, t.flip(0)).div(0.02).clamp(max=1.0)
    return level * fade * sum(torch.sin(2 * np.pi * midi_to_hz(midi) * h * t) / h for h in range(1, 6))


def clicks(times: list[float], seconds: float, rate: int = RATE, seed: int = 0) -> torch.Tensor:
    """Short decaying noise bursts, every fourth stronger and with a low thump.  Shape: ``[N]``."""
    generator = torch.Generator().manual_seed(seed)
    out = torch.zeros(round(seconds * rate))
    length = round(0.04 * rate)
    decay = torch.exp(-torch.arange(length) / (0.008 * rate))
    for n, time in enumerate(times):
        burst = torch.randn(length, generator=generator) * decay * (0.3 if n % 4 else 0.5)
        if n % 4 == 0:
            burst = burst + 0.5 * torch.sin(2 * np.pi * 70 * torch.arange(length) / rate) * decay.sqrt()
        start = round(time * rate)
        stop = min(len(out), start + length)
        out[start:stop] += burst[: stop - start]
    return out


def band(rate: int = RATE) -> Audio:
    """Two and a half seconds: clicks at 120 bpm over C5, then A4.  Shape: ``[1, N]``."""
    melody = torch.cat([tone(72, 1.25, rate), tone(69, 1.25, rate)])
    return Audio((clicks(BEATS, len(melody) / rate, rate) + melody)[None], rate)


def triad(root: int, minor: bool, seconds: float, rate: int = RATE) -> torch.Tensor:
    """A close triad with its root in the bass as well.  Shape: ``[N]``."""
    notes = (root - 12, root, root + (3 if minor else 4), root + 7)
    return torch.stack([tone(note, seconds, rate, 0.08) for note in notes]).sum(0)
