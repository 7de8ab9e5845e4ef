"""Sweeps: a folder for every point, which goes on when the sweep is called again and is not taken for another's."""

from __future__ import annotations

import importlib.metadata
import json
import math
from pathlib import Path

import pytest
import yaml

from flowmusic.train.by_time import LossByTime
from flowmusic.train.run import compose, main, train
from flowmusic.train.sweep import MAX_NAME, missing_plugin, name_of, varying
from tests.train.tiny_runs import TINY_FLOW

SWEEP_PLUGINS = {"hydra-optuna-sweeper", "hydra-submitit-launcher"} <= {
    distribution.name.lower().replace("_", "-") for distribution in importlib.metadata.distributions()
}


def sweep(store: Path, out: Path, *overrides: str) -> int:
    return main(["-m", *TINY_FLOW, f"latents={store}", f"out={out}", "export=null", *overrides])


def test_sweep_runs_every_point_in_its_own_folder(store: Path, tmp_path: Path) -> None:
    assert sweep(store, tmp_path, "trainer.max_steps=1", "control.drums.blur_s=0.04,0.08", "seed=5") == 0
    found = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("*/metrics.json")}
    assert set(found) == {"control.drums.blur_s=0.04", "control.drums.blur_s=0.08"}
    for name, run in found.items():
        blur_s = float(name.partition("=")[2])
        config = yaml.safe_load((tmp_path / name / "config.yaml").read_text())
        assert config["model"]["encoder"]["tracks"]["drums"]["blur_s"] == blur_s
        assert config["model"]["seed"] == config["data"]["seed"] == run["seed"] == 5
        assert {name, "seed=5"} <= set(config["overrides"])
        assert run["steps"] == 1 and run["commit"] and run["wall_s"] > 0


def test_sweep_called_again_goes_on_and_refuses_other_settings(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def steps() -> dict[str, int]:
        return {path.parent.name: json.loads(path.read_text())["steps"] for path in tmp_path.glob("*/metrics.json")}

    assert sweep(store, tmp_path, "trainer.max_steps=2", "seed=1,2") == 0
    assert sweep(store, tmp_path, "trainer.max_steps=3", "seed=2,3") == 0
    assert steps() == {"seed=1": 2, "seed=2": 3, "seed=3": 3}
    other = ["seed=3,2", "model.optimizer.lr=0.5", "trainer.max_steps=1"]
    assert sweep(store, tmp_path, *other) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "model.optimizer.lr was 0.0007, is 0.5" in message and "resume=false" in message
    assert sweep(store, tmp_path, *other, "resume=false") == 0
    assert steps() == {"seed=1": 2, "seed=2": 1, "seed=3": 1}


def test_wall_time_counts_every_sitting(store: Path, tmp_path: Path) -> None:
    overrides = [*TINY_FLOW, f"latents={store}", f"out={tmp_path}", "export=null"]
    train(compose([*overrides, "trainer.max_steps=2"]))
    first = json.loads((tmp_path / "metrics.json").read_text())["wall_s"]
    result = train(compose([*overrides, "trainer.max_steps=4"]))
    before = result.objects["trainer"].callbacks[0].before_wall_s
    second = json.loads((tmp_path / "metrics.json").read_text())["wall_s"]
    assert 0 < before <= first and second > before


def test_overrides_are_recorded_with_their_interpolations_as_text(store: Path, tmp_path: Path) -> None:
    overrides = [*TINY_FLOW, f"latents={store}", f"out={tmp_path}", "export=null", "trainer.max_steps=1"]
    train(compose([*overrides, "objective=${name}/loss"]))
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["objective"] == "nano/loss" and "objective=${name}/loss" in config["overrides"]


def test_varying_compares_keys_and_not_spelling() -> None:
    given = ["-m", "threads=01", "~callbacks.samples", "+extra=null", "seed=1,2", "hydra.sweep.dir=x"]
    task = ["threads=1", "~callbacks.samples", "+extra=null", "seed=2", "model.optimizer.lr=0.003"]
    assert varying(task, given) == ["seed=2", "model.optimizer.lr=0.003"]


def test_names_of_points_are_folders_of_one_level_and_not_too_long() -> None:
    assert name_of(["b=x/y", "+a=1"]) == "a=1,b=x-y"
    long = [name_of([f"key{number}={'v' * 30}" for number in range(10)] + [f"seed={seed}"]) for seed in (1, 2)]
    assert all(len(name) <= MAX_NAME + 9 for name in long) and long[0] != long[1]


def test_loss_by_time_asks_every_run_the_same_question(store: Path, tmp_path: Path) -> None:
    """Its mean does not depend on sampler and weighting, on which validation/loss does."""
    metrics = []
    for name, overrides in {
        "plain": [],
        "other": [
            "model.times._target_=flowmusic.flow.times.cosine",
            "model.weight._target_=flowmusic.flow.times.weight_increasing",
        ],
    }.items():
        run = [*TINY_FLOW, f"latents={store}", f"out={tmp_path / name}", "export=null", "callbacks=by_time"]
        # One step so small that the weights stay as they were made.
        run += ["trainer.max_steps=1", "trainer.val_check_interval=1", "model.optimizer.lr=1e-9", "seed=3"]
        metrics.append(train(compose([*run, *overrides])).metrics)
    plain, other = metrics
    assert other["by_time/mean"] == pytest.approx(plain["by_time/mean"], rel=1e-4)
    assert other["validation/loss"] > 1.2 * plain["validation/loss"]
    times = [value for key, value in plain.items() if key.startswith("by_time/0.")]
    assert len(times) == 10 and plain["by_time/mean"] == pytest.approx(sum(times) / 10, rel=1e-4)
    assert all(math.isfinite(value) for value in times)


def test_times_outside_the_path_are_refused() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\), got \[0.5, 1.0\]"):
        LossByTime([0.5, 1.0])


