"""Random crops of both channels of a corpus, for the training of a stereo head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.corpus import reader
from flowmusic.data.crops import WaveCrops
from flowmusic.data.module import VALIDATION_SEED, CodecData


class StereoCrops(WaveCrops):
    """Random crops of both channels.  Shape: ``[B, 2, N]``; mono clips have two equal ones."""

    def _load(self, path: Path) -> np.ndarray:
        audio = audio_tools.read(path, rate=self.rate)
        samples = audio.samples.expand(2, -1)
        return (samples.clamp(-1, 1) * 32767).round().to(torch.int16).numpy().T

    def __call__(self, step: int) -> Tensor:
        """Channels are never swapped: which side is whose is what a head can learn."""
        return super().__call__(step).transpose(1, 2)


class StereoData(CodecData):
    """Stereo crops of a corpus folder, for the training of a stereo head."""

    def setup(self, stage: str) -> None:
        if hasattr(self, "train_crops"):
            return
        settings = self.rate, self.crop_samples, self.batch
        self.train_crops = StereoCrops(reader.clips(self.folder, "train", self.limit), *settings, self.seed)
        self.validation_crops = StereoCrops(
            reader.clips(self.folder, "validation", self.limit), *settings, VALIDATION_SEED
        )
