"""How Lightning writes and reads the checkpoints of a training: see :mod:`flowmusic.train.checkpoints`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from flowmusic.atomic import replacing
from flowmusic.train.checkpoints import PREVIOUS, read


class PlainCheckpoints(TorchCheckpointIO):
    """How a run writes and reads its checkpoints.

    A new one is written beside the old one, read back, waited for until it is on the disk, and only then takes its
    name; the old one stays as ``previous.ckpt``.  A kill or a full disk at any moment leaves a whole one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Raises: OSError naming the file; UnsafeCheckpoint if a callback's state is no plain data."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, durable=True, previous=path.with_name(PREVIOUS)) as temporary:
            torch.save(checkpoint, temporary)
            read(temporary, mmap=True)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """As :func:`read`, whatever is asked for."""
        return read(path)
