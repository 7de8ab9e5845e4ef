"""PyTorch checkpoints of other projects, read as data: a pickle that asks to run anything is refused."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from flowmusic.interop.bundle import CorruptWeights, ModelError

ZIP_MAGIC = b"PK\x03\x04"
LFS_MAGIC = b"version https://git-lfs"


class UnsafeFile(ModelError):
    """The file holds more than tensors and plain data, so that loading it could run code; it was not loaded."""


def read_pickle(path: str | Path, keys: Sequence[str] = (), mmap: bool = False) -> dict[str, Any]:
    """The dictionary in a file of ``torch.save``: tensors (on the CPU), text, numbers and containers of these.

    Args:
        path: the file.
        keys: entries that it must have.
        mmap: leave tensors on the disk until they are used.

    Raises: ModelError if this is no such file or lacks an entry, UnsafeFile (a ModelError) if it holds objects
        of any other kind, CorruptWeights if it is one that was cut off or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"checkpoint not found: {path}; give a file written by torch.save")
    with path.open("rb") as file:
        start = file.read(len(LFS_MAGIC))
    damaged = f"{path} is damaged or was not downloaded to its end"
    if not start:
        raise CorruptWeights(f"{damaged}: it is empty; download it again")
    if start == LFS_MAGIC:
        raise ModelError(f"{path} is a git-lfs pointer, not the weights themselves; run `git lfs pull` in its folder")
    if not start.startswith(ZIP_MAGIC):
        raise ModelError(f"{path} is not a PyTorch checkpoint: expected a zip archive as torch.save writes it")
    if not zipfile.is_zipfile(path):
        raise CorruptWeights(f"{damaged}: its directory, at the end, is missing; download it again")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        raise UnsafeFile(
            f"{path} is refused: it holds something other than tensors, text and numbers, and reading that could run "
            f"code ({_reason(error)}); get the file from its publisher, or save a plain state dict"
        ) from None
    except (RuntimeError, ValueError, EOFError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise CorruptWeights(f"{damaged} ({_reason(error)}); download it again") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}, expected a dictionary with {_listed(keys)}")
    missing = [key for key in keys if key not in content]
    if missing:
        found = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise ModelError(
            f"{path} has no {_listed(missing)}; it begins with: {found}; is it another kind of checkpoint?"
        )
    return dict(content)


def _listed(keys: Sequence[str]) -> str:
    return " and ".join(repr(key) for key in keys) or "entries"


def _reason(error: Exception) -> str:
    """The line of torch's message that names the culprit; the rest recommends to trust the file."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    named = next((line for line in lines if "GLOBAL" in line or "Unsupported" in line), lines[0])
    return named.partition(" was not an allowed")[0][:160].strip()
