"""Checkpoints of a training: plain data, read without running code, and never lost while the next one is written."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
KEYS = ("epoch", "global_step", "state_dict", "loops", "optimizer_states", "lr_schedulers")
"""What a checkpoint of ours holds at least."""


class DamagedCheckpoint(RuntimeError):
    """A checkpoint is cut off or damaged, and no earlier one is there; the message names it and says what to do."""


class UnfitCheckpoint(ValueError):
    """A checkpoint is whole, and of another model or another version."""


class UnsafeCheckpoint(ValueError):
    """A checkpoint holds more than plain data, which only running its code could read."""


def read(path: str | Path, keys: Sequence[str] = (), mmap: bool = False) -> dict[str, Any]:
    """The content of a checkpoint: tensors on the CPU, numbers, text and containers of them.

    Args:
        keys: entries that it must have.
        mmap: leave tensors on the disk until they are used.

    Raises: UnsafeCheckpoint for one that asks to run code; DamagedCheckpoint; FileNotFoundError.
    """
    from flowmusic.interop.fitting import CorruptWeights, ModelError
    from flowmusic.interop.pickles import UnsafeFile, read_pickle

    path = Path(path)
    if path.is_dir():
        raise UnsafeCheckpoint(
            f"{path} is a folder: distributed checkpoints describe their parts in pickles, which can run code, and are "
            "not read; write whole ones with trainer=fsdp, and remove this one"
        )
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} not found")
    try:
        return read_pickle(path, keys, mmap)
    except UnsafeFile:
        raise UnsafeCheckpoint(
            f"{path} holds more than tensors and plain data, and reading it could run code: it was not written by "
            "flowmusic train, or by callbacks of your own that store objects; remove it, or store plain data"
        ) from None
    except (CorruptWeights, ModelError):
        raise DamagedCheckpoint(_damaged(path)) from None


def _damaged(path: Path) -> str:
    return f"{path} is cut off or damaged; put a whole checkpoint in its place, or give resume=false to begin anew"


def latest(folder: Path) -> tuple[Path | None, str | None]:
    """The newest whole checkpoint of a folder, if there is one, and what to tell where it is not the last.

    Raises: DamagedCheckpoint if there is none that is whole; UnsafeCheckpoint.
    """
    damaged: DamagedCheckpoint | None = None
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            _check_sums(path)
            read(path, KEYS, mmap=True)
        except DamagedCheckpoint as error:
            damaged = damaged or error
            continue
        told = None if path.name == LAST else f"{folder / LAST} is damaged or missing; the run goes on from {path.name}"
        return path, told
    if damaged is not None:
        raise damaged
    return None, None


def _check_sums(path: Path) -> None:
    """Compare the file with the checksums in it, which torch writes and does not read.  Raises: DamagedCheckpoint."""
    if not path.is_file():
        return
    try:
        with zipfile.ZipFile(path) as archive:
            # torch packs nothing: what is packed may come to any size.
            packed = any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist())
            whole = not packed and archive.testzip() is None
    except Exception:  # of zipfile, of zlib, or of the system: they share no class
        whole = False
    if not whole:
        raise DamagedCheckpoint(_damaged(path))


def forget(folder: Path) -> None:
    """Remove the checkpoints of a run that another one replaces."""
    for name in (LAST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
