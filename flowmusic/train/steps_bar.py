"""The progress of a training, step by step, with a time left that waits for a basis."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch.callbacks import ProgressBar

from flowmusic.progress import Bar


class StepsBar(ProgressBar):
    """One bar over all optimiser steps; Lightning's own begins again with each pass over the data.

    It takes the place of Lightning's where ``trainer.enable_progress_bar`` is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bar: Bar | None = None
        self._shown = True

    def disable(self) -> None:
        """No bar in this process: of several devices, one draws."""
        self._shown = False

    def enable(self) -> None:
        """A bar after all."""
        self._shown = True

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin where the run goes on."""
        super().on_train_start(trainer, pl_module)
        steps = trainer.estimated_stepping_batches
        total = int(steps) if steps != float("inf") else None
        self._bar = Bar("training", "step", total, trainer.global_step, shown=self._shown)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count, and show what the module logs for the bar."""
        if self._bar is not None:
            figures = self.get_metrics(trainer, pl_module)
            figures.pop("v_num", None)
            self._bar.note(", ".join(f"{name} {_short(value)}" for name, value in figures.items()))
            self._bar.to(trainer.global_step)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """The last step is done."""
        self._close()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """The run has ended otherwise."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
