"""Files are replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowmusic.atomic import replacing, write_text


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
