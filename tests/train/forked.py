"""Training in child processes that have no imports to wait for, and are free to be killed."""

from __future__ import annotations

import csv
import os
import signal
import socket
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from flowmusic.model.text import TextEncoder
from tests import clean
from tests.train.tiny_runs import TINY_FLOW

LIMIT_S = 300.0

LOGGED = [o for o in TINY_FLOW if o != "logger=none"] + ["~logger.tensorboard", "trainer.log_every_n_steps=1"]
"""The tiny flow run, with the loss of every step in a CSV."""


class Pulse(Callback):
    """Writes the numbers of the batches that it sees to a file, one a line; its length tells how far a run is."""

    def __init__(self, file: str) -> None:
        self.file = f"{file}-{os.environ.get('LOCAL_RANK', '0')}"

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(f"{batch.number}\n")


def pulse(out: Path) -> str:
    return f"+callbacks.pulse={{_target_: {Pulse.__module__}.Pulse, file: {out}.pulse}}"


def numbers(out: Path, rank: int = 0) -> list[int]:
    file = Path(f"{out}.pulse-{rank}")
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def text_encoder_loaded_once(patch: pytest.MonkeyPatch) -> None:
    """Load it once for all runs in this process: it is most of what a tiny run takes."""
    loaded = TextEncoder()._load()
    patch.setattr(TextEncoder, "_load", lambda self: loaded)


def _train(overrides: list[str], environment: dict[str, str]) -> None:
    from lightning.pytorch.utilities import rank_zero_only

    from flowmusic.train.run import compose, train

    torch.set_num_threads(1)
    os.environ.update(environment)
    rank_zero_only.rank = int(environment.get("LOCAL_RANK", 0))  # type: ignore[attr-defined]
    train(compose(overrides))


def start(overrides: list[str], world: int = 1) -> list[BaseProcess]:
    """One process, or the ranks of a run on several."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = clean.context()
    found: list[BaseProcess] = []
    for rank in range(world):
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(world), "NODE_RANK": "0"}
        environment = {} if world == 1 else {**place, "LOCAL_RANK": str(rank)}
        found.append(context.Process(target=_train, args=(overrides, environment), daemon=True))
        found[-1].start()
    return found


def finish(processes: list[BaseProcess]) -> None:
    for process in processes:
        process.join(LIMIT_S)
        assert process.exitcode == 0, f"training ended with {process.exitcode}"


def kill_at(processes: list[BaseProcess], out: Path, batches: int) -> None:
    """``kill -9`` once a run has begun so many batches."""
    began = time.monotonic()
    while len(numbers(out)) < batches:
        assert processes[0].is_alive() and time.monotonic() - began < LIMIT_S, "the run ended before it was killed"
        time.sleep(0.002)
    for process in processes:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    for process in processes:
        process.join(LIMIT_S)
        assert process.exitcode == -signal.SIGKILL


def losses(out: Path) -> dict[int, str]:
    """``train/loss`` by step as it was printed, over all sittings; a step made twice must be twice the same."""
    found: dict[int, str] = {}
    for path in sorted((out / "csv").glob("version_*/metrics.csv"), key=lambda p: int(p.parent.name[8:])):
        for row in csv.DictReader(path.read_text().splitlines()):
            if row.get("train/loss"):
                step = int(row["step"])
                assert found.setdefault(step, row["train/loss"]) == row["train/loss"], f"step {step} differs"
    return found
