"""Hashes are remembered of files that stay as they are, and of no others."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowmusic import hashes


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOWMUSIC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hashes, "SETTLED_S", 0.0)
    return tmp_path / "cache" / "hashes.json"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(b"one two")
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose content was hashed."""
    found: list[str] = []
    of_file = hashes.of_file

    def counted(path: str | Path) -> str:
        found.append(Path(path).name)
        return of_file(path)

    monkeypatch.setattr(hashes, "of_file", counted)
    return found


ONE = hashlib.sha256(b"one two").hexdigest()


def test_an_unchanged_file_is_read_once(memory: Path, weights: Path, read: list[str]) -> None:
    link = weights.with_name("link")
    link.symlink_to(weights)
    assert {hashes.of_unchanged(path) for path in (weights, link, str(weights))} == {ONE}
    assert read == ["weights"] and list(memory.parent.iterdir()) == [memory]


def in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"six")


def in_place_at_the_same_time(path: Path) -> None:
    before = path.stat()
    in_place(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def by_another_of_the_same_time(path: Path) -> None:
    before, other = path.stat(), path.with_name("other")
    other.write_bytes(b"six two")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, path)


@pytest.mark.parametrize("change", [in_place, in_place_at_the_same_time, by_another_of_the_same_time])
def test_a_change_is_seen(memory: Path, weights: Path, change: Callable[[Path], None]) -> None:
    assert hashes.of_unchanged(weights) == ONE
    time.sleep(0.02)  # a tick of the file system's clock
    change(weights)
    assert hashes.of_unchanged(weights) == hashlib.sha256(b"six two").hexdigest() == hashes.of_unchanged(weights)


def test_what_changed_just_now_is_not_remembered(
    memory: Path, weights: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "SETTLED_S", 60.0)
    assert hashes.of_unchanged(weights) == hashes.of_unchanged(weights) == ONE
    assert len(read) == 2 and not memory.exists()


@pytest.mark.parametrize("place", ["file", "folder in place of the file", "no home"])
def test_a_memory_that_cannot_be_kept_costs_time_only(
    memory: Path, weights: Path, read: list[str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "file":
        memory.parent.write_text("in the way")
    elif place == "no home":
        monkeypatch.delenv("FLOWMUSIC_CACHE")
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    else:
        memory.mkdir(parents=True)
    assert hashes.of_unchanged(weights) == hashes.of_unchanged(weights) == ONE
    assert len(read) == 2


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", "\udcff"])
def test_a_damaged_memory_is_made_anew(memory: Path, weights: Path, read: list[str], content: str) -> None:
    memory.parent.mkdir()
    memory.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert hashes.of_unchanged(weights) == hashes.of_unchanged(weights) == ONE
    assert read == ["weights"]


@pytest.mark.parametrize("entry", [1, [], [1, 2, 3, 4, 5], [True, 0, 0, 0, "0" * 64], ["0" * 64] * 5, None])
def test_a_foreign_entry_is_left_out(memory: Path, weights: Path, entry: object) -> None:
    memory.parent.mkdir()
    memory.write_text(json.dumps({str(weights.resolve()): entry, "other": [1, 2, 3, 4, "0" * 64]}))
    assert hashes.of_unchanged(weights) == ONE
    assert json.loads(memory.read_text())["other"] == [1, 2, 3, 4, "0" * 64]


def test_the_memory_stays_small(memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "MOST", 3)
    for number in range(5):
        (tmp_path / str(number)).write_bytes(bytes([number]))
        hashes.of_unchanged(tmp_path / str(number))
    assert [Path(name).name for name in json.loads(memory.read_text())] == ["2", "3", "4"]


def test_a_missing_file_is_said(memory: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        hashes.of_unchanged(tmp_path / "gone")
