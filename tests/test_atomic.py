"""Files are replaced whole or not at all, and one process at a time is at work in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flowmusic import files
from flowmusic.files import MARK, remove_stale, replacing, temporary_folder, write_text
from flowmusic.locks import InUse, locked


def test_the_target_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with replacing(target, durable=True) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".json" and target.read_text() == "old"
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]
    assert os.stat(target).st_mode & 0o777 == 0o644


def test_a_failure_leaves_the_target_and_nothing_else(tmp_path: Path) -> None:
    target = write_text(tmp_path / "a.txt", "süß")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stopped")
    assert target.read_text(encoding="utf-8") == "süß" and list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "none" / "a.txt", "")


def test_what_was_there_can_be_kept(tmp_path: Path) -> None:
    target, previous = write_text(tmp_path / "a.txt", "1"), tmp_path / "b.txt"
    with replacing(target, durable=True, previous=previous) as temporary:
        temporary.write_text("2")
    assert (target.read_text(), previous.read_text()) == ("2", "1")


WRITES = """
with files.replacing(folder / "a.txt") as temporary:
    temporary.with_name(".of-a-library").touch()  # some libraries write beside their target as well, and rename
    temporary.with_name(".of-a-library").replace(temporary)
    temporary.with_name(".left-by-a-library").touch()
    print("ready", flush=True)
    time.sleep(600)
"""
LOCKS = """
with locks.locked(folder / ".lock", "never"):
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,), daemon=True).start()
    print("ready", flush=True)
    time.sleep(600)
"""


@contextmanager
def running(code: str, folder: Path) -> Iterator[None]:
    """A process in the middle of some work, killed at the end."""
    before = "import multiprocessing, sys, time, pathlib; from flowmusic import files, locks\n"
    command = [sys.executable, "-c", f"{before}folder = pathlib.Path(sys.argv[1])\n{code}", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_what_a_killed_process_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    """At once, whichever comes first: whoever looks for it, or whoever writes there next."""
    keep = {".hidden", f"{MARK}file", f"{MARK}link", f"{MARK}pipe"}
    (tmp_path / ".hidden").mkdir()
    (tmp_path / f"{MARK}file").touch()
    (tmp_path / f"{MARK}link").symlink_to(tmp_path / ".hidden")
    os.mkfifo(tmp_path / f"{MARK}pipe")
    for look in (lambda: remove_stale(tmp_path), lambda: write_text(tmp_path / "b.txt", "").unlink()):
        with running(WRITES, tmp_path):
            assert remove_stale(tmp_path, tmp_path / "none") == []
            with replacing(tmp_path / "b.txt") as mine, temporary_folder(tmp_path / "c") as ours:
                assert remove_stale(tmp_path) == [] and mine.exists() and ours.is_dir()
            (tmp_path / "b.txt").unlink()
        assert len(list(tmp_path.iterdir())) == 5
        files._SWEPT.clear()  # as of a new process
        look()
        assert {path.name for path in tmp_path.iterdir()} == keep


def test_a_writer_whose_folder_was_taken_away_makes_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder looks left behind until it is locked."""
    opened, make = os.open, tempfile.mkdtemp
    removed: list[list[Path]] = []

    def swept_first(**place: Any) -> str:
        name = make(**place)
        if len(removed) == 0:
            removed.append(remove_stale(tmp_path))
        return name

    def swept_later(name: Any, *how: Any, **where: Any) -> int:
        handle = opened(name, *how, **where)
        if len(removed) == 1:
            removed.append([Path(name)])
            os.rmdir(name)
        return handle

    monkeypatch.setattr(tempfile, "mkdtemp", swept_first)
    assert write_text(tmp_path / "a.txt", "1").read_text() == "1" and len(removed[0]) == 1
    monkeypatch.setattr(os, "open", swept_later)
    assert write_text(tmp_path / "a.txt", "2").read_text() == "2" and len(removed) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 251 + ".txt")
    assert write_text(target, "long").read_text() == "long"


def test_a_lock_goes_with_its_process(tmp_path: Path) -> None:
    """Children that it copied itself to may live a little longer."""
    file = tmp_path / ".lock"
    with (
        running(LOCKS, tmp_path),
        pytest.raises(InUse, match="somebody is here"),
        locked(file, "somebody is here"),
    ):
        pass
    with locked(file, "never"):
        (tmp_path / "same").symlink_to(tmp_path)
        with pytest.raises(InUse), locked(tmp_path / "same" / ".lock", "by another name, in the same process"):
            pass
        assert file.exists()
    assert not file.exists()
