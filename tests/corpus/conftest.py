"""A tiny corpus, rendered once with the soundfont that comes with pretty_midi."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flowmusic.corpus.__main__ import main
from flowmusic.corpus.compose import compose
from flowmusic.corpus.fonts import wheel_font
from flowmusic.corpus.piece import Piece

SPLIT_CYCLE = ("train", "validation", "test")


@pytest.fixture(scope="session")
def font() -> Path:
    path = wheel_font()
    assert path is not None
    return path


@pytest.fixture(scope="session")
def command(font: Path) -> Callable[..., list[str]]:
    """Arguments for six clips of ten seconds, with all stems."""

    def arguments(out: Path, *more: str, hours: str = "0.0166") -> list[str]:
        return [
            *("--hours", hours, "--seed", "3", "--out", str(out), "--clip-seconds", "10"),
            *("--stems", "all", "--splits", "train=0.5,validation=0.25,test=0.25"),
            *("--soundfont", str(font), "--quiet", *more),
        ]

    return arguments


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, command: Callable[..., list[str]]) -> Path:
    """Folder of a corpus made by two workers."""
    out = tmp_path_factory.mktemp("corpus") / "c"
    assert main(command(out, "--workers", "2")) == 0
    return out


@pytest.fixture(scope="session")
def records(corpus: Path) -> dict[Path, dict]:
    """Path of each record, without its suffix, and its content."""
    return {p.with_suffix(""): json.loads(p.read_text()) for p in sorted(corpus.glob("*/*.json"))}


@pytest.fixture(scope="session")
def pieces() -> list[Piece]:
    """Composed, not rendered; 100 of each split."""
    return [compose(seed, SPLIT_CYCLE[seed % 3]) for seed in range(300)]
