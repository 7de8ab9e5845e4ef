"""LitEnergyHead: the training shell of a codec's energy head; all else of the codec stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from flowmusic.codec.spectral import SpectralCodec
from flowmusic.interop import bundle
from flowmusic.train import draws
from flowmusic.train.command import WrongSettings
from flowmusic.train.schedule import scheduled
from flowmusic.types import Controls, FrameGrid

EARLIEST, LATEST, STEPS = 0.2, 0.8, 4
"""Between which times of the path the field takes over, and in how many steps it goes on to the end: from before it
makes music of its own, and what the recording had is no measure for it."""


def headed(name: str, energy: Mapping[str, Any]) -> SpectralCodec:
    """A codec bundle with an untrained energy head.  Raises: WrongSettings for a codec that cannot have one."""
    codec = bundle.load_codec(name)
    if not isinstance(codec, SpectralCodec):
        raise WrongSettings(f"codec {name} is a {type(codec).__name__}; only a SpectralCodec takes an energy head")
    codec.add_energy_head(energy)
    return codec


def pinball(missing: Tensor, quantile: float) -> Tensor:
    """Mean of twice the pinball loss, whose minimum is a quantile; at the half it is L1.

    Args: ``missing``: what is wanted less what was predicted.
    """
    # The slopes to either side are q and 1 - q: they balance where a share q of what is wanted lies below.
    return 2.0 * torch.maximum(quantile * missing, (quantile - 1.0) * missing).mean()


class LitEnergyHead(LightningModule):
    """Distance of log band energies: those of the recording, and those read from its latents as a decoder meets them.

    A third of the items is decoded from clean latents, a third from noisy ones, and a third (with ``field``; otherwise
    noisy ones) from what the frozen field makes of them: it goes on from a point of the path between noise and them
    (Meng et al. 2021, arXiv 2108.01073), so that they are a generator's and still belong to the recording.  One guess
    of the end instead, z + (1 - t) v(z, t), is a mean over many ends: it is duller than any take, and a head that was
    trained on it makes takes too bright.  Guidance makes latents larger (nano's takes, all=3: 1.15 times the deviation
    of real ones), so these are multiplied by U(1, ``larger``), and the recording's energy is still what is wanted.

    Args:
        codec: with an energy head; only this is trained.
        optimizer: partial optimiser, called with the head's parameters.
        noise: the greatest deviation of the noise; an item's is drawn from U(0, noise).
        field: name or folder of a model whose field works on these latents; None does without.
        larger: the greatest factor on the latents of the field.
        quantile: which quantile of the log energy is predicted.  The half is the L1 loss; it lies below the mean of
            the energy, so that what cannot be predicted comes out too quiet.
        warmup, total_steps: learning-rate schedule in steps.
        seed: of the noise; step k draws from (seed, k), so resuming is exact.
    """

    decoder_only = True
    """Latents and quantiser stay, which is what the export asks."""

    def __init__(
        self,
        codec: SpectralCodec,
        optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer],
        noise: float = 0.25,
        field: str | None = None,
        larger: float = 1.3,
        quantile: float = 0.5,
        warmup: int = 50,
        total_steps: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if codec.energy is None:
            raise WrongSettings("this codec has no energy head to train; use codec=bundle_energy")
        self.codec, self.head = codec, codec.energy
        codec.requires_grad_(False)
        self.head.requires_grad_(True)
        self.make_optimizer = optimizer
        self.noise, self.warmup, self.total_steps, self.seed = noise, warmup, total_steps, seed
        if not 0.0 < quantile < 1.0:
            raise WrongSettings(f"quantile must lie between 0 and 1, got {quantile}")
        self.quantile, self.larger = quantile, larger
        # In a list, so that the field's weights are not this module's: they are neither trained nor stored.
        self._generator = [] if field is None else [bundle.load(field)]
        for generator in self._generator:
            if generator.codec.dim != codec.dim or generator.codec.frame_rate != codec.frame_rate:
                raise WrongSettings(f"the field of {field} works on other latents than this codec's")

    def train(self, mode: bool = True) -> LitEnergyHead:
        """Training mode of the head alone: the bottleneck keeps its statistics."""
        super().train(mode)
        self.codec.eval()
        self.head.train(mode)
        return self

    @torch.no_grad()
    def met(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        """Latents as a decoder meets them: clean, noisy, or a field's.  Shape: ``[B, D, T] -> [B, D, T]``."""
        count = len(latents)
        kind = torch.randint(3, (count,), generator=generator).to(latents.device)
        deviation = (self.noise * torch.rand(count, 1, 1, generator=generator)).to(latents)
        t = (EARLIEST + (LATEST - EARLIEST) * torch.rand(count, 1, 1, generator=generator)).to(latents)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        clean, guessed = kind == 0, kind == 2
        found = torch.where(clean[:, None, None], latents, latents + deviation * noise)
        if self._generator and bool(guessed.any()):
            own = ((1.0 - t) * noise + t * latents)[guessed]
            size = 1.0 + (self.larger - 1.0) * torch.rand(count, 1, 1, generator=generator).to(latents)
            made = self._gone_on(own.transpose(1, 2), t[guessed, 0, 0]).transpose(1, 2).to(found)
            found[guessed] = size[guessed] * made
        return found

    def _gone_on(self, z: Tensor, t: Tensor) -> Tensor:
        """Where the field leads to without controls, by Euler's steps.  Shape: ``[B, T, D], [B] -> [B, T, D]``."""
        model = self._generator[0]
        condition = model.encoder(Controls((None,) * len(z)), FrameGrid(model.codec.frame_rate, z.shape[1]))
        step = (1.0 - t) / STEPS
        for number in range(STEPS):
            z = z + step[:, None, None] * model.field(z, t + number * step, condition)
        return z

    def loss(self, wave: Tensor, step: int) -> Tensor:
        """Shape: ``[B, N] -> []``."""
        generator = draws.of_step(self.seed, step)
        with torch.no_grad():
            hidden = self.codec.hidden(self.met(self.codec.latents(wave), generator))
            wanted = self.head.measure(wave)
        return pinball(wanted - self.head(hidden), self.quantile)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = self.loss(batch, self.global_step)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("validation/loss", self.loss(batch, batch_idx), batch_size=len(batch), prog_bar=True)

    def configure_optimizers(self) -> Any:
        return scheduled(self.make_optimizer(self.head.parameters()), self.warmup, self.total_steps)
