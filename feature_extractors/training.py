"""What the trainers of our networks leave: a state to go on from, and weights; each written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowmusic import disk, publishable


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Everything that the next step depends on, as ``torch.load(..., weights_only=True)`` reads it."""
    temporary = path.with_name(f".{path.name}.tmp")
    with disk.naming(path, temporary):
        torch.save(dict(state), temporary)
        temporary.replace(path)


def save_weights(weights: Mapping[str, Tensor], path: Path, facts: Mapping[str, Any] | None = None) -> None:
    """A network's tensors as safetensors in half precision, integers as they are.

    Args:
        weights: by name.
        path: the file.
        facts: plain data about the training, kept in the file's metadata under ``training``.
    """
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}.tmp")
    stored = {name: (v.half() if v.is_floating_point() else v).contiguous() for name, v in weights.items()}
    told = None if facts is None else {"training": json.dumps(publishable.cleaned(facts))}
    with disk.naming(path, temporary):
        save_file(stored, temporary, metadata=told)
        temporary.chmod(0o644)  # safetensors keeps its files to their owner
        temporary.replace(path)
