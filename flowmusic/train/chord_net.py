"""LitChordNet: the training shell of the chord recogniser."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from feature_extractors.networks import chord_decode, chord_labels
from feature_extractors.networks.chord_net import ChordNet
from flowmusic.metrics.chords import chord_acc
from flowmusic.train.network_data import ChordClip
from flowmusic.train.schedule import scheduled


class LitChordNet(LightningModule):
    """Cross-entropy with the chord classes and with their triads.

    Args:
        network: what is trained.
        optimizer: partial optimiser, called with the parameters.
        triad_share: weight of the triads' cross-entropy.
        warmup, total_steps: learning-rate schedule in steps.
    """

    def __init__(
        self,
        network: ChordNet,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        triad_share: float = 0.3,
        warmup: int = 200,
        total_steps: int = 2400,
    ) -> None:
        super().__init__()
        self.network, self.make_optimizer = network, optimizer
        self.triad_share, self.warmup, self.total_steps = triad_share, warmup, total_steps

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        compressed, target = batch
        logits = self.network(compressed)
        with torch.autocast(self.device.type, enabled=False):
            loss = loss_of(logits.float(), target, self.triad_share)
        self.log("train/loss", loss, batch_size=len(target), prog_bar=True)
        return loss

    def validation_step(self, batch: ChordClip, batch_idx: int) -> None:
        """Figures of one whole recording: agreement after decoding, and the share of frames of exactly the label."""
        frames = batch.target.shape[1]
        with torch.autocast(self.device.type, enabled=False):
            logits = self.network(batch.compressed)
            self.log("validation/loss", loss_of(logits, batch.target, self.triad_share), batch_size=frames)
        exact = (logits.argmax(-1) == batch.target.argmax(-1)).float().mean()
        self.log("validation/label_share", exact, batch_size=frames)
        recognised = chord_decode.changes(logits[0].log_softmax(-1).cpu().numpy(), batch.seconds)
        with warnings.catch_warnings():
            # A recording of diminished chords alone has no agreement, and is left out.
            warnings.simplefilter("ignore", UserWarning)
            agreement = chord_acc(batch.chords, recognised)
        if not math.isnan(agreement):
            self.log("validation/chord_acc", agreement, batch_size=frames, prog_bar=True)

    def configure_optimizers(self) -> Any:
        return scheduled(self.make_optimizer(self.parameters()), self.warmup, self.total_steps)


def loss_of(logits: Tensor, target: Tensor, triad_share: float = 0.3) -> Tensor:
    """Cross-entropy with the classes, and with the triads that they belong to, over labelled time.

    Shape: both ``[B, F, 193] -> []``; targets are shares of frames.
    """
    log_p = logits.log_softmax(-1)
    # A triad is as probable as all of its classes together: sums of probabilities over classes with one triad.
    index = torch.from_numpy(chord_labels.TRIAD).to(log_p.device).expand(log_p.shape)
    shape = (*log_p.shape[:-1], 49)
    log_triads = log_p.new_zeros(shape).scatter_add(-1, index, log_p.exp()).clamp(min=1e-9).log()
    triads = log_p.new_zeros(shape).scatter_add(-1, index, target)
    both = (target * log_p).sum() + triad_share * (triads * log_triads).sum()
    return -both / target.sum().clamp(min=1.0)
