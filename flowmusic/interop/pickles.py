"""PyTorch checkpoints of other projects, read as data: a pickle that asks to run anything is refused.

torch reads them with ``weights_only``, which calls a list of its own functions and whatever other packages have added
to that list.  So the names in a pickle are compared with a short list of ours first, name by name and without running
it, and what comes back is judged as well: exact types, and no tensor that is larger than the bytes behind it (a stride
of 0 makes a terabyte of one number).
"""

from __future__ import annotations

import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowmusic import plain
from flowmusic.interop.fitting import CorruptWeights, ModelError
from flowmusic.paths import in_utf8

ZIP_MAGIC = b"PK\x03\x04"
LFS_MAGIC = b"version https://git-lfs"
MOST_PICKLE = 8 * plain.MIB
"""Bytes of the pickle itself, which names tensors and does not hold them: 200 for each."""
_STORAGES = ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool")
ALLOWED = frozenset(
    {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "_codecs encode"}
    | {f"torch {kind}Storage" for kind in _STORAGES}
)
"""The names that a state dict of plain tensors has, each exactly; ``encode`` is how bytes are stored."""
_PLAIN = (str, int, float, bool, bytes, type(None))
_BOXES = (dict, OrderedDict, list, tuple, set)


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
    try:
        size = plain.check_file(path)
    except FileNotFoundError:
        raise ModelError(f"checkpoint not found: {path}; give a file written by torch.save") from None
    except plain.PlainError as error:
        raise ModelError(str(error)) from None
    with path.open("rb") as file:
        start = file.read(len(LFS_MAGIC))
    damaged = f"{path} is damaged or was not downloaded to its end"
    if not start:
        raise CorruptWeights(f"{damaged}: it is empty; download it again")
    if start == LFS_MAGIC:
        raise ModelError(f"{path} is a git-lfs pointer, not the weights themselves; run `git lfs pull` in its folder")
    if not start.startswith(ZIP_MAGIC):
        raise ModelError(f"{path} is not a PyTorch checkpoint: expected a zip archive as torch.save writes it")
    try:
        if not zipfile.is_zipfile(path):
            raise CorruptWeights(f"{damaged}: its directory, at the end, is missing; download it again")
        swollen = _swollen(path, size)
        if swollen:
            raise UnsafeFile(f"{path} is refused: {swollen}; get the file from its publisher")
        stranger = _named(path)
        if stranger:
            raise pickle.UnpicklingError(f"GLOBAL {stranger}")
        with in_utf8(path) as name:
            content = torch.load(name, map_location="cpu", weights_only=True, mmap=mmap)
        stranger = _stranger(content, size)
    except (UnsafeFile, CorruptWeights):
        raise
    except pickle.UnpicklingError as error:
        raise UnsafeFile(
            f"{path} is refused: it holds something other than tensors, text and numbers, and reading that could run "
            f"code ({_reason(error)}); get the file from its publisher, or save a plain state dict"
        ) from None
    except Exception as error:
        # A damaged pickle calls the functions that it may call with whatever lies there.
        raise CorruptWeights(f"{damaged} ({_reason(error)}); download it again") from None
    if stranger:
        raise UnsafeFile(
            f"{path} is refused: it holds {stranger}, which is not a tensor, text or a number; get the file from its "
            "publisher, or save a plain state dict"
        )
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}, expected a dictionary with {_listed(keys)}")
    missing = [key for key in keys if key not in content]
    if missing:
        found = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise ModelError(
            f"{path} has no {_listed(missing)}; it begins with: {found}; is it another kind of checkpoint?"
        )
    return dict(content)


def tensors_of(state: object, path: Path) -> dict[str, Tensor]:
    """A flat dictionary of tensors, or ModelError."""
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path}: the weights must be a flat dictionary of tensors; is it a raw training checkpoint?")
    return {str(name): tensor for name, tensor in state.items()}


def _swollen(path: Path, size: int) -> str:
    """What a zip archive expands to beyond its size; empty for one as torch.save writes it, which packs nothing."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    packed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
    if packed:
        return f"its part {plain.shown(packed[0])} is packed, which torch.save never does"
    if sum(member.file_size for member in members) > size:
        return "its parts come to more bytes than the file has"
    large = [member for member in members if member.filename.endswith(".pkl") and member.file_size > MOST_PICKLE]
    return f"its pickle has {large[0].file_size} bytes, {MOST_PICKLE} at most are read" if large else ""


def _named(path: Path) -> str:
    """The first name in a checkpoint's pickle that is not in :data:`ALLOWED`; empty if there is none.

    Names are read and nothing is run.  torch writes each as one opcode; ways of composing a name are none of its own.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".pkl")]
        for opcode, argument, _ in (op for name in names for op in pickletools.genops(archive.read(name))):
            if opcode.name == "GLOBAL" and argument not in ALLOWED:
                return plain.shown(str(argument).replace(" ", "."))
            if opcode.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
                return f"through {opcode.name}"
    return ""


def _stranger(content: Any, size: int) -> str:
    """The first thing in a checkpoint that is not of an allowed type, in words; empty if there is none."""
    waiting, seen = [content], set[int]()
    while waiting:
        item = waiting.pop()
        if type(item) in _PLAIN or id(item) in seen:
            continue
        if isinstance(item, Tensor):
            if (
                type(item) not in (Tensor, torch.nn.Parameter)
                or item.layout != torch.strided
                or item.device.type != "cpu"
            ):
                return f"a {type(item).__name__} of layout {item.layout} on {item.device}"
            if item.numel() * item.element_size() > min(item.untyped_storage().nbytes(), size):
                return f"a tensor of {item.numel()} values without the bytes for them"
        elif type(item) in _BOXES:
            # A container may hold itself.
            seen.add(id(item))
            waiting += [*item, *item.values()] if isinstance(item, dict) else item
        else:
            return f"a {type(item).__module__}.{type(item).__qualname__}"
    return ""


def _listed(keys: Sequence[str]) -> str:
    return " and ".join(repr(key) for key in keys) or "entries"


def _reason(error: Exception) -> str:
    """The line of torch's message that names the culprit; the rest recommends to trust the file."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    named = next((line for line in lines if "GLOBAL" in line or "Unsupported" in line), lines[0])
    return plain.shown(named.partition(" was not an allowed")[0])
