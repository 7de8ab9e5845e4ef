"""The wheel works away from the checkout: configuration and weights are inside, and the command composes a take."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NANO = sorted((ROOT / "flowmusic/embedded").rglob("*.safetensors"))

# The checkout is installed in editable form where the tests run, so its folder is on the path of every Python here.
# The code under test must not find it.
RUNNER = """
import pathlib, runpy, sys
checkout = pathlib.Path({root!r})
sys.path = [entry for entry in sys.path if pathlib.Path(entry or ".").resolve() != checkout]
sys.argv = ["flowmusic", *sys.argv[1:]]
import flowmusic
assert checkout not in pathlib.Path(flowmusic.__file__).parents, flowmusic.__file__
{body}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("flowmusic-*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    done = subprocess.run([*command, str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def run(site: Path, cwd: Path, body: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = RUNNER.format(root=str(ROOT), body=body)
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def contents(folder: Path, pattern: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob(pattern) if path.is_file()}


def test_wheel_holds_code_configuration_and_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("flowmusic", "feature_extractors"):
        missing = {f"{package}/{name}" for name in contents(ROOT / package, "*.py")} - names
        assert missing == set()
    assert {f"flowmusic/conf/{name}" for name in contents(ROOT / "conf", "*.yaml")} <= names
    for folder in ("embedded", "controls"):
        data = {name for name in contents(ROOT / "flowmusic" / folder, "*") if not name.endswith((".py", ".pyc"))}
        assert {f"flowmusic/{folder}/{name}" for name in data} <= names


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    (info,) = {top for top in tops if top.endswith(".dist-info")}
    assert tops == {"flowmusic", "feature_extractors", info}
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".pyc", ".ckpt", ".wav"))]


def test_plain_install_does_not_ask_for_the_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        lines = archive.read(name).decode().splitlines()
    asked = [line for line in lines if line.startswith("Requires-Dist: madmom")]
    assert len(asked) == 1
    assert 'extra == "madmom"' in asked[0].replace("'", '"')


def test_command_answers_from_another_folder(site: Path, tmp_path: Path) -> None:
    done = run(
        site, tmp_path, "runpy.run_path(sys.argv.pop(1), run_name='__main__')", str(site / "bin/flowmusic"), "--help"
    )
    assert done.returncode == 0, done.stderr
    assert "generate" in done.stdout


def test_configuration_is_found_beside_the_package(site: Path, tmp_path: Path) -> None:
    body = "from flowmusic.train.run import config_folder; print(config_folder())"
    done = run(site, tmp_path, body)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).resolve() == (site / "flowmusic/conf").resolve()


@pytest.mark.skipif(not NANO, reason="no embedded weights in this checkout")
def test_generate_from_another_folder(site: Path, tmp_path: Path) -> None:
    import soundfile

    body = "runpy.run_module('flowmusic.apps.cli', run_name='__main__')"
    arguments = ["generate", "calm piano", "--seconds", "2", "--steps", "4", "--seed", "1", "--out", "take.wav"]
    done = run(site, tmp_path, body, *arguments)
    assert done.returncode == 0, done.stderr
    info = soundfile.info(tmp_path / "take.wav")
    assert (info.samplerate, info.channels) == (32_000, 2)
    assert info.duration == pytest.approx(2.0, abs=0.05)  # a frame at 25 Hz is 0.04 s
