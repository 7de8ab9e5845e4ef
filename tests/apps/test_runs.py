"""``flowmusic runs``: what differs between runs, in which order, and what it says when there is nothing to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowmusic.apps.cli import main
from flowmusic.apps.runs import Run, differing, read_runs, table


def write_run(folder: Path, seed: int, overrides: list[str], result: dict[str, Any] | None) -> None:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": seed, "overrides": overrides}))
    (folder / "bundle").mkdir()
    (folder / "bundle" / "config.yaml").write_text("kind: flow\n")  # not a run
    if result is not None:
        (folder / "metrics.json").write_text(json.dumps(result))


def result(loss: float, wall_s: float = 75.0, **metrics: float) -> dict[str, Any]:
    return {
        "steps": 10,
        "seed": 1,
        "commit": "abc1234",
        "wall_s": wall_s,
        "metrics": {"validation/loss": loss, **metrics},
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shared = ["experiment=nano", "threads=1"]
    uniform = "model.times._target_=flowmusic.flow.times.uniform"
    cosine = "model.times._target_=flowmusic.flow.times.cosine"
    write_run(tmp_path / "a", 1, [*shared, uniform, "seed=1"], result(0.9, 75.0, extra=1.0))
    write_run(tmp_path / "deep" / "b", 2, [*shared, cosine, "seed=2"], result(0.5, 7325.0, extra=2.0))
    write_run(tmp_path / "c", 3, [*shared, cosine, "seed=3"], None)
    return tmp_path


def test_table_has_what_differs_smallest_figure_first(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(runs)]) == 0
    head, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head == ["run", "model.times", "steps", "seed", "commit", "validation/loss", "wall", "time"]
    assert rows == [
        ["deep/b", "cosine", "10", "2", "abc1234", "0.5000", "2", "h", "02", "min"],
        ["a", "uniform", "10", "1", "abc1234", "0.9000", "1", "min", "15", "s"],
        ["c", "cosine", "-", "3", "-", "-", "-"],  # not finished
    ]


@pytest.mark.parametrize(
    ("key", "order", "figure"),
    [
        ("extra", ["a", "deep/b", "c"], "extra"),
        ("wall_s", ["a", "deep/b", "c"], "validation/loss"),
        ("seed", ["a", "deep/b", "c"], "validation/loss"),
        ("run", ["a", "c", "deep/b"], "validation/loss"),
    ],
)
def test_table_can_be_sorted_by_anything(runs: Path, key: str, order: list[str], figure: str) -> None:
    head, *rows = table(read_runs(runs), key)
    assert [row.split()[0] for row in rows] == order
    assert figure in head.split()


def test_only_overrides_that_differ_are_shown_and_one_may_lack_them() -> None:
    one = Run("one", {"experiment": "nano", "out": "x", "threads": "1"}, 0)
    two = Run("two", {"experiment": "nano", "out": "y"}, 0)
    assert differing([one, two]) == ["threads"]
    assert [row.split()[1] for row in table([one, two])] == ["threads", "1", "-"]
    assert differing([one]) == []


def test_runs_of_before_overrides_were_recorded_are_shown(tmp_path: Path) -> None:
    write_run(tmp_path / "old", 4, [], result(0.4))
    (tmp_path / "old" / "config.yaml").write_text("seed: 4\n")
    (found,) = read_runs(tmp_path)
    assert found.overrides == {} and found.seed == 4 and found.value("validation/loss") == 0.4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "folder not found: nowhere"),
        (["."], "no training runs under ."),
    ],
)
def test_nothing_to_show_is_one_line_and_exit_2(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["runs", *arguments]) == 2
    captured = capsys.readouterr()
    assert says in captured.err and captured.out == "" and len(captured.err.splitlines()) == 1


def test_unknown_key_lists_the_figures(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(runs), "--by", "loss"]) == 2
    assert "run, seed, steps, wall_s, extra, validation/loss" in capsys.readouterr().err


def test_damaged_run_is_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "a" / "metrics.json").write_text("{")
    assert main(["runs", str(runs)]) == 2
    assert f"{runs / 'a'} holds no readable run" in capsys.readouterr().err
