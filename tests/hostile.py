"""Pickles that touch a file when they run, in every wrapping that our readers open; and pages of Ogg as one likes."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch


class Touch:
    """Unpickling this creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def prove(target: Path) -> None:
    """The threat is real: a reader that trusts such a pickle runs it."""
    pickle.loads(pickle.dumps(Touch(target)))
    assert target.exists()
    target.unlink()


def torch_file(path: Path, target: Path, content: dict[str, Any] | None = None) -> Path:
    """A file of torch.save with a hostile object beside its tensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**(content or {"a": torch.ones(2)}), "more": Touch(target)}, path)
    return path


def numpy_file(path: Path, target: Path) -> Path:
    """An ``.npy``, or by its name an ``.npz``, of hostile objects."""
    array = np.empty(1, dtype=object)
    array[0] = Touch(target)
    save = np.savez if path.suffix == ".npz" else np.save
    save(path, array, allow_pickle=True)
    return path


def yaml_text(target: Path) -> str:
    """A YAML tag that PyYAML's unsafe loader runs."""
    return f"a: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{target}']]\n"


def ogg_with_checksums(data: bytes) -> bytes:
    """Pages of Ogg with the checksums that their readers compare, whatever was changed in them (RFC 3533)."""
    found = bytearray(data)
    at = found.find(b"OggS")
    while at >= 0 and at + 27 <= len(found):
        segments = found[at + 27 : at + 27 + found[at + 26]]
        page = found[at : at + 27 + len(segments) + sum(segments)]
        page[22:26] = bytes(4)
        found[at + 22 : at + 26] = struct.pack("<I", _crc(bytes(page)))
        at = found.find(b"OggS", at + 27)
    return bytes(found)


def _crc(page: bytes) -> int:
    """CRC-32 of polynomial 0x04c11db7, not reflected, with nothing at either end."""
    found = 0
    for byte in page:
        found = (found << 8 & 0xFFFFFFFF) ^ _CRC[found >> 24 ^ byte]
    return found


def _crc_row(byte: int) -> int:
    row = byte << 24
    for _ in range(8):
        row = (row << 1 ^ (0x04C11DB7 if row & 0x80000000 else 0)) & 0xFFFFFFFF
    return row


_CRC = [_crc_row(byte) for byte in range(256)]
