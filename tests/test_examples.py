"""The examples in docstrings are true, and every public module of the core has one."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

CORE = ("types", "audio", "units", "guidance", "annotations", "controls", "flow", "metrics", "generate")
"""Files and folders of flowmusic whose modules each show at least one example."""
FILES = "reads or writes a file, which its tests make"
WITHOUT = {
    "flowmusic.generate.draw": "it needs a model; Generator.generate shows it at work",
    "flowmusic.annotations.checks": "its messages are what the examples of reading files show",
    "flowmusic.annotations.json_file": FILES,
    "flowmusic.annotations.labels_file": FILES,
    "flowmusic.annotations.of_midi": FILES,
    "flowmusic.annotations.midi": FILES,
    "flowmusic.annotations.midi_file": FILES,
    "flowmusic.annotations.midi_labels": FILES,
    "flowmusic.annotations.midi_melody": FILES,
    "flowmusic.controls.request": "gathers tracks that the examples of chords, melody, drums and beats show",
    "flowmusic.metrics.adherence": "an example would need a recogniser; those of the single metrics show the values",
}
"""Modules of the core that show none, and why."""
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("flowmusic", "feature_extractors")


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SHOWN = [dotted(path) for path in SOURCES if ">>> " in path.read_text(encoding="utf-8")]
PUBLIC = [dotted(path) for path in SOURCES if not path.stem.startswith("_")]


def test_every_module_of_the_core_shows_an_example() -> None:
    core = {name for top in CORE for name in PUBLIC if f"{name}.".startswith(f"flowmusic.{top}.")}
    assert {name.split(".")[1] for name in core} == set(CORE)
    assert sorted(core - set(SHOWN) - set(WITHOUT)) == []


@pytest.mark.parametrize("name", SHOWN)
def test_examples_are_true(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    torch.set_printoptions(profile="default")
    with torch.random.fork_rng(devices=[]), np.printoptions(precision=4, suppress=True):
        torch.manual_seed(0)
        result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0
    assert list(tmp_path.iterdir()) == []
