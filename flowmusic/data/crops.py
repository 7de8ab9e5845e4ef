"""Random waveform crops for codec training.

Batch k is a pure function of (seed, k): training that stops and resumes sees the batches it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.corpus.reader import Clip
from flowmusic.progress import over


class WaveCrops:
    """All clips in memory as 16-bit mono (115 MB an hour at 16 bit and 32 kHz is less than decoding again)."""

    def __init__(self, clips: Sequence[Clip], rate: int, crop_samples: int, batch: int, seed: int) -> None:
        if not clips:
            raise ValueError("no clips to crop from; is the split of this corpus empty?")
        self.rate, self.crop_samples, self.batch, self.seed = rate, crop_samples, batch, seed
        # Decoding leaves Python to itself: as many at once as torch has cores.
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            read = pool.map(self._load, [c.audio for c in clips])
            self.waves = list(over(read, "reading audio", "clip", len(clips)))
        self.waves = [w for w in self.waves if len(w) >= crop_samples]
        if not self.waves:
            raise ValueError(f"every clip is shorter than the crop of {crop_samples / rate:.2f} s")

    def _load(self, path: Path) -> np.ndarray:
        audio = audio_tools.mono(audio_tools.read(path, rate=self.rate))
        return (audio.samples[0].clamp(-1, 1) * 32767).round().to(torch.int16).numpy()

    def __call__(self, step: int) -> Tensor:
        """Batch of a step.  Shape: ``[B, N]`` float in [-1, 1].  Gain is varied by up to 9 dB."""
        rng = np.random.default_rng((self.seed, step))
        rows = []
        for _ in range(self.batch):
            wave = self.waves[rng.integers(len(self.waves))]
            start = rng.integers(len(wave) - self.crop_samples + 1)
            gain = 10.0 ** (rng.uniform(-6.0, 3.0) / 20.0) / 32767.0
            rows.append(wave[start : start + self.crop_samples].astype(np.float32) * np.float32(gain))
        return torch.from_numpy(np.stack(rows)).clamp(-1.0, 1.0)
