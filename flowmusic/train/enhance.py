"""LitEnhance: the training shell of the network of bandwidth extension."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from flowmusic.enhance.bands import (
    BANDS,
    EDGES,
    HIGH,
    LEAST_HZ,
    LEVEL,
    RATE,
    SIZE,
    known_bands,
    measured,
    transform,
)
from flowmusic.enhance.net import EnhanceNet
from flowmusic.train import draws
from flowmusic.train.energy import pinball
from flowmusic.train.schedule import scheduled

HIGHEST_HZ = 13_000.0
"""Cuts of training go from LEAST_HZ up to here, evenly in pitch."""
TOLD_HZ = (4000.0, 8000.0, 11_000.0)
"""Cuts of validation."""
LEVELS_DB = (-20.0, 8.0)
"""Levels of crops about the common one, which is that of a whole recording."""
TILT_DB, JITTER_DB = 6.0, 0.5
ORDERS = (3.0, 30.0)
"""Of the filters that end what is heard: from a gentle Butterworth to a wall."""
_DB = math.log(10.0) / 10.0


class LitEnhance(LightningModule):
    """Distance of log energy and tonality in the bands above a random cut, as read from those below it.

    A filter changes nothing of a recording but the energies of bands, so filters are drawn in the bands: every crop is
    heard through a Butterworth low-pass of a random order that has -6 dB at its cut, with a random smooth equaliser
    on all of it, input and goal, for recordings are not balanced as the corpus is.

    Args:
        network: what is trained.
        optimizer: partial optimiser, called with the parameters.
        quantile: which quantile of the log energy is predicted; the half is the L1 loss.
        tonality_weight: of the tonality's L1.
        warmup, total_steps: learning-rate schedule in steps.
        seed: of cuts, levels and filters; step k draws from (seed, k), so resuming is exact.
    """

    def __init__(
        self,
        network: EnhanceNet,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        quantile: float = 0.5,
        tonality_weight: float = 1.0,
        warmup: int = 100,
        total_steps: int = 2400,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network, self.make_optimizer = network, optimizer
        self.quantile, self.tonality_weight = quantile, tonality_weight
        self.warmup, self.total_steps, self.seed = warmup, total_steps, seed

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        generator = draws.of_step(self.seed, self.global_step)
        energy, tonality = levelled(batch, generator)
        heard, energy, known = filtered(energy, generator)
        guess, tonal = self.network(heard, tonality, known)
        missed, less_tonal = (
            painted(difference, known) for difference in (energy[..., HIGH:] - guess, tonality[..., HIGH:] - tonal)
        )
        off, off_tonal = pinball(missed, self.quantile), less_tonal.abs().mean()
        loss: Tensor = off + self.tonality_weight * off_tonal
        self.log("train/loss", loss.detach(), batch_size=len(batch), prog_bar=True)
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        energy, tonality = levelled(batch)
        total = torch.zeros(())
        for hz in TOLD_HZ:
            known = torch.full((len(batch),), known_bands(hz), device=energy.device)
            guess, tonal = self.network(energy, tonality, known)
            off = painted(energy[..., HIGH:] - guess, known) / _DB
            less_tonal = painted(tonality[..., HIGH:] - tonal, known)
            kilo = f"{hz / 1000:g}k"
            self.log(f"validation/energy_{kilo}_db", off.abs().mean(), batch_size=len(batch), prog_bar=True)
            self.log(f"validation/bias_{kilo}_db", -off.mean(), batch_size=len(batch))
            self.log(f"validation/tonality_{kilo}", less_tonal.abs().mean(), batch_size=len(batch))
            total = total + _DB * off.abs().mean().cpu() + less_tonal.abs().mean().cpu()
        self.log("validation/loss", total / len(TOLD_HZ), batch_size=len(batch))

    def configure_optimizers(self) -> Any:
        return scheduled(self.make_optimizer(self.parameters()), self.warmup, self.total_steps)


def levelled(samples: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Energy and tonality of crops at the common level, or about it.  Shape: ``[B, N] -> [B, S, K], [B, S, K]``."""
    with torch.no_grad(), torch.autocast(samples.device.type, enabled=False):
        scale = LEVEL / samples.float().square().mean(1, keepdim=True).sqrt().clamp_min(1e-4)
        if generator is not None:
            scale = scale * 10.0 ** (_uniform(generator, *LEVELS_DB, len(samples), 1).to(samples) / 20.0)
        return measured(transform(samples.float() * scale))


def filtered(energy: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Energies as they are heard below a cut, and as they are to be, and how many bands are heard.

    Shape: ``[B, S, K] -> [B, S, K], [B, S, K], [B]``.
    """
    count = len(energy)
    cuts = torch.exp(_uniform(generator, math.log(LEAST_HZ), math.log(HIGHEST_HZ), count))
    known = torch.tensor([known_bands(float(cut)) for cut in cuts], device=energy.device)
    # Evenly spaced knots on the bands, which are spaced as pitch is heard.
    knots = TILT_DB * (2.0 * torch.rand(count, 1, 6, generator=generator) - 1.0)
    curve = torch.nn.functional.interpolate(knots, BANDS, mode="linear", align_corners=True)
    energy = energy + _DB * curve.to(energy)
    hz = torch.tensor([(a + b) / 2 for a, b in zip(EDGES, EDGES[1:], strict=False)]) * RATE / SIZE
    orders = torch.exp(_uniform(generator, math.log(ORDERS[0]), math.log(ORDERS[1]), count, 1))
    # |H|^2 = 1 / (1 + 3 (f / cut)^(2 n)) is a quarter at the cut; the exponent is bounded to stay finite.
    loss = torch.log1p(3.0 * torch.exp((2.0 * orders * torch.log(hz / cuts[:, None])).clamp(max=40.0)))
    jitter = JITTER_DB * _DB * torch.randn(count, 1, BANDS, generator=generator)
    return energy - loss[:, None].to(energy) + jitter.to(energy), energy, known


def painted(values: Tensor, known: Tensor) -> Tensor:
    """Those of bands above the cuts, flat.  Shape: ``[B, S, H], [B] -> [n]``."""
    above = torch.arange(HIGH, BANDS, device=values.device) >= known[:, None]
    return values.transpose(1, 2)[above].flatten()


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=generator)
