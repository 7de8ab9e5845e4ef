"""LitStereoHead: the training shell of a codec's stereo head, and crops of two channels; the codec stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.codec.latent import LatentCodec
from flowmusic.codec.stereo import Cues
from flowmusic.corpus import reader
from flowmusic.data.crops import WaveCrops
from flowmusic.data.module import VALIDATION_SEED, CodecData
from flowmusic.interop import bundle
from flowmusic.train.command import WrongSettings
from flowmusic.train.schedule import scheduled

DB = 6.0
"""Level difference that counts as much as the whole range of coherence."""


def headed(name: str, stereo: Mapping[str, Any]) -> LatentCodec:
    """A codec bundle with an untrained stereo head."""
    codec = bundle.load_codec(name)
    codec.add_stereo_head(stereo)
    return codec


class StereoCrops(WaveCrops):
    """Random crops of both channels.  Shape: ``[B, 2, N]``; mono clips have two equal ones."""

    def _load(self, path: Path) -> np.ndarray:
        audio = audio_tools.read(path, rate=self.rate)
        samples = audio.samples.expand(2, -1)
        return (samples.clamp(-1, 1) * 32767).round().to(torch.int16).numpy().T

    def __call__(self, step: int) -> Tensor:
        """Half of the crops have their channels swapped, so that no side is the usual one."""
        batch = super().__call__(step).transpose(1, 2)
        swapped = torch.from_numpy(np.random.default_rng((self.seed, step, 1)).random(len(batch)) < 0.5)
        return torch.where(swapped[:, None, None], batch.flip(1), batch)


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


class LitStereoHead(LightningModule):
    """L1 distance of level differences and coherences from those of the recording, over the bands that sound.

    Half of the items is read from clean latents, half from noisy ones, as a generator's are.

    Args:
        codec: with a stereo head; only this is trained.
        optimizer: partial optimiser, called with the head's parameters.
        noise: the greatest deviation of the noise; an item's is drawn from U(0, noise).
        warmup, total_steps: learning-rate schedule in steps.
        seed: of the noise; step k draws from (seed, k), so resuming is exact.
    """

    decoder_only = True
    """Latents and quantiser stay, which is what the export asks."""

    def __init__(
        self,
        codec: LatentCodec,
        optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer],
        noise: float = 0.25,
        warmup: int = 50,
        total_steps: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if codec.stereo is None:
            raise WrongSettings("this codec has no stereo head to train; use codec=bundle_stereo")
        self.codec, self.head = codec, codec.stereo
        codec.requires_grad_(False)
        self.head.requires_grad_(True)
        self.make_optimizer = optimizer
        self.noise, self.warmup, self.total_steps, self.seed = noise, warmup, total_steps, seed

    def train(self, mode: bool = True) -> LitStereoHead:
        """Training mode of the head alone: the bottleneck keeps its statistics."""
        super().train(mode)
        self.codec.eval()
        self.head.train(mode)
        return self

    def errors(self, waves: Tensor, step: int) -> Cues:
        """Mean distances: level differences in dB, and coherences.  Shape: ``[B, 2, N] -> 2 x [K]``."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        with torch.no_grad():
            latents = self.codec.latents(waves.mean(1))
            count = len(latents)
            deviation = self.noise * torch.rand(count, 1, 1, generator=generator)
            deviation *= torch.rand(count, 1, 1, generator=generator) < 0.5
            latents = latents + deviation.to(latents) * torch.randn(latents.shape, generator=generator).to(latents)
            wanted, sounds = self.head.measure(waves)
        found = self.head(latents)
        heard = sounds.sum((0, 1)).clamp_min(1.0)
        level, coherence = (
            ((one - other).abs() * sounds).sum((0, 1)) / heard for one, other in zip(found, wanted, strict=True)
        )
        return Cues(level, coherence)

    def loss(self, waves: Tensor, step: int) -> Tensor:
        """Shape: ``[B, 2, N] -> []``."""
        errors = self.errors(waves, step)
        return (errors.level_db / DB + errors.coherence).mean()

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = self.loss(batch, self.global_step)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("validation/loss", self.loss(batch, batch_idx), batch_size=len(batch), prog_bar=True)

    def configure_optimizers(self) -> Any:
        return scheduled(self.make_optimizer(self.head.parameters()), self.warmup, self.total_steps)
