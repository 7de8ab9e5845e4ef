"""A run's state: read without running code, never lost, and only continued by the run that it belongs to."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.apps.cli import main
from flowmusic.locks import NAME, locked
from flowmusic.train import checkpoints, identity
from flowmusic.train.checkpoint_io import PlainCheckpoints
from flowmusic.train.checkpoints import DamagedCheckpoint, UnsafeCheckpoint
from flowmusic.train.run import compose, train
from tests import clean
from tests.train import forked
from tests.train.tiny_runs import TINY_FLOW
from tools import pack_run


class Runs:
    """Code that a pickle runs when it is loaded: it makes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


def flow(store: Path, out: Path, *overrides: str) -> list[str]:
    return [*TINY_FLOW, f"latents={store}", f"out={out}", "export=null", *overrides]


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        forked.text_encoder_loaded_once(patch)
        yield


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
    torch.save({"weights": Runs(proof)}, folder / f"last.ckpt{pack_run.COMPACT}")
    assert pack_run.main(["pack", str(tmp_path / "evil"), str(tmp_path / "parts")]) == 0
    assert pack_run.main(["unpack", str(tmp_path / "parts"), str(tmp_path / "back")]) == 2
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


def test_a_flipped_bit_is_found(run: Path) -> None:
    """torch reads tensors without looking at the checksums that it wrote."""
    last = run / "checkpoints" / "last.ckpt"
    state = checkpoints.read(last)["state_dict"]
    value = max(state.values(), key=lambda tensor: tensor.numel()).numpy().tobytes()
    data = bytearray(last.read_bytes())
    data[data.index(value) + 9] ^= 64
    last.write_bytes(data)
    assert checkpoints.latest(last.parent)[0] == last.with_name("previous.ckpt")


