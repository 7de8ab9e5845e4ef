"""Foreign checkpoints are data: nothing in them runs, and what is wrong with them is said."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from flowmusic.interop.fitting import CorruptWeights, ModelError
from flowmusic.interop.pickles import UnsafeFile, read_pickle


class Touch:
    """Unpickling this creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch '{self.target}'",)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "state_dict.bin"
    torch.save({"best_state": {"a": torch.arange(4000.0).half()}, "xp.cfg": "a: 1", "exported": True}, path)
    return path


def test_plain_content_comes_back(checkpoint: Path) -> None:
    content = read_pickle(checkpoint, ["best_state", "xp.cfg"])
    assert content["xp.cfg"] == "a: 1" and content["exported"] is True
    assert torch.equal(content["best_state"]["a"], torch.arange(4000.0).half())


def test_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    marker, path = tmp_path / "executed", tmp_path / "state_dict.bin"
    torch.save({"best_state": {"a": torch.ones(2)}, "xp.cfg": Touch(marker)}, path)
    with pytest.raises(UnsafeFile, match=r"is refused.*could run code.*system") as caught:
        read_pickle(path)
    assert not marker.exists()
    assert "weights_only" not in str(caught.value) and isinstance(caught.value, ModelError)
    # The threat is real: a reader that trusts the file runs it.
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        payload = archive.read(name)
    assert b"system" in payload


def test_a_bare_pickle_is_not_even_opened(tmp_path: Path) -> None:
    marker, path = tmp_path / "executed", tmp_path / "state_dict.bin"
    path.write_bytes(pickle.dumps({"best_state": Touch(marker)}))
    with pytest.raises(ModelError, match="not a PyTorch checkpoint"):
        read_pickle(path)
    assert not marker.exists()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_download_that_was_cut_off_is_damage(checkpoint: Path, kept: float) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(CorruptWeights, match="download it again"):
        read_pickle(checkpoint)


def test_a_flipped_header_is_damage_or_refused(checkpoint: Path) -> None:
    content = bytearray(checkpoint.read_bytes())
    at = content.index(b"data.pkl") + 30
    content[at : at + 60] = b"\xff" * 60
    checkpoint.write_bytes(bytes(content))
    with pytest.raises((CorruptWeights, UnsafeFile)):
        read_pickle(checkpoint)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a checkpoint", "not a PyTorch checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_other_files_are_told_apart(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "state_dict.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_pickle(path)


def test_other_checkpoints_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not found"):
        read_pickle(tmp_path / "nothing.bin")
    path = tmp_path / "other.bin"
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match=r"holds a list.*'best_state'"):
        read_pickle(path, ["best_state"])
    torch.save({"model": 1}, path)
    with pytest.raises(ModelError, match=r"has no 'best_state' and 'xp.cfg'; it begins with: model"):
        read_pickle(path, ["best_state", "xp.cfg"])
