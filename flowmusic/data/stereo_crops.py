"""What a stereo head learns from: latents and cues of a stereo corpus, heard once and cropped at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.corpus import reader
from flowmusic.corpus.reader import Clip
from flowmusic.data.module import VALIDATION_SEED, CodecData
from flowmusic.progress import over

Heard = tuple[Tensor, ...]
"""Latents ``[1, D, T]``, and ``[1, S, K]`` each: level differences, coherences, loudness; S a multiple of T."""


class StereoCrops:
    """Random crops of what was heard of recordings; batch k is a function of (seed, k) alone.

    Args:
        clips: recordings, of two channels or of one, which is both.
        rate, hop: Hz; samples of a latent frame.
        frames: latent frames of a crop.
        batch, seed: of a step.
        hear: ``[1, 2, N]`` to what is heard of it.  The network that says so is not trained, so it is asked once.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        rate: int,
        hop: int,
        frames: int,
        batch: int,
        seed: int,
        hear: Callable[[Tensor], Heard],
    ) -> None:
        self.frames, self.batch, self.seed = frames, batch, seed
        self.heard: list[Heard] = []
        for clip in over(clips, "listening", "clip", len(clips)):
            wave = self._load(clip.audio, rate)
            found = hear(wave[None, :, : wave.shape[-1] // hop * hop])
            if found[0].shape[-1] >= frames:
                self.heard.append(tuple(each[0].half() for each in found))
        if not self.heard:
            raise ValueError(f"no clip is as long as a crop of {frames * hop / rate:.2f} s; is the split empty?")

    @staticmethod
    def _load(path: Path, rate: int) -> Tensor:
        return audio_tools.read(path, rate=rate).samples.expand(2, -1)

    def __call__(self, step: int) -> Heard:
        """Shape: ``[B, D, frames]``, and ``[B, S, K]`` three times.

        Channels are never swapped: which side is whose is what a head can learn.
        """
        rng = np.random.default_rng((self.seed, step))
        rows = []
        for _ in range(self.batch):
            latents, *cues = self.heard[rng.integers(len(self.heard))]
            start = int(rng.integers(latents.shape[-1] - self.frames + 1))
            each = len(cues[0]) // latents.shape[-1]
            part = slice(start * each, (start + self.frames) * each)
            rows.append((latents[:, start : start + self.frames], *(cue[part] for cue in cues)))
        return tuple(torch.stack(parts).float() for parts in zip(*rows, strict=True))


class StereoData(CodecData):
    """Crops of a stereo corpus folder, once somebody listens to it."""

    def setup(self, stage: str) -> None:
        """Nothing is read before :meth:`listen`."""

    def listen(self, rate: int, hop: int, hear: Callable[[Tensor], Heard]) -> None:
        """Hear all clips; for arguments see :class:`StereoCrops`."""
        settings = rate, hop, self.crop_samples * rate // (self.rate * hop), self.batch
        train, validation = (reader.clips(self.folder, split, self.limit) for split in ("train", "validation"))
        self.train_crops: StereoCrops = StereoCrops(train, *settings, self.seed, hear)  # type: ignore[assignment]
        self.validation_crops: StereoCrops = StereoCrops(validation, *settings, VALIDATION_SEED, hear)  # type: ignore[assignment]
