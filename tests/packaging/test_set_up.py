"""Set-up picks a Python that works, or says for each one that it found why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def find(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run(
        [bash, str(ROOT / ".ci/find-python")], env={"PATH": str(folder), **environment}, capture_output=True, text=True
    )


def test_a_shim_that_does_not_run_is_passed_over(bin_dir: Path) -> None:
    put(bin_dir, "python3.11", "echo 'pyenv: python3.11: command not found' >&2; exit 127")
    works = put(bin_dir, "python3", f'exec {sys.base_exec_prefix}/bin/python3 "$@"')
    done = find(bin_dir)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(works)


def test_every_refusal_is_explained(bin_dir: Path) -> None:
    put(bin_dir, "python3.11", "echo 'python3.11: command not found' >&2; exit 127")
    put(bin_dir, "python3.12", "echo 'has no C headers' >&2; exit 1")
    put(bin_dir, "python", "exit 1")
    done = find(bin_dir)
    assert done.returncode == 1
    assert done.stdout == ""
    for words in ("3.11 or 3.12", "command not found", "has no C headers", "does not run", "make PYTHON="):
        assert words in done.stderr


def test_none_found_names_what_was_looked_for(bin_dir: Path) -> None:
    done = find(bin_dir)
    assert done.returncode == 1
    assert "None of these was found on PATH: python3.11 python3.12" in done.stderr


def test_a_named_python_is_tried_alone(bin_dir: Path) -> None:
    put(bin_dir, "python3", f'exec {sys.base_exec_prefix}/bin/python3 "$@"')
    done = find(bin_dir, PYTHON="python3.9")
    assert done.returncode == 1
    assert "python3.9" in done.stderr


def test_continuous_integration_runs_make_test() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("make test")


def test_what_is_byte_compiled_is_there() -> None:
    """With a recipe that only prints, so nothing is installed."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    words = [make, "--dry-run", "--always-make", "setup"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if "-m compileall" in line]
    packages = [word for word in line.split("-j", 1)[1].split()[1:] if word.isidentifier()]
    assert "torch" in packages
    missing = [name for name in packages if not (Path(sysconfig.get_path("purelib")) / name).is_dir()]
    assert missing == []
