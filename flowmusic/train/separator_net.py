"""LitSeparator: the training shell of the network that takes drums out of a mix."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from feature_extractors.networks.separator_net import LEVEL, SeparatorNet
from flowmusic.metrics.signal import si_sdr
from flowmusic.train.schedule import scheduled

SIZES = (512, 2048)
"""Samples of the transforms that the loss compares magnitudes with."""
SILENT = 1e-5
"""RMS below which a part is no reference: what is left of it is the rounding of the file."""


class LitSeparator(LightningModule):
    """Waveform and compressed magnitudes of the drums, and of what is left of the mix.

    Args:
        network: what is trained.
        optimizer: partial optimiser, called with the parameters.
        warmup, total_steps: learning-rate schedule in steps.
    """

    def __init__(
        self,
        network: SeparatorNet,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        warmup: int = 100,
        total_steps: int = 1900,
    ) -> None:
        super().__init__()
        self.network, self.make_optimizer = network, optimizer
        self.warmup, self.total_steps = warmup, total_steps

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        mix, drums = batch
        estimate = self.network(mix)
        with torch.autocast(self.device.type, enabled=False):
            loss = loss_of(estimate.float(), drums, mix)
        self.log("train/loss", loss, batch_size=len(mix), prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        mix, drums = batch
        with torch.autocast(self.device.type, enabled=False):
            estimate = self.network(mix)
            self.log("validation/loss", loss_of(estimate, drums, mix), batch_size=len(mix))
        for name, guess, wanted in (("drums", estimate, drums), ("rest", mix - estimate, mix - drums)):
            ratio = si_sdr(guess, wanted) if float(wanted.square().mean().sqrt()) > SILENT else math.nan
            if math.isfinite(ratio):
                self.log(f"validation/si_sdr_{name}_db", ratio, batch_size=len(mix), prog_bar=True)

    def configure_optimizers(self) -> Any:
        return scheduled(self.make_optimizer(self.parameters()), self.warmup, self.total_steps)


def loss_of(estimate: Tensor, drums: Tensor, mix: Tensor) -> Tensor:
    """L1 of the waveform and of compressed magnitudes at two resolutions, of the drums and of the rest.

    Shape: all ``[B, N] -> []``.
    """
    total = (estimate - drums).abs().mean() / LEVEL
    for size in SIZES:
        guess, wanted, whole = (_transform(samples, size) for samples in (estimate, drums, mix))
        # The transform is linear: what is left of the mix needs none of its own.
        total = total + _distance(guess, wanted) + _distance(whole - guess, whole - wanted)
    return total


def _transform(samples: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=samples.device)
    return torch.stft(samples, size, size // 2, window=window, normalized=True, return_complex=True)


def _distance(guess: Tensor, wanted: Tensor) -> Tensor:
    """Mean distance of ``log(1 + 10 m)``; the small constant keeps the gradient finite where nothing sounds."""
    magnitude = (guess.real.square() + guess.imag.square() + 1e-8).sqrt()
    return (torch.log1p(10.0 * magnitude) - torch.log1p(10.0 * wanted.abs())).abs().mean()
