"""Files are replaced whole or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from flowmusic.atomic import FRESH_S, MARK, remove_stale, replacing, temporary_folder, write_text


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


def test_only_what_nobody_writes_any_more_is_removed(tmp_path: Path) -> None:
    """A killed process holds no lock; one that has just made its file may not hold it yet."""
    before = time.time() - 2 * FRESH_S
    (tmp_path / ".hidden").touch()
    left, folder = tmp_path / f"{MARK}take-abc.wav", tmp_path / f"{MARK}song.controls-abc"
    left.touch()
    folder.mkdir()
    (folder / "drums.wav").touch()
    with replacing(tmp_path / "a.txt") as mine, temporary_folder(tmp_path / "b") as ours:
        for path in (left, folder, mine, ours, tmp_path / ".hidden"):
            os.utime(path, (before, before))
        fresh = tmp_path / f"{MARK}fresh.json"
        fresh.touch()
        assert sorted(remove_stale(tmp_path, tmp_path / "none")) == sorted([left, folder])
        assert mine.exists() and ours.is_dir() and fresh.exists() and (tmp_path / ".hidden").exists()
    assert not ours.exists()
