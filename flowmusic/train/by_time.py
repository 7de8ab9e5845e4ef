"""Validation loss at given times of the path: the figure by which runs with different time samplers compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from torch import Generator

from flowmusic.data.latents import Batch
from flowmusic.flow.times import weight_uniform
from flowmusic.train.flow import LitFlow


class LossByTime(Callback):
    """Log the loss of every validation batch at each of ``times``, and their mean.

    ``validation/loss`` draws t and weighs it as the run trains, so it says nothing across samplers or weightings;
    these figures are the same question to every run: unweighted, with the same noise and dropout at every t.

    Args:
        times: t in [0, 1); 0 is noise.
    """

    def __init__(self, times: Sequence[float]) -> None:
        self.times = tuple(float(t) for t in times)
        if not self.times or not all(0.0 <= t < 1.0 for t in self.times):
            raise ValueError(f"times must be one or more numbers in [0, 1), got {list(times)}")

    @torch.no_grad()
    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        losses = {f"by_time/{t:g}": self._loss(pl_module, batch, batch_idx, t) for t in self.times}
        losses["by_time/mean"] = sum(losses.values()) / len(losses)
        # Here and not at the end of the epoch, because the averaged weights are in place while batches run.
        pl_module.log_dict(losses, batch_size=len(batch.latents))

    @staticmethod
    def _loss(module: LitFlow, batch: Batch, batch_idx: int, t: float) -> float:
        times, weight = module.times, module.weight
        module.times, module.weight = (lambda size, generator: torch.full((size,), t)), weight_uniform
        try:
            return float(module.loss(batch, Generator().manual_seed(batch_idx)))
        finally:
            module.times, module.weight = times, weight
