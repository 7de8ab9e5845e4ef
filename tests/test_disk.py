"""What cannot be written is told by name, reason and remedy, before the work or after it, and takes nothing along."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from flowmusic import caches, disk
from flowmusic.files import replacing, write_text
from flowmusic.interop import model_files

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 200_000)
WRITERS: dict[str, Callable[[Path], Any]] = {
    "a.wav": lambda path: soundfile.write(path, NOISE, 16_000),
    "a.flac": lambda path: soundfile.write(path, NOISE, 16_000),
    "a.pt": lambda path: torch.save({"a": torch.zeros(100_000)}, path),
    "a.safetensors": lambda path: save_file({"a": torch.zeros(100_000)}, path),
    "a.npz": lambda path: np.savez(path, a=NOISE),
    "a.txt": lambda path: path.write_text("x" * 500_000),
}
"""Libraries that write files, each of which raises something of its own."""


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: a full disk without a disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB, where the tests may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True)
    if made.returncode:
        pytest.skip("file systems can be mounted by root only")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_does_not_fit_is_named_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with pytest.raises(OSError) as raised, files_of_at_most(100_000), replacing(target) as temporary:
        WRITERS[name](temporary)
    assert raised.value.filename == str(target) and raised.value.errno in (errno.EFBIG, errno.EIO)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(small_disk: Path) -> None:
    for name, write in WRITERS.items():
        target = write_text(small_disk / name, "before")
        with pytest.raises(OSError) as raised, replacing(target) as temporary:
            write(temporary)
        assert raised.value.errno == errno.ENOSPC
        assert disk.told(raised.value).startswith(f"{target}: No space left on device; free some space there")
        assert target.read_text() == "before" and list(small_disk.iterdir()) == [target]
        target.unlink()
    with contextlib.suppress(OSError):
        (small_disk / "fill").write_bytes(bytes(300_000))
    with pytest.raises(OSError, match="No space left"):
        disk.check(small_disk / "b.wav")
    with pytest.raises(OSError, match=r"are needed and .* MiB are free"):
        disk.check(small_disk.parent / "not" / "there" / "yet", 10**15)


def test_a_bundle_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    folder = model_files.write(tmp_path / "bundle", {"kind": "x"}, {"a": torch.zeros(4)}, "card")
    with pytest.raises(OSError) as raised, files_of_at_most(50_000):
        model_files.write(folder, {"kind": "y"}, {"a": torch.zeros(100_000)}, "card")
    assert raised.value.filename == str(folder / "model.safetensors") or raised.value.filename == str(folder)
    assert model_files.read(folder).config["kind"] == "x" and len(list(tmp_path.iterdir())) == 1


def test_errors_of_another_kind_or_file_stay_what_they_are(tmp_path: Path) -> None:
    for error in (ValueError("no"), RuntimeError("shapes"), FileNotFoundError(2, "No such file", "input.wav")):
        with pytest.raises(type(error)) as raised, replacing(tmp_path / "a.txt"):
            raise error
        assert raised.value is error


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_is_tried_before_the_work(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(**where: Any) -> None:
        raise OSError(code, os.strerror(code), where["dir"])

    disk.check(tmp_path / "new" / "run" / "a.wav")
    assert list(tmp_path.iterdir()) == []  # nothing is left behind, not even the folders
    monkeypatch.setattr(disk.tempfile, "TemporaryFile", refused)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError) as raised:
        disk.check(tmp_path / "new" / "run")
    assert (raised.value.errno, raised.value.filename) == (code, str(tmp_path))
    with pytest.raises(OSError, match="the current folder"):
        disk.check("take.wav")
    with disk.spared(tmp_path / "a.png"):
        disk.check("take.wav")
    assert os.strerror(code) in caplog.text and "it is left out" in caplog.text


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        disk.check(tmp_path / "file" / "deeper" / "a.wav")


def test_a_damaged_cache_is_said_and_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert disk.remembered(tmp_path / "none", Path.read_text) is None and caplog.text == ""
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    from safetensors.torch import load_file

    assert disk.remembered(tmp_path / "cut.safetensors", load_file) is None
    assert str(tmp_path / "cut.safetensors") in caplog.text and "delete it" in caplog.text


MODULE = "import numba\n\n@numba.njit(cache=True)\ndef twice(x):\n    return 2 * x\n"


def test_numba_goes_on_with_a_damaged_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caches._without_fail()
    (tmp_path / "compiled.py").write_text(MODULE)

    def run() -> int:
        spec = importlib.util.spec_from_file_location("compiled", tmp_path / "compiled.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return int(module.twice(21))

    assert run() == 42
    (index,) = (tmp_path / "__pycache__").glob("compiled.twice*.nbi")
    whole = index.read_bytes()
    assert run() == 42 and caplog.text == ""
    index.write_bytes(whole[:50])
    assert run() == 42
    assert str(tmp_path) in caplog.text and "is damaged and made anew" in caplog.text
    assert len(index.read_bytes()) == len(whole)


def test_caches_of_libraries_move_where_home_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").write_text("no folder")
    (tmp_path / "tmp").mkdir()
    for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home" / "x"))
    monkeypatch.setattr(caches.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    caches.settle.__wrapped__()
    root = tmp_path / "tmp" / f"flowmusic-caches-{os.getuid()}"
    assert os.environ["NUMBA_CACHE_DIR"] == str(root / "numba")
    assert os.environ["MPLCONFIGDIR"] == str(root / "matplotlib")
    assert root.stat().st_mode & 0o777 == 0o700  # numba runs what it finds there
    # A folder that others may write is not trusted.
    root.chmod(0o777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "home" / "x"))
    caches.settle.__wrapped__()
    assert not Path(os.environ["NUMBA_CACHE_DIR"]).is_relative_to(root)
