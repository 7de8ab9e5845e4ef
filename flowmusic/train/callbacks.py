"""Callbacks of our training runs: a compute budget, and the averaged weights."""

from __future__ import annotations

import time
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging


class ComputeBudget(Callback):
    """Stop in good order after so much time; the total survives a resume.

    Wall time is what a lease costs; CPU time of the process (all threads) is the fair measure for comparing
    models on a shared machine.

    Args:
        wall_s, cpu_s: limits in seconds over all sittings together; None is no limit.
        sitting_wall_s: limit of this sitting alone (a lease); None is no limit.
    """

    def __init__(
        self, wall_s: float | None = None, cpu_s: float | None = None, sitting_wall_s: float | None = None
    ) -> None:
        for name, value in (("wall_s", wall_s), ("cpu_s", cpu_s), ("sitting_wall_s", sitting_wall_s)):
            if value is not None and not value > 0:
                raise ValueError(f"budget {name} must be positive seconds or null, got {value}")
        self.wall_s, self.cpu_s, self.sitting_wall_s = wall_s, cpu_s, sitting_wall_s
        self.before_wall_s = self.before_cpu_s = 0.0
        self.begin_wall = self.begin_cpu = 0.0

    @property
    def spent_wall_s(self) -> float:
        return self.before_wall_s + time.monotonic() - self.begin_wall

    @property
    def spent_cpu_s(self) -> float:
        return self.before_cpu_s + time.process_time() - self.begin_cpu

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.begin_wall, self.begin_cpu = time.monotonic(), time.process_time()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        sitting = time.monotonic() - self.begin_wall
        if trainer.global_step % 25 == 0:
            pl_module.log_dict({"budget/wall_s": self.spent_wall_s, "budget/cpu_s": self.spent_cpu_s})
        if (
            (self.wall_s is not None and self.spent_wall_s >= self.wall_s)
            or (self.cpu_s is not None and self.spent_cpu_s >= self.cpu_s)
            or (self.sitting_wall_s is not None and sitting >= self.sitting_wall_s)
        ):
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"wall_s": self.spent_wall_s, "cpu_s": self.spent_cpu_s}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.before_wall_s, self.before_cpu_s = state["wall_s"], state["cpu_s"]


class AveragedWeights(EMAWeightAveraging):
    """Exponential moving average of the parameters, used in validation, samples and the exported bundle.

    The decay warms up (1 + k) / (10 + k), so that short runs are not averaged with their initialisation.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        super().__init__(use_buffers=False, decay=decay)
        limit = decay

        def average(averaged: Any, current: Any, num_averaged: Any) -> Any:
            count = float(num_averaged)
            weight = min(limit, (1.0 + count) / (10.0 + count))
            return averaged + (current - averaged) * (1.0 - weight)

        self._kwargs = {"avg_fn": average}
