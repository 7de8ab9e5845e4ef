"""LitStereoHead: the training shell of a codec's stereo head; all else of the codec stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from flowmusic.codec.latent import LatentCodec
from flowmusic.codec.stereo import Cues
from flowmusic.data.stereo_crops import Heard
from flowmusic.interop import bundle
from flowmusic.train import draws
from flowmusic.train.command import WrongSettings
from flowmusic.train.schedule import scheduled

DB = 6.0
"""Level difference that counts as much as the whole range of coherence."""


def headed(name: str, stereo: Mapping[str, Any]) -> LatentCodec:
    """A codec bundle with an untrained stereo head."""
    codec = bundle.load_codec(name)
    codec.add_stereo_head(stereo)
    return codec


class LitStereoHead(LightningModule):
    """L1 distance of level differences and coherences from those of the recording, weighted by loudness in each band.

    Half of the items is read from clean latents, half from noisy ones, as a generator's are.

    Args:
        codec: with a stereo head; only this is trained.
        optimizer: partial optimiser, called with the head's parameters.
        noise: the greatest deviation of the noise; an item's is drawn from U(0, noise).
        warmup, total_steps: learning-rate schedule in steps.
        seed: of the noise; step k draws from (seed, k), so resuming is exact.
    """

    decoder_only, part = True, "stereo"
    """Latents and quantiser stay, and only this part of the codec is stored anew, which is what the export asks."""

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

    def on_fit_start(self) -> None:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        data.listen(self.codec.rate, self.codec.hop, self.hear)

    @torch.no_grad()
    def hear(self, waves: Tensor) -> Heard:
        """What is learnt from a recording.  Shape: ``[B, 2, N] -> [B, D, T], 3 x [B, S, K]``."""
        cues, loud = self.head.measure(waves)
        return self.codec.latents(waves.mean(1)), *cues, loud

    def errors(self, heard: Heard, step: int) -> Cues:
        """Mean distances: level differences in dB, and coherences.  Shape: as :meth:`hear` -> ``2 x [K]``."""
        latents, *wanted, loud = heard
        generator = draws.of_step(self.seed, step)
        count = len(latents)
        deviation = self.noise * torch.rand(count, 1, 1, generator=generator)
        deviation *= torch.rand(count, 1, 1, generator=generator) < 0.5
        latents = latents + deviation.to(latents) * torch.randn(latents.shape, generator=generator).to(latents)
        found, weight = self.head(latents), loud.sum((0, 1)).clamp_min(1e-3)
        level, coherence = (
            ((one - other).abs() * loud).sum((0, 1)) / weight for one, other in zip(found, wanted, strict=True)
        )
        return Cues(level, coherence)

    def loss(self, heard: Heard, step: int) -> Tensor:
        """Shape: as :meth:`hear` -> ``[]``."""
        errors = self.errors(heard, step)
        return (errors.level_db / DB + errors.coherence).mean()

    def training_step(self, batch: Heard, batch_idx: int) -> Tensor:
        loss = self.loss(batch, self.global_step)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Heard, batch_idx: int) -> None:
        self.log("validation/loss", self.loss(batch, batch_idx), batch_size=len(batch[0]), prog_bar=True)

    def configure_optimizers(self) -> Any:
        return scheduled(self.make_optimizer(self.head.parameters()), self.warmup, self.total_steps)
