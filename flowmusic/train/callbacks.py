"""Callbacks of our training runs: a compute budget, checkpoints, and the averaged weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from torch.optim.swa_utils import AveragedModel

from flowmusic.train.command import WrongSettings
from flowmusic.train.sharding import is_sharded


class ComputeBudget(Callback):
    """Stop in good order after so much time; the total survives a resume.

    Wall time is what a lease costs; CPU time of the process (all threads) is the fair measure for comparing
    models on a shared machine.

    Args:
        wall_s, cpu_s: limits in seconds over all sittings together; None is no limit.
        sitting_wall_s: limit of this sitting alone (a lease), counted from when the run was set up, so that reading
            data is part of it; None is no limit.
        until: time of day, as of :func:`time.time`, at which this sitting ends; None is no limit.

    A run that the end of a sitting stops is ``paused``: it is not exported, for it is to go on.
    """

    def __init__(
        self,
        wall_s: float | None = None,
        cpu_s: float | None = None,
        sitting_wall_s: float | None = None,
        until: float | None = None,
    ) -> None:
        limits = {"wall_s": wall_s, "cpu_s": cpu_s, "sitting_wall_s": sitting_wall_s, "until": until}
        for name, value in limits.items():
            if value is not None and not value > 0:
                raise ValueError(f"budget {name} must be positive seconds or null, got {value}")
        self.wall_s, self.cpu_s, self.sitting_wall_s, self.until = wall_s, cpu_s, sitting_wall_s, until
        self.before_wall_s = self.before_cpu_s = 0.0
        self.begin_wall = self.begin_cpu = 0.0
        self.born = time.monotonic()
        self.paused = False

    @property
    def limited(self) -> bool:
        return any(limit is not None for limit in (self.wall_s, self.cpu_s, self.sitting_wall_s, self.until))

    @property
    def spent_wall_s(self) -> float:
        return self.before_wall_s + time.monotonic() - self.begin_wall

    @property
    def spent_cpu_s(self) -> float:
        return self.before_cpu_s + time.process_time() - self.begin_cpu

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.begin_wall, self.begin_cpu = time.monotonic(), time.process_time()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step % 25 == 0:
            pl_module.log_dict({"budget/wall_s": self.spent_wall_s, "budget/cpu_s": self.spent_cpu_s})
        spent = (self.wall_s is not None and self.spent_wall_s >= self.wall_s) or (
            self.cpu_s is not None and self.spent_cpu_s >= self.cpu_s
        )
        ended = (self.sitting_wall_s is not None and time.monotonic() - self.born >= self.sitting_wall_s) or (
            self.until is not None and time.time() >= self.until
        )
        if self.limited and trainer.world_size > 1:
            # Clocks differ, and a process that stops a step early would leave the others waiting for it.
            spent, ended = (trainer.strategy.reduce_boolean_decision(each, all=False) for each in (spent, ended))
        if spent:
            trainer.should_stop = True
        elif ended:
            # The last step of all is an end, not a pause.
            self.paused = trainer.global_step != trainer.max_steps
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"wall_s": self.spent_wall_s, "cpu_s": self.spent_cpu_s}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.before_wall_s, self.before_cpu_s = state["wall_s"], state["cpu_s"]


class Checkpoint(ModelCheckpoint):
    """Lightning's, which also saves where a callback stops the run: a sitting loses none of its steps."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, *args, **kwargs)
        # Lightning calls checkpoints after all other callbacks, so the averages have this step already.
        if trainer.should_stop and self._last_global_step_saved != trainer.global_step:
            assert self.dirpath is not None
            trainer.save_checkpoint(Path(self.dirpath) / f"{self.filename}.ckpt")

    def state_dict(self) -> dict[str, Any]:
        """Nothing: Lightning would keep places of this machine."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Not obeyed, in older checkpoints: Lightning removes the file that they call the best before this one."""


class AveragedWeights(EMAWeightAveraging):
    """Exponential moving average of the parameters, used in validation, samples and the exported bundle.

    The decay warms up (1 + k) / (10 + k), so that short runs are not averaged with their initialisation.

    Args:
        decay: what an average keeps of itself in a step, in the long run.
        use_buffers: average the buffers too, for a network with batch normalisation: averaged weights need averaged
            statistics.  Else buffers are those of the last step.
    """

    def __init__(self, decay: float = 0.999, use_buffers: bool = False) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        super().__init__(use_buffers=use_buffers, decay=decay)
        limit = decay

        def average(averaged: Any, current: Any, num_averaged: Any) -> Any:
            if not averaged.is_floating_point():
                return current  # a count of batches
            count = float(num_averaged)
            # 1 - decay = 9 / (10 + k): until the limit holds, the mean age in the average is a tenth of the run so far.
            weight = min(limit, (1.0 + count) / (10.0 + count))
            return averaged + (current - averaged) * (1.0 - weight)

        self._kwargs = {"avg_fn": average}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Copy the model.  Raises: WrongSettings where it is sharded: a whole copy on each device would undo that."""
        if is_sharded(trainer):
            raise WrongSettings(
                "averaged weights are not kept for a sharded model; set callbacks.average=null, or trainer=ddp"
            )
        if stage == "fit":
            # As Lightning's, which calls configure_model first and warns: ours does nothing where nothing is sharded.
            self._average_model = AveragedModel(
                pl_module, pl_module.device, use_buffers=self._use_buffers, **self._kwargs
            )
