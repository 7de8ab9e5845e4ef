"""Pickles that touch a file when they run, in every wrapping that our readers open."""

from __future__ import annotations

import pickle
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
