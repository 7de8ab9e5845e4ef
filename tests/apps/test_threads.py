"""How many threads a command takes: what was asked for, what the environment says, or one for each core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowmusic import limits, threads

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("chosen", "environment", "cores", "expected"),
    [(3, None, 2, "3"), (3, "5", 2, "3"), (None, "5", 2, "5"), (None, None, 2, "2"), (None, "", 64, "8")],
)
def test_what_is_asked_for_comes_first(
    chosen: int | None, environment: str | None, cores: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "cores", lambda: cores)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", environment or "")
    if environment is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    threads.settle(chosen)
    assert os.environ["OMP_NUM_THREADS"] == expected


@pytest.mark.parametrize(("policy", "expected"), [(None, "passive"), ("active", "active")])
def test_torch_computes_as_the_command_line_says(tmp_path: Path, policy: str | None, expected: str) -> None:
    words = ["generate", "x", "--seconds=1", "--steps=1", "--seed=0", "--quiet", "--threads=1", "--out=take.wav"]
    code = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); from flowmusic.apps.cli import main; "
        f"assert main({words!r}) == 0; import torch; print(torch.get_num_threads(), os.environ['OMP_WAIT_POLICY'])"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    environment.pop("OMP_WAIT_POLICY", None)
    if policy is not None:
        environment["OMP_WAIT_POLICY"] = policy
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"1 {expected}"
