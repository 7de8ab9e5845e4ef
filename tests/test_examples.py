"""The examples in docstrings are true, and every public module of the core has one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import torch

import feature_extractors
import flowmusic

CORE = ("types", "audio", "units", "guidance", "controls", "flow", "metrics", "generate")
"""Files and folders of flowmusic whose modules each show at least one example."""
FILES = "reads or writes a file, which its tests make"
WITHOUT = {
    "flowmusic.controls.checks": FILES,
    "flowmusic.controls.files": FILES,
    "flowmusic.controls.midi": FILES,
    "flowmusic.controls.midi_file": FILES,
    "flowmusic.controls.midi_labels": FILES,
    "flowmusic.controls.midi_melody": FILES,
    "flowmusic.controls.request": "gathers tracks that the examples of chords, melody, drums and beats show",
    "flowmusic.metrics.adherence": "an example would need a recogniser; those of the single metrics show the values",
}
"""Modules of the core that show none, and why."""


def found() -> dict[str, str]:
    """Text of every module but the packages themselves, by its name."""
    modules = {}
    for package in (flowmusic, feature_extractors):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not info.ispkg:
                spec = info.module_finder.find_spec(info.name, None)
                assert spec is not None and spec.origin is not None
                modules[info.name] = Path(spec.origin).read_text(encoding="utf-8")
        modules[package.__name__] = Path(str(package.__file__)).read_text(encoding="utf-8")
    return modules


MODULES = found()
SHOWN = [name for name, text in MODULES.items() if ">>> " in text]


def is_core(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "flowmusic" and parts[1:2] != [] and parts[1] in CORE and not parts[-1].startswith("_")


def test_every_module_of_the_core_shows_an_example() -> None:
    core = {name for name in MODULES if is_core(name)}
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
