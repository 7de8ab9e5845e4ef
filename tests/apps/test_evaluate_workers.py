"""`flowmusic evaluate ... workers=2` on the shipped model: the report of one process, made by two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowmusic.apps import cli


def run(corpus: Path, out: str, *more: str) -> int:
    settings = ["controls=[chords]", "alone=false", "text_audio=null", "batch=2", "page_clips=0", "threads=1"]
    return cli.main(["evaluate", "model=nano", f"corpus={corpus}", f"out={out}", "seconds=2", *settings, *more])


def test_two_processes_make_what_one_makes(corpus: Path, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    curve = ["steps=2", "steps_curve=[1,2]", "sweep_clips=2"]
    assert run(corpus, "two", *curve, "workers=2") == 0
    assert "evaluating in 2 processes" in capfd.readouterr().err
    made = {path.relative_to("two"): path.stat().st_mtime_ns for path in Path("two").rglob("*.flac")}
    scored = {path.relative_to("two") for path in Path("two/heard").rglob("*.json")}
    assert run(corpus, "one", *curve) == 0
    assert "processes" not in capfd.readouterr().err
    assert {path.relative_to("one") for path in Path("one").rglob("*.flac")} == set(made)
    assert {path.relative_to("one") for path in Path("one/heard").rglob("*.json")} == scored

    def told(folder: str) -> Any:
        report = json.loads(Path(folder, "report.json").read_text())
        return report["systems"], report["clips"]

    assert told("one") == told("two")

    # Once more nothing is made: the processes find what is there.
    assert run(corpus, "two", *curve, "workers=2") == 0
    assert {path.relative_to("two"): path.stat().st_mtime_ns for path in Path("two").rglob("*.flac")} == made


def test_too_many_are_refused(corpus: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(corpus, "out", "workers=4000") == 2
    assert "workers: 4000 processes are too many for a machine with" in capsys.readouterr().err
    assert run(corpus, "out", "workers=0") == 2
    assert "workers" in capsys.readouterr().err
    assert not Path("out").exists()
