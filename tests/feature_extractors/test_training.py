"""The state of a training: its run's alone, read without running code, and refused by name where it cannot be used."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from feature_extractors import training
from flowmusic.locks import InUse

RUN = {"seed": 0, "data": "abc"}


class Runs:
    """Code that a pickle runs when it is loaded: it makes a folder."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


def read(path: Path) -> dict[str, Any]:
    with training.restoring(path, RUN) as state:
        return state


def write_raw(path: Path, content: Any) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("save", [torch.save, write_raw])
def test_nothing_runs(tmp_path: Path, save: Callable[..., None]) -> None:
    path, proof = tmp_path / "state", tmp_path / "proof"
    content = {training.RUN: RUN, "net": Runs(proof)}
    save(content, path) if save is torch.save else save(path, content)
    with pytest.raises(ValueError, match=r"cannot go on from .*state \(UnpicklingError\).*delete it"):
        read(path)
    assert not proof.exists()


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state"
    training.save_state({"net": torch.ones(3)}, path, RUN)
    assert torch.equal(read(path)["net"], torch.ones(3))
    whole = path.read_bytes()
    for content in (b"", whole[:40], whole[: len(whole) // 2], b"words"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot go on from .*delete it to begin anew"):
            read(path)
    torch.save({"net": torch.ones(3), training.RUN: [4, 0]}, path)  # as an older version had it
    with pytest.raises(ValueError, match="older version"):
        read(path)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="KeyError"), training.restoring(path, RUN) as state:
        state["averaged"]
    with pytest.raises(ValueError, match=r"another run \(seed was 0, is 1\)"), training.restoring(path, {"seed": 1}):
        pass


def test_a_save_that_fails_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    training.save_state({"step": 1}, path, RUN)

    def full(content: Any, file: Path) -> None:
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"No space left on device: .*state"):
        training.save_state({"step": 2}, path, RUN)
    assert read(path)["step"] == 1 and list(tmp_path.iterdir()) == [path]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    state = tmp_path / "net.safetensors.ckpt"
    with training.alone(state):
        with pytest.raises(InUse, match=r"goes on in .*net\.safetensors\.ckpt; wait"), training.alone(state):
            pass
        with training.alone(tmp_path / "other.ckpt"):
            pass
    assert list(tmp_path.iterdir()) == []
