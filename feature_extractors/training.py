"""What the trainers of our networks leave: a state to go on from, and weights; each written whole or not at all.

A state says whose it is: seed, settings and data of its run.  Another run does not go on from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowmusic import publishable
from flowmusic.atomic import replacing
from flowmusic.locks import locked

RUN = "run"
"""Whose a state is: plain values by name."""


def alone(state: Path) -> AbstractContextManager[None]:
    """One training at a time with one state.  Raises: InUse, a ValueError."""
    busy = f"another training goes on in {state}; wait for it, or give another --out"
    return locked(state.with_name(f".{state.name}.lock"), busy)


def save_state(state: Mapping[str, Any], path: Path, run: Mapping[str, Any]) -> None:
    """Everything that the next step depends on, as :func:`restoring` reads it: tensors and plain data."""
    with replacing(path, durable=True) as temporary:
        torch.save({**state, RUN: dict(run)}, temporary)


@contextmanager
def restoring(path: Path, run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The state of a run, for the body to take up.  A file that asks to run code is not read.

    Raises: ValueError, also for what the body raises, if the file is damaged, another run's or no such state.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        before = dict(state[RUN])
    except Exception as error:  # of torch, pickle or zipfile: whatever is wrong with the file, the remedy is the same
        raise _unusable(path, error) from None
    other = [f"{key} was {before.get(key)}, is {value}" for key, value in run.items() if before.get(key) != value]
    if other:
        raise ValueError(
            f"{path} belongs to another run ({'; '.join(other)[:200]}); repeat its command, give another --out, or "
            "delete it to begin anew"
        )
    try:
        yield state
    except Exception as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"cannot go on from {path} ({type(error).__name__}): it is damaged, of an older version, or no state of such a "
        "training; delete it to begin anew"
    )


def digest(parts: Iterable[bytes]) -> str:
    """What tells the data of a run from others."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()[:16]


def save_weights(weights: Mapping[str, Tensor], path: Path, facts: Mapping[str, Any] | None = None) -> None:
    """A network's tensors as safetensors in half precision, integers as they are.

    Args:
        weights: by name.
        path: the file.
        facts: plain data about the training, kept in the file's metadata under ``training``.
    """
    from safetensors.torch import save_file

    stored = {name: (v.half() if v.is_floating_point() else v).contiguous() for name, v in weights.items()}
    told = None if facts is None else {"training": json.dumps(publishable.cleaned(facts))}
    with replacing(path) as temporary:
        save_file(stored, temporary, metadata=told)
