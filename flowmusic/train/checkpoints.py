"""Checkpoints of a training: plain data, read without running code, and never lost while the next one is written."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from flowmusic.paths import in_utf8

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class DamagedCheckpoint(RuntimeError):
    """A checkpoint is cut off or damaged, and no earlier one is there; the message names it and says what to do."""


class UnsafeCheckpoint(ValueError):
    """A checkpoint holds more than plain data, which only running its code could read."""


def read(path: str | Path, mmap: bool = False) -> dict[str, Any]:
    """The content of a checkpoint: tensors on the CPU, numbers, text and containers of them.

    Args:
        mmap: leave tensors on the disk until they are used.

    Raises: UnsafeCheckpoint for one that asks to run code; DamagedCheckpoint; FileNotFoundError.
    """
    import torch  # not before a file is read: whoever names the errors needs it not

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} not found")
    try:
        with in_utf8(path) as name:
            content = torch.load(name, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        if "Weights only load failed" in str(error):
            raise UnsafeCheckpoint(
                f"{path} holds more than tensors and plain data, and reading it could run code: it was not written by "
                "flowmusic train, or by callbacks of your own that store objects; remove it, or store plain data"
            ) from None
        raise DamagedCheckpoint(_damaged(path)) from None
    except (RuntimeError, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError, OSError):
        raise DamagedCheckpoint(_damaged(path)) from None
    if not isinstance(content, dict):
        raise UnsafeCheckpoint(f"{path} holds {type(content).__name__}, which is no checkpoint; remove it")
    return content


def _damaged(path: Path) -> str:
    return (
        f"{path} is cut off or damaged, and no whole checkpoint lies beside it; copy one there, or remove it and give "
        "resume=false to begin again"
    )


def latest(folder: Path) -> tuple[Path | None, str | None]:
    """The newest whole checkpoint of a folder, if there is one, and what to tell where it is not the last.

    Raises: DamagedCheckpoint if there is none that is whole; UnsafeCheckpoint.
    """
    damaged: DamagedCheckpoint | None = None
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.is_file():
            continue
        try:
            read(path, mmap=True)
        except DamagedCheckpoint as error:
            damaged = damaged or error
            continue
        told = None if path.name == LAST else f"{folder / LAST} is damaged or missing; the run goes on from {path.name}"
        return path, told
    if damaged is not None:
        raise damaged
    return None, None
