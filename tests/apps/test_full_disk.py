"""A disk that is full or for reading only: said in one line, before the work if it can be, and no result is lost."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from flowmusic import audio, disk, files
from flowmusic.annotations import plot
from flowmusic.apps.cli import main
from flowmusic.errors import FAILED, USAGE, guarded
from flowmusic.generate.generator import Generator
from flowmusic.generate.piece import Piece
from tests.apps.conftest import clicks, tone
from tests.apps.test_extract import quick as quick
from tests.test_disk import files_of_at_most

Write = Callable[[str, torch.Tensor], Path]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What stands on stderr as the error, without progress and notices."""
    lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line or line.startswith("flowmusic")]
    assert len(lines) == 1 and len(lines[0]) <= 500, lines
    return lines[0]


@pytest.fixture
def no_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that is mounted for reading only, root or not."""

    def refused(dir: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir))

    monkeypatch.setattr(disk.tempfile, "TemporaryFile", refused)


@pytest.mark.usefixtures("no_folder_can_be_written")
@pytest.mark.parametrize(
    "argv",
    [
        ["generate", "x"],
        ["generate", "x", "--out", "made.flac"],
        ["extract", "song.wav"],
        ["extract", "song.wav", "--out", "made"],
        ["invert", "song.wav", "--token", "dusk"],
        ["data", "scan", "."],
        ["data", "read", "musdb18", "."],
        ["data", "read", "midi", ".", "--out", "made"],
        ["corpus", "--hours", "0.01", "--seed", "1", "--out", "made"],
        ["build", "manifest=song.wav", "out=made"],
        ["evaluate", "data=folder", "corpus=.", "out=made"],
        ["train", "experiment=nano", "latents=none", "out=made/run"],
        ["models", "convert", "nano", "made"],
    ],
    ids=" ".join,
)
def test_every_command_asks_first(argv: list[str], here: Path, wav: Write, capsys: pytest.CaptureFixture[str]) -> None:
    wav("song.wav", tone(220.0, 0.5))
    assert main(argv) == USAGE
    said = one_line(capsys)
    assert "Read-only file system; write to another place" in said and "cannot write" in said
    assert [path.name for path in here.iterdir()] == ["song.wav"]


@pytest.mark.usefixtures("ears")
def test_too_little_room_is_seen_before_the_model_works(
    here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100_000))
    monkeypatch.setattr(Piece, "latents", lambda *_, **__: pytest.fail("it began"))
    assert main(["generate", "x", "--seconds", "20"]) == USAGE
    assert "'take.wav'" in (said := one_line(capsys)) and "0.1 MiB are free" in said
    (here / "take.json").mkdir()
    assert main(["generate", "x", "--seconds", "2"]) == USAGE and "take.json" in one_line(capsys)


@pytest.mark.usefixtures("ears")
def test_a_take_that_does_not_fit_says_how_to_make_it_again(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    with files_of_at_most(disk.PROBE):
        assert main(["generate", "x", "--seconds", "12", "--seed", "5", "--quiet"]) == FAILED
    said = one_line(capsys)
    assert "error: take.wav: " in said and "--seed 5 makes this take again" in said
    assert list(here.iterdir()) == []


@pytest.mark.usefixtures("ears")
@pytest.mark.parametrize("time", [1, 2])
def test_a_take_is_kept_though_its_record_cannot_be(
    here: Path, model: Generator, time: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write, calls = files.write_readable_json, []

    def full(path: Path, data: Any) -> Path:
        calls.append(path)
        if len(calls) == time:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, data)

    monkeypatch.setattr(files, "write_readable_json", full)
    assert main(["generate", "x", "--chords", "C", "--seconds", "1", "--seed", "5", "--quiet"]) == FAILED
    said = one_line(capsys)
    assert "take.json: No space left on device (take.wav is written; --seed 5 makes this take again)" in said
    assert audio.read("take.wav").seconds == pytest.approx(1.0)
    if time == 2:  # the record of before anyone listened
        assert json.loads((here / "take.json").read_text())["adherence"] is None


@pytest.mark.usefixtures("quick")
def test_controls_are_kept_though_their_picture_cannot_be(
    here: Path, wav: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wav("song.wav", clicks([0.2, 0.7, 1.2], 2.5) + 0.2 * tone(220.0, 2.5))
    (here / "song.controls").mkdir()
    (here / "song.controls" / "controls.png").write_text("of an earlier run")

    def full(figure: Any, path: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(plot, "save", full)
    assert main(["extract", "song.wav"]) == 0
    assert sorted(path.name for path in (here / "song.controls").iterdir()) == ["controls.json", "drums.wav"]
    assert "song.controls/controls.png: No space left on device" in caplog.text
    assert sorted(path.name for path in here.iterdir()) == ["song.controls", "song.wav"]
    # The drums are heard again from them, so they are no secondary output.
    with files_of_at_most(disk.PROBE):
        assert main(["extract", "song.wav", "--out", "other"]) == FAILED
    assert sorted(path.name for path in here.iterdir()) == ["song.controls", "song.wav"]


@pytest.mark.parametrize("buffered", [True, False])
def test_a_screen_that_is_full(
    buffered: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w", buffering=1 << 16 if buffered else 1) as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["models"]) == FAILED
    assert "error: standard output: No space left on device" in one_line(capsys)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a b.wav"), "a b.wav: No space left on device; free some"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), "x: Permission denied; give yourself the permission"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), "x: No such file or directory"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error; the disk does not answer"),
        (OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"), "a -> b: Invalid cross-device link"),
        (OSError("of a library"), "of a library"),
    ],
)
def test_an_error_of_the_system_is_one_line(error: OSError, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise error

    assert guarded("flowmusic x", fail) == FAILED
    assert capsys.readouterr().err.startswith(f"flowmusic x: error: {said}")
