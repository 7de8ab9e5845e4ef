"""How Lightning writes and reads the checkpoints of a training: see :mod:`flowmusic.train.checkpoints`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback

from flowmusic.files import replacing
from flowmusic.train.checkpoints import KEYS, LAST, PREVIOUS, UnfitCheckpoint, read


class PlainCheckpoints(TorchCheckpointIO):
    """How a run writes and reads its checkpoints.

    A new one is written beside the old one, read back, waited for until it is on the disk, and only then takes its
    name; the old one stays as ``previous.ckpt``.  A kill or a full disk at any moment leaves a whole one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Raises: OSError naming the file; UnsafeCheckpoint if a callback's state is no plain data."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        previous = path.with_name(PREVIOUS) if path.name == LAST else None
        with replacing(path, durable=True, previous=previous) as temporary:
            torch.save(checkpoint, temporary)
            read(temporary, mmap=True)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """As :func:`read`, whatever is asked for."""
        return read(path, KEYS)


class Restored(Callback):
    """Knows whether a run has taken up the state of its checkpoint, to tell what went wrong before."""

    def __init__(self, checkpoint: Path | None) -> None:
        self.checkpoint = checkpoint

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.checkpoint = None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Around the fit.  Raises: UnfitCheckpoint where Lightning or torch stumbled over the checkpoint."""
        try:
            yield
        except (LookupError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            said = " ".join(str(error).split())
            unnamed = isinstance(error, LookupError | TypeError | AttributeError)
            if self.checkpoint is None or not (unnamed or "state_dict" in said or "state dict" in said):
                raise
            raise UnfitCheckpoint(
                f"{self.checkpoint} does not fit this run ({type(error).__name__}: {said[:160]}); put the run's own "
                "checkpoint in its place, or give resume=false to begin anew"
            ) from error
