"""LitDrumNet: the training shell of the networks for drum onsets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F

from feature_extractors.networks import drum_net
from flowmusic.metrics.onsets import MERGE_S, onset_f1
from flowmusic.train.network_data import DrumClip
from flowmusic.train.schedule import scheduled

THRESHOLDS = np.arange(0.3, 0.91, 0.05)
"""Of probabilities: those that validation tries."""


class LitDrumNet(LightningModule):
    """Weighted cross-entropy of struck frames.

    A validation logs the F1 of every output at the threshold that is the best for it, and that threshold.

    Args:
        network: what is trained; with one output it hears any drum, with four kick, snare and hi-hat as well.
        optimizer: partial optimiser, called with the parameters.
        weight: of struck frames, by output: about one frame in ten is struck, of a class one in thirty.
        warmup, total_steps: learning-rate schedule in steps.
    """

    def __init__(
        self,
        network: drum_net.DrumOnsetNet,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        weight: Sequence[float] = (3.0, 4.0, 4.0, 4.0),
        warmup: int = 660,
        total_steps: int = 2200,
    ) -> None:
        super().__init__()
        if not 1 <= network.outputs <= len(drum_net.OUTPUTS):
            raise ValueError(
                f"model.network.outputs must be from 1 to {len(drum_net.OUTPUTS)} ({', '.join(drum_net.OUTPUTS)}), got "
                f"{network.outputs}"
            )
        # A third faster on a CPU.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.make_optimizer, self.weight = optimizer, tuple(weight)
        self.outputs = drum_net.OUTPUTS[: network.outputs]
        self.warmup, self.total_steps = warmup, total_steps
        self.scores: dict[str, list[list[float]]] = {}

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Shape: logits ``[B, F, outputs]``, targets ``[B, F, 4] -> []``."""
        weight = torch.tensor(self.weight[: len(self.outputs)], device=logits.device)
        wanted = target[..., : len(self.outputs)]
        with torch.autocast(logits.device.type, enabled=False):
            return F.binary_cross_entropy_with_logits(logits.float(), wanted, pos_weight=weight)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        log_mel, target = batch
        loss = self.loss(self.network(log_mel), target)
        self.log("train/loss", loss, batch_size=len(target), prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.scores = {name: [] for name in self.outputs}

    def validation_step(self, batch: DrumClip, batch_idx: int) -> None:
        """Loss of one whole recording, and F1 at 50 ms of its outputs that have hits, at every threshold."""
        with torch.autocast(self.device.type, enabled=False):
            logits = self.network(batch.log_mel)
        self.log("validation/loss", self.loss(logits, batch.target), batch_size=logits.shape[1], prog_bar=True)
        probability = torch.sigmoid(logits[0]).float().cpu().numpy()
        for n, name in enumerate(self.outputs):
            if batch.hits[name]:
                heard = [drum_net.peaks(probability[:, n], float(each), MERGE_S)[0] for each in THRESHOLDS]
                self.scores[name].append([onset_f1(batch.hits[name], times) for times in heard])

    def on_validation_epoch_end(self) -> None:
        for name, scores in self.scores.items():
            if scores:
                mean = np.mean(scores, 0)
                best = int(mean.argmax())
                self.log(f"validation/f1_{name}", float(mean[best]))
                self.log(f"validation/threshold_{name}", float(THRESHOLDS[best]))

    def configure_optimizers(self) -> Any:
        return scheduled(self.make_optimizer(self.parameters()), self.warmup, self.total_steps)