@pytest.mark.parametrize(("plugin", "package"), [("optuna", "hydra-optuna-sweeper"), ("submitit", "hydra-submitit")])
@pytest.mark.skipif(SWEEP_PLUGINS, reason="the extra 'sweeps' is installed")
def test_sweep_without_its_plugin_says_what_to_install(
    plugin: str, package: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(store, tmp_path, f"sweep={plugin}", "seed=1,2") == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert package in message and "pip install 'flowmusic[sweeps]'" in message


def test_other_messages_of_hydra_are_left_alone() -> None:
    assert missing_plugin("Could not find 'experiment/nanoo'") is None


@pytest.mark.skipif(not SWEEP_PLUGINS, reason="needs the extra 'sweeps'")
def test_optuna_searches_and_keeps_every_trial(store: Path, tmp_path: Path) -> None:
    lr = "model.optimizer.lr=tag(log, interval(1e-4, 1e-2))"
    trials = ["sweep=optuna", "hydra.sweeper.n_trials=3", "trainer.max_steps=1", "trainer.val_check_interval=1"]
    assert sweep(store, tmp_path, *trials, lr, f"hydra.sweeper.storage=sqlite:///{tmp_path}/study.db") == 0
    found = [json.loads(path.read_text()) for path in tmp_path.glob("model.optimizer.lr=*/metrics.json")]
    best = yaml.safe_load((tmp_path / "optimization_results.yaml").read_text())
    assert len(found) == 3
    assert best["best_value"] == pytest.approx(min(run["metrics"]["validation/loss"] for run in found))


@pytest.mark.skipif(not SWEEP_PLUGINS, reason="needs the extra 'sweeps'")
def test_submitit_runs_points_as_jobs(store: Path, tmp_path: Path) -> None:
    jobs = ["sweep=submitit", "hydra/launcher=submitit_local", "hydra.launcher.gpus_per_node=0", "trainer.max_steps=1"]
    assert sweep(store, tmp_path, *jobs, "hydra.launcher.mem_gb=4", "seed=1,2") == 0
    assert {path.parent.name for path in tmp_path.glob("*/metrics.json")} == {"seed=1", "seed=2"}
