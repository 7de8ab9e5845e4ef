"""LitNoteNet: the training shell of the network that transcribes notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F

from feature_extractors.networks import note_decode
from feature_extractors.networks.note_net import OUTPUTS, PARTS, NoteNet
from flowmusic.metrics.notes import note_f1
from flowmusic.train.network_data import NoteClip
from flowmusic.train.schedule import scheduled

THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8)
"""Of beginnings: those that validation tries."""


class LitNoteNet(LightningModule):
    """Weighted cross-entropy of beginnings and sounding frames, and squared error of velocities where keys are struck.

    A validation logs the F1 of beginnings (pitch right, within 50 ms) of all pitched notes at the threshold that is the
    best for it, that threshold, and with it the F1 of each part.

    Args:
        network: what is trained.
        optimizer: partial optimiser, called with the parameters.
        weight: in the loss of a frame in which a key is struck, and in which it sounds.
        onset_share: weight of the beginnings' cross-entropy; of the frames' it is 1.
        warmup, total_steps: learning-rate schedule in steps.
    """

    def __init__(
        self,
        network: NoteNet,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        weight: Sequence[float] = (4.0, 1.5),
        onset_share: float = 4.0,
        warmup: int = 100,
        total_steps: int = 3000,
    ) -> None:
        super().__init__()
        # A sixth faster on a CPU.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.make_optimizer = optimizer
        self.weight, self.onset_share = tuple(weight), onset_share
        self.warmup, self.total_steps = warmup, total_steps
        self.scores: dict[str, list[list[float]]] = {}

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        compressed, target = batch
        logits = self.network(compressed)
        with torch.autocast(self.device.type, enabled=False):
            loss = loss_of(logits.float(), target, self.weight, self.onset_share)
        self.log("train/loss", loss, batch_size=len(target), prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.scores = {name: [] for name in ("all", *PARTS)}

    def validation_step(self, batch: NoteClip, batch_idx: int) -> None:
        """Loss of one whole recording, and F1 of all notes and of each part's at every threshold."""
        frames = batch.target.shape[1]
        with torch.autocast(self.device.type, enabled=False):
            logits = self.network(batch.compressed)
            loss = loss_of(logits, batch.target, self.weight, self.onset_share)
        self.log("validation/loss", loss, batch_size=frames, prog_bar=True)
        found = torch.sigmoid(logits[0]).float().cpu().numpy()
        heard = [note_decode.notes(found, batch.seconds, onset=threshold) for threshold in THRESHOLDS]
        for name, scores in self.scores.items():
            parts = PARTS if name == "all" else (name,)
            wanted = [row for part in parts for row in batch.notes[part]]
            if wanted:
                scores.append([note_f1(wanted, [note for note in each if note.part in parts]) for each in heard])

    def on_validation_epoch_end(self) -> None:
        best = int(np.mean(self.scores["all"], 0).argmax()) if self.scores["all"] else 0
        self.log("validation/threshold", THRESHOLDS[best])
        for name, scores in self.scores.items():
            if scores:
                self.log(f"validation/f1_{name}", float(np.mean(scores, 0)[best]))

    def configure_optimizers(self) -> Any:
        return scheduled(self.make_optimizer(self.parameters()), self.warmup, self.total_steps)


def loss_of(logits: Tensor, target: Tensor, weight: Sequence[float], onset_share: float) -> Tensor:
    """Sums over keys, means over frames and outputs.  Shape: both ``[B, F, 88, 9] -> []``; for others see the class."""
    parts = len(PARTS)
    kinds = {
        "onset": [0, *range(2, 2 + parts)],
        "frame": [1, *range(2 + parts, 2 + 2 * parts)],
    }
    total = logits.new_zeros(())
    for (_, outputs), of_positive, share in zip(kinds.items(), weight, (onset_share, 1.0), strict=True):
        each = F.binary_cross_entropy_with_logits(
            logits[..., outputs],
            target[..., outputs],
            pos_weight=logits.new_tensor(of_positive),
            reduction="none",
        )
        total = total + share * each.sum(2).mean()
    velocity = OUTPUTS.index("velocity")
    error = (torch.sigmoid(logits[..., velocity]) - target[..., velocity]).square()
    return total + (error * target[..., 0]).sum(2).mean()
