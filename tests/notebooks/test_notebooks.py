"""The notebooks run from top to bottom, offline and without a browser, and are stored as they should be."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT_S = 600
"""For one cell: a hang is to fail, a busy machine is not."""


def named(paths: list[Path]) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in paths]


def code_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", named(PATHS))
def test_notebook_runs_and_writes_only_into_the_temporary_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    notebook = nbformat.read(path, as_version=4)
    # "python3" is the interpreter that runs the tests.
    client = NotebookClient(
        notebook, timeout=TIMEOUT_S, kernel_name="python3", resources={"metadata": {"path": str(here)}}
    )
    client.execute()
    assert list(here.iterdir()) == []
    kinds = {kind for cell in notebook.cells for output in cell.get("outputs", []) for kind in output.get("data", {})}
    assert "text/html" in kinds, "there is nothing to hear"
    assert "application/vnd.jupyter.widget-view+json" in kinds, "there is no slider"


@pytest.mark.parametrize("path", named(PATHS))
def test_notebook_is_stored_stripped_and_ends_with_what_it_taught(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in content["cells"])
    assert content["metadata"]["kernelspec"]["name"] == "python3"
    first, last = content["cells"][0], content["cells"][-1]
    assert first["cell_type"] == "markdown" and "You will" in "".join(first["source"])
    assert last["cell_type"] == "code"
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse("".join(last["source"]))))


def test_notebooks_begin_with_the_same_cell() -> None:
    assert len(PATHS) >= 4
    assert len({code_cells(path)[0] for path in PATHS}) == 1


def without_flowmusic(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """As in a fresh environment; returns the commands that would have been run."""
    commands: list[list[str]] = []

    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(subprocess, "check_call", commands.append)
    return commands


def test_first_cell_installs_the_checkout_where_flowmusic_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = without_flowmusic(monkeypatch)
    monkeypatch.chdir(ROOT / "notebooks")
    exec(code_cells(PATHS[0])[0], {})
    assert commands == [[sys.executable, "-m", "pip", "install", "--quiet", f"{ROOT}[notebooks]"]]


def test_first_cell_outside_a_checkout_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = without_flowmusic(monkeypatch)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="inside a checkout"):
        exec(code_cells(PATHS[0])[0], {})
    assert commands == []
