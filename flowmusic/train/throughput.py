"""How fast a run is, what it waits for, and how much memory it has taken."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

GIB = 2.0**30
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of what getrusage counts the resident size in."""


class Throughput(Callback):
    """Log, over the steps since the last time, validation left out:

    ``speed/step_s``: seconds a step; ``speed/clips_per_s`` and ``speed/audio_s_per_s``: windows, and seconds of music,
    of all processes in a second; ``speed/data_wait``: share of the time in which training waited for its data;
    ``memory/rss_gib``: the most memory that this process has had; ``memory/cuda_gib``: the same of its CUDA device.

    Args:
        every_n_steps: how often.  The first step is not counted: it loads, compiles and allocates.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        if every_n_steps < 1:
            raise ValueError(f"callbacks.throughput.every_n_steps must be at least 1, got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self.begun: tuple[float, float, int] | None = None
        self.windows = self.audio_s = self.apart_s = self.validation_began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.begun = None

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validation_began = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.apart_s += time.perf_counter() - self.validation_began

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        waited = float(getattr(trainer.train_dataloader, "waited_s", 0.0))
        if self.begun is None:
            self._begin(trainer, waited)
            return
        windows, seconds = size_of(batch)
        self.windows += windows * trainer.world_size
        self.audio_s += seconds * trainer.world_size
        steps = trainer.global_step - self.begun[2]
        if steps < self.every_n_steps:
            return
        spent = time.perf_counter() - self.begun[0] - self.apart_s
        figures = {
            "speed/step_s": spent / steps,
            "speed/clips_per_s": self.windows / spent,
            "speed/data_wait": (waited - self.begun[1]) / spent,
            "memory/rss_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT / GIB,
        }
        if self.audio_s:
            figures["speed/audio_s_per_s"] = self.audio_s / spent
        if pl_module.device.type == "cuda":
            figures["memory/cuda_gib"] = torch.cuda.max_memory_allocated(pl_module.device) / GIB
        pl_module.log_dict(figures)
        self._begin(trainer, waited)

    def _begin(self, trainer: Trainer, waited: float) -> None:
        self.begun = (time.perf_counter(), waited, trainer.global_step)
        self.windows = self.audio_s = self.apart_s = 0.0


def size_of(batch: Any) -> tuple[int, float]:
    """Windows in a batch, and their seconds of music; 0 where a batch does not tell."""
    latents = getattr(batch, "latents", None)
    if latents is not None:
        return len(latents), len(latents) * batch.grid.seconds
    if isinstance(batch, tuple | list) and batch:
        batch = batch[0]  # inputs and what is wanted of them
    return (len(batch), 0.0) if hasattr(batch, "__len__") else (0, 0.0)
