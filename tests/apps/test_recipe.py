"""Recipes: stages in order, stops in time, goes on where it was, says what is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from flowmusic.errors import UsageError
from flowmusic.train.command import config_folder
from tools import recipe

WRITE = 'python -c "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"'
SLEEP = 'python -c "import time; time.sleep(60)"'


def written(tmp_path: Path, stages: list[dict[str, object]], **more: object) -> str:
    content = {"reserve_s": 0, "settings": {"word": "yes", "words": ["a", "b c"]}, "stages": stages, **more}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content))
    return str(tmp_path / "r.yaml")


def stage(name: str, place: str = "state", command: str = WRITE, **more: object) -> dict[str, object]:
    done = f"{{{place}}}/{name}"
    return {"name": name, "command": f"{command} {done} {{word}}", "done": done, **more}


def test_stages_run_in_order_and_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state" / "junk").mkdir(parents=True)
    name = written(tmp_path, [stage("one", drop=["{state}/junk"]), stage("two", "work")])
    command = [name, "--minutes", "1", "--state", str(tmp_path / "state"), "--set", "word=no"]
    assert recipe.main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 2 stages done"
    assert (tmp_path / "state" / "one").read_text() == "no" and (tmp_path / "state.work" / "two").is_file()
    assert not (tmp_path / "state" / "junk").exists()
    # On a bare machine, only what is in the work folder is made again.
    (tmp_path / "state.work" / "two").unlink()
    assert recipe.main(command) == 0
    log = json.loads((tmp_path / "state" / recipe.LOG).read_text())
    assert [(entry["stage"], entry["sitting"]) for entry in log] == [("one", 1), ("two", 1), ("two", 2)]


def test_the_state_travels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = written(tmp_path, [stage("one"), stage("two", whole_s=30)])
    first = [name, "--minutes", "0.1", "--state", str(tmp_path / "here"), "--out", str(tmp_path / "parts")]
    assert recipe.main(first) == 2  # six seconds never hold thirty
    assert "stage two needs 30 s in one go; give more --minutes" in capsys.readouterr().err
    name = written(tmp_path, [stage("one"), stage("two", whole_s=5.99)], reserve_s=0)
    assert recipe.main(first) == 0
    assert "1 of 2 stages done; next: two" in capsys.readouterr().out
    name = written(tmp_path, [stage("one", command="false"), stage("two")])
    second = [name, "--minutes", "1", "--state", str(tmp_path / "there"), "--from", str(tmp_path / "parts")]
    assert recipe.main(second) == 0
    assert (tmp_path / "there" / "one").read_text() == "yes" and (tmp_path / "there" / "two").is_file()


def test_a_stage_that_does_not_stop_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipe, "GRACE_S", 0.1)
    name = written(tmp_path, [stage("one", command=SLEEP), stage("two")])
    assert recipe.main([name, "--minutes", "0.05", "--state", str(tmp_path / "s")]) == 0
    said = capsys.readouterr()
    assert "0 of 2 stages done; next: one" in said.out and "did not stop by itself" in said.err
    assert not (tmp_path / "s" / "two").exists()


def test_failures_are_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = written(tmp_path, [stage("one"), stage("two", command="false")])
    command = [name, "--minutes", "1", "--state", str(tmp_path / "s"), "--out", str(tmp_path / "parts")]
    assert recipe.main(command) == 1
    assert "stage two failed with exit code 1" in capsys.readouterr().err
    assert (tmp_path / "parts" / "parts.json").is_file()  # what there is comes along
    name = written(tmp_path, [stage("one", command="true")])
    assert recipe.main([name, "--minutes", "1", "--state", str(tmp_path / "t")]) == 1
    assert "without leaving" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "known: cpu, gpu"),
        (["nowhere.yaml"], "there is no recipe"),
        (["gpu", "--set", "speed=1"], "--set takes key=value with one of hours"),
        (["gpu", "--minutes", "1"], "60 s that the recipe reserves"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--minutes", "9", "--state", str(tmp_path / "s")]
    assert recipe.main([arguments[0], *state, *arguments[1:]]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_a_file_that_is_no_recipe_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("stages: [{name: one}]\nreserve_s: 1\n")
    with pytest.raises(UsageError, match="is no recipe"):
        recipe.read(str(tmp_path / "a.yaml"))
    with pytest.raises(UsageError, match=r"unknown keys \['speed'\]"):
        recipe.read(written(tmp_path, [], speed=1))
    with pytest.raises(UsageError, match=r"asks for \{gone\}"):
        recipe.words("x {gone}", {"here": 1})
    assert recipe.words("python {words} {word}!", {"words": ["a", "b c"], "word": 1}) == [
        sys.executable, "a", "b c", "1!",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_our_recipes_name_what_exists(name: str) -> None:
    found = recipe.read(name)
    places = {**found.settings, "state": "S", "work": "W", "cores": 2, "until": 10, "minutes": 1}
    commands = {stage.name: recipe.words(stage.command, places) for stage in found.stages}
    assert next(iter(commands)) == "corpus" and commands["corpus"][0] == sys.executable
    for words in commands.values():
        experiment = [w.partition("=")[2] for w in words if w.startswith("experiment=")]
        assert all((config_folder() / "experiment" / f"{e}.yaml").is_file() for e in experiment)
        assert words[1] == "-m" and not any("{" in word for word in words)
    if name == "gpu":  # what is under the work folder comes from commands alone
        assert all(s.done.startswith(("{work}", "{state}")) for s in found.stages)
