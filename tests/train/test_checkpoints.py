"""A run's state: read without running code, never lost, and only continued by the run that it belongs to."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.apps import carry
from flowmusic.apps.cli import main
from flowmusic.train import checkpoints
from flowmusic.train.checkpoint_io import PlainCheckpoints
from flowmusic.train.checkpoints import DamagedCheckpoint, UnsafeCheckpoint
from flowmusic.train.run import LOCK, compose, train
from tests import clean
from tests.train.tiny_runs import TINY_FLOW


class Runs:
    """Code that a pickle runs when it is loaded: it makes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


def flow(store: Path, out: Path, *overrides: str) -> list[str]:
    return [*TINY_FLOW, f"latents={store}", f"out={out}", "export=null", *overrides]


@pytest.fixture(scope="module")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps, with the checkpoints of steps 2 and 4."""
    folder = tmp_path_factory.mktemp("run") / "run"
    train(compose(flow(store, folder, "trainer.max_steps=4")))
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def steps(folder: Path) -> int:
    return int(json.loads((folder / "metrics.json").read_text())["steps"])


def test_a_checkpoint_that_would_run_code_is_refused(
    store: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last, proof = run / "checkpoints" / "last.ckpt", tmp_path / "proof"
    content = {"state_dict": {}, "callbacks": Runs(proof)}
    torch.save(content, last)
    assert main(["train", *flow(store, run, "trainer.max_steps=6")]) == 2
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert "last.ckpt holds more than tensors" in line and len(line) <= 500
    # Pickles without torch's archive around them are no checkpoints at all.
    torch.save(content, last, _use_new_zipfile_serialization=False)
    assert checkpoints.latest(last.parent)[0] == last.with_name("previous.ckpt")
    last.write_bytes(pickle.dumps(content))
    assert checkpoints.latest(last.parent)[0] == last.with_name("previous.ckpt")
    assert not proof.exists()


def test_parts_that_would_run_code_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof = tmp_path / "proof"
    folder = tmp_path / "evil" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"weights": Runs(proof)}, folder / f"last.ckpt{carry.COMPACT}")
    assert carry.main(["pack", str(tmp_path / "evil"), str(tmp_path / "parts")]) == 0
    assert carry.main(["unpack", str(tmp_path / "parts"), str(tmp_path / "back")]) == 2
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert "could run code" in line and not proof.exists() and not (tmp_path / "back").exists()


def test_a_cut_checkpoint_leaves_the_one_before(store: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = run / "checkpoints" / "last.ckpt"
    whole = last.read_bytes()
    for kept in (0, 1, 1000, len(whole) // 2, len(whole) - 1):
        last.write_bytes(whole[:kept])
        path, told = checkpoints.latest(last.parent)
        assert path == last.with_name("previous.ckpt") and "goes on from previous.ckpt" in str(told)
    result = train(compose(flow(store, run, "trainer.max_steps=6")))
    assert result.objects["trainer"].global_step == 6
    assert "goes on from previous.ckpt" in capsys.readouterr().err
    assert checkpoints.latest(last.parent) == (last, None)


def test_without_a_whole_checkpoint_it_is_said(store: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert main(["train", *flow(store, run)]) == 1
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert "last.ckpt is cut off or damaged" in line and "resume=false" in line


def test_a_save_that_fails_leaves_what_is_there(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk, whatever TMPDIR says."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder = run / "checkpoints"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    save = torch.save

    def half(content: Any, path: Path) -> None:
        save(content, path)
        os.truncate(path, 50)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match=r"last\.ckpt"):
        PlainCheckpoints().save_checkpoint({"state_dict": {}}, folder / "last.ckpt")

    # A disk that says nothing: what was written is read back.
    def silently(content: Any, path: Path) -> None:
        save(content, path)
        os.truncate(path, 50)

    monkeypatch.setattr(torch, "save", silently)
    with pytest.raises(DamagedCheckpoint):
        PlainCheckpoints().save_checkpoint({"state_dict": {}}, folder / "last.ckpt")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_is_no_plain_data_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(UnsafeCheckpoint, match="plain data"):
        PlainCheckpoints().save_checkpoint({"callbacks": Runs(tmp_path / "proof")}, tmp_path / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


def _save_until_killed(folder: Path, ready: Any) -> None:
    content = {"state_dict": {"weight": torch.zeros(300_000)}}
    for number in range(10**9):
        PlainCheckpoints().save_checkpoint({**content, "global_step": number}, folder / "last.ckpt")
        if number == 3:
            ready.set()


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    for trial in range(2):
        ready = clean.context().Event()
        process = clean.context().Process(target=_save_until_killed, args=(tmp_path, ready))
        process.start()
        assert ready.wait(120)
        threading.Event().wait(0.007 * trial)
        process.kill()
        process.join()
        path, _ = checkpoints.latest(tmp_path)
        assert path is not None and checkpoints.read(path)["global_step"] >= 3


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seed=1", "seed was 0, is 1"),
        ("model.field.width=64", "model.field.width was 32, is 64"),
        ("data.crop_seconds=1.2", "data.crop_seconds was 1.6, is 1.2"),
        ("latents={other}", "data.folder was sha256:"),
    ],
)
def test_another_run_is_refused_and_nothing_changes(
    store: Path, run: Path, tmp_path: Path, override: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(store, tmp_path / "other"))
    for index in other.glob("train*.json"):
        index.write_text(index.read_text() + "\n")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["train", *flow(store, run, "trainer.max_steps=6", override.format(other=other))]) == 2
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert says in line and "out=FOLDER" in line and len(line) <= 500
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_how_it_learns_and_where_its_data_lie_may_change(store: Path, run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(store, tmp_path / "moved"))
    (run / "identity.json").unlink()  # as of a run from before these were noted, whose data are where they were
    how = ("trainer.max_steps=5", "model.optimizer.lr=0.0005", "model.total_steps=9", "data.batch=3")
    train(compose(flow(store, run, *how)))
    train(compose(flow(moved, run, *how, "trainer.max_steps=6")))
    assert steps(run) == 6
    assert "lr: 0.0005" in (run / "config.yaml").read_text()


def test_a_second_training_in_one_folder_is_refused(store: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from flowmusic.locks import locked

    config = (run / "config.yaml").read_text()
    with locked(run / LOCK, "never"):
        assert main(["train", *flow(store, run, "trainer.max_steps=6")]) == 2
    assert "another training is running in" in capsys.readouterr().err.splitlines()[-1]
    assert (run / "config.yaml").read_text() == config and steps(run) == 4


def test_carried_runs_leave_the_checkpoint_before_behind(run: Path, tmp_path: Path) -> None:
    assert carry.main(["pack", str(run), str(tmp_path / "parts"), "--compact"]) == 0
    assert carry.main(["unpack", str(tmp_path / "parts"), str(tmp_path / "back")]) == 0
    assert sorted(path.name for path in (tmp_path / "back" / "checkpoints").iterdir()) == ["last.ckpt"]
