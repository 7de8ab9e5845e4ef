"""Recordings made of nothing: pieces that differ as pieces do, and files of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16_000


def piece(seed: int, seconds: float = 10.0) -> NDArray[np.float32]:
    """Chords of decaying harmonic tones, a note every fifth of a second, with a little noise."""
    rng = np.random.default_rng(seed)
    out = rng.normal(0, 0.003, round(seconds * RATE))
    for step in range(int(seconds * 5)):
        start = round(step * RATE / 5)
        time = np.arange(min(RATE // 2, len(out) - start)) / RATE
        for semitone in rng.choice([0, 2, 3, 5, 7, 8, 10, 12, 15, 19], 2, replace=False):
            hz = 220.0 * 2 ** (semitone / 12)
            tones = sum(np.sin(2 * np.pi * hz * (k + 1) * time) * rng.uniform(0.2, 1) for k in range(6))
            out[start : start + len(time)] += 0.05 * tones * np.exp(-4 * time)
    return out.astype(np.float32)


def wav(path: Path, samples: NDArray[np.float32], rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def short(path: Path, hz: float = 440.0, seconds: float = 1.5, rate: int = 8_000) -> Path:
    """A tone that is quick to write and read."""
    return wav(path, (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32), rate)