def test_places_in_a_checkpoint_are_not_obeyed(store: Path, run: Path, tmp_path: Path) -> None:
    """Lightning removes what a checkpoint calls the best before, with everything in it, and any path leads there."""
    last, victim = run / "checkpoints" / "last.ckpt", tmp_path / "victim"
    victim.mkdir()
    content = checkpoints.read(last)
    assert str(tmp_path) not in str(content["callbacks"])
    result = train(compose(flow(store, run, "trainer.max_steps=4")))
    key = next(
        each for each in result.objects["trainer"].callbacks if each.state_key.startswith("Checkpoint")
    ).state_key
    place = f"{run}/checkpoints/../../victim"
    names = ("best_model_path", "kth_best_model_path", "last_model_path")
    state = {
        "dirpath": f"{run}/checkpoints",
        "best_model_score": None,
        "kth_value": None,
        "best_k_models": {place: 0.0},
    }
    content["callbacks"][key] = {**state, **dict.fromkeys(names, place)}
    torch.save(content, last)
    assert train(compose(flow(store, run, "trainer.max_steps=6"))).objects["trainer"].global_step == 6
    assert victim.is_dir()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"state_dict": {}}, "Missing key(s) in state_dict"),
        ({"state_dict": 3}, "does not fit this run"),
        ({"loops": {}}, "KeyError: 'fit_loop'"),
        ({"optimizer_states": [{}]}, "does not fit this run"),
        ({"callbacks": {"ComputeBudget": {"cpu_s": 1.0}}}, "KeyError: 'wall_s'"),
    ],
)
def test_a_checkpoint_of_something_else_is_named(
    store: Path, run: Path, change: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    last = run / "checkpoints" / "last.ckpt"
    torch.save({**checkpoints.read(last), **change}, last)
    line = refused(flow(store, run, "trainer.max_steps=6"), capsys)
    assert f"{last} does not fit" in line and says in line and "resume=false" in line


def test_a_distributed_checkpoint_is_not_read(store: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last, proof = run / "checkpoints" / "last.ckpt", run / "proof"
    last.unlink()
    last.mkdir()
    for name in (".metadata", "meta.pt"):
        (last / name).write_bytes(pickle.dumps(Runs(proof)))
    assert "last.ckpt is a folder" in refused(flow(store, run, "trainer.max_steps=6"), capsys)
    assert not proof.exists()


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


def test_a_disk_that_takes_no_more(run: Path) -> None:
    """As torch's own writer meets it: a limit on the size of files stands for the disk."""
    folder = run / "checkpoints"
    before = content(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"last\.ckpt"):
            PlainCheckpoints().save_checkpoint({"state_dict": {"weight": torch.zeros(10**6)}}, folder / "last.ckpt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(folder) == before


def test_what_is_no_plain_data_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(UnsafeCheckpoint, match="plain data"):
        PlainCheckpoints().save_checkpoint({"callbacks": Runs(tmp_path / "proof")}, tmp_path / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


def _save_until_killed(folder: Path, ready: Any) -> None:
    content = {**dict.fromkeys(checkpoints.KEYS, 0), "state_dict": {"weight": torch.zeros(300_000)}}
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


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command ends with."""
    capsys.readouterr()
    assert main(["train", *arguments]) == 2
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("flowmusic train: error: ") and len(line) <= 500
    return line


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seed=1", "(seed was 0, is 1);"),
        ("model.field.width=64", "width was 32, is 64"),
        ("model.optimizer.lr=0.5", "model.optimizer.lr was 0.0007, is 0.5"),
        ("data.crop_seconds=1.2", "data.crop_seconds was 1.6, is 1.2"),
        ("callbacks.average=null", "callbacks.average._target_ was flowmusic.train.callbacks.AveragedW"),
        ("trainer.gradient_clip_val=9", "trainer.gradient_clip_val was 1.0, is 9"),
        ("latents={other}", "data.folder was sha256:"),
        ("resume=yes_please", "resume must be true, false or anyway"),
        ("experiment=nano_codec", "more); "),
    ],
)
def test_another_run_is_refused_and_nothing_changes(
    store: Path, run: Path, tmp_path: Path, override: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(store, tmp_path / "other"))
    for index in other.glob("train*.json"):
        index.write_text(index.read_text() + "\n")
    before = content(run)
    command = flow(store, run, "trainer.max_steps=6", override.format(other=other))
    if override.startswith("experiment"):
        command = [override, f"out={run}", "logger=none"]
    line = refused(command, capsys)
    assert says in line and ("out=FOLDER" in line or "resume must" in line)
    assert content(run) == before


def test_how_long_how_fast_and_where_its_data_lie_may_change(store: Path, run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(store, tmp_path / "moved"))
    (run / identity.FILE).unlink()  # as of a run from before these were noted, whose data are where they were
    how = ("trainer.max_steps=5", "model.total_steps=9", "data.batch=3", "callbacks.checkpoint.every_n_train_steps=1")
    train(compose(flow(store, run, *how)))
    here = run.rename(tmp_path / "elsewhere")
    train(compose(flow(moved, here, *how, "trainer.max_steps=6")))
    assert steps(here) == 6
    assert "total_steps: 9" in (here / "config.yaml").read_text()


def test_other_settings_can_be_insisted_on(store: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = flow(store, run, "trainer.max_steps=5", "data.crop_seconds=1.2")
    train(compose([*other, "resume=anyway"]))
    assert "goes on with other settings: data.crop_seconds was 1.6, is 1.2" in capsys.readouterr().err
    train(compose([*other, "trainer.max_steps=6"]))  # it is these settings' run now
    assert steps(run) == 6


def test_a_folder_is_nobodys_until_something_came_of_it(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who mistyped a folder, or ran out of memory in the first step, must be able to mend that."""
    run = tmp_path / "run"
    assert "flowmusic build" in refused(flow(tmp_path / "gone", run), capsys)
    train(compose(flow(store, run, "trainer.max_steps=2")))
    assert steps(run) == 2


def test_replacing_a_run_begins_when_the_new_one_can(
    store: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(run)
    other = flow(store, run, "seed=1", "resume=false", "trainer.max_steps=1")
    assert "frames_dim" in refused([*other, "model.field.frames_dim=1"], capsys)
    assert content(run) == before
    # Stopped before its first checkpoint, the new one is not continued from the old one's.
    train(compose(other))
    assert not list((run / "checkpoints").iterdir()) and steps(run) == 1
    assert train(compose([*other, "resume=true"])).objects["trainer"].global_step == 1


def test_who_a_run_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("latents", "mixed", "corpus"):
        (tmp_path / name).mkdir()
    (tmp_path / "captions").touch()  # a file whose name is a word

    def of(out: str = "runs/a", **data: Any) -> dict[str, Any]:
        return identity.of({"out": out, "seed": 0, "name": "x", "data": data})

    assert of(mels="runs/a/mels") == of(str(tmp_path / "runs" / "b"), mels=f"{tmp_path}/runs/b/mels")
    assert of(text="captions") == {"seed": 0, "data.text": "captions"} and of(text="mixed")["data.text"] == "mixed"
    assert of(batch=1) == of(batch=2) != of(pairs=2)
    secret = of(location="https://user:secret@host/shards")
    assert "secret" not in str(secret) and secret != of(location="https://host/shards")

    def planned(name: str, **shards: Any) -> None:
        plan = {"version": 1, "settings": {"codec": "x"}, "shards": shards}
        (tmp_path / name / "plan.json").write_text(json.dumps(plan))

    planned("latents", train=[[3, "abc"]])
    first = of(folder="latents", more=["corpus"])
    (tmp_path / "latents" / "train.index.json").write_text("made again on another processor")
    planned("latents", train=[[3, "abc"]], test=[[1, "def"]])
    assert of(folder="latents", more=["corpus"]) == first == of(folder=str(tmp_path / "latents"), more=["corpus"])
    planned("latents", train=[[4, "abd"]])
    assert of(folder="latents", more=["corpus"]) != first
    (tmp_path / "corpus" / "manifest.jsonl").write_text("{}")
    assert of(folder="corpus")["data.folder"].startswith("sha256:")


def test_a_second_training_in_one_folder_is_refused(store: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = (run / "config.yaml").read_text()
    with locked(run / NAME, "never"):
        assert main(["train", *flow(store, run, "trainer.max_steps=6")]) == 2
    assert "another training is running in" in capsys.readouterr().err.splitlines()[-1]
    assert (run / "config.yaml").read_text() == config and steps(run) == 4


def test_carried_runs_leave_the_checkpoint_before_behind(run: Path, tmp_path: Path) -> None:
    assert pack_run.main(["pack", str(run), str(tmp_path / "parts"), "--compact"]) == 0
    assert pack_run.main(["unpack", str(tmp_path / "parts"), str(tmp_path / "back")]) == 0
    assert sorted(path.name for path in (tmp_path / "back" / "checkpoints").iterdir()) == ["last.ckpt"]
