"""The files of the checkout: nothing of one machine, no registry, the licence, and weights small enough to ship."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_EMBEDDED_BYTES = 20 * 2**20

# A folder of one person's machine at the start of a path; and hosts that serve packages, where a name of a package
# and its version must do.
MACHINE_PATH = re.compile(r"(?<![\w./~*<-])/(?:home|root|Users|work|mnt|opt/(?:pypi|wheels))/[\w.-]+")
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian\.org|download\.pytorch\.org|anaconda\.org|index-url|find-links"
)
LOCK_FILES = {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "package-lock.json", "pylock.toml"}


def ignored_at_top() -> set[str]:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return {line.strip("/") for line in lines if line.startswith("/")}


def checkout_files() -> Iterator[Path]:
    """What a commit would hold: all files but those that .gitignore names at the top, caches and hidden folders."""
    skip = {*ignored_at_top(), ".git"}  # a linked worktree has it as a file
    for folder, names, files in os.walk(ROOT):
        here = Path(folder)
        names[:] = [
            name
            for name in names
            if not (name.startswith(".") and name != ".ci" or name == "__pycache__" or here == ROOT and name in skip)
        ]
        yield from (here / name for name in files if here != ROOT or name not in skip)


def text_of(path: Path) -> str | None:
    """The text of a file, or None if it is not text."""
    data = path.read_bytes()
    if b"\0" in data[:4096]:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in checkout_files():
        if path == Path(__file__):
            continue
        for number, line in enumerate((text_of(path) or "").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match.group()}")
    return found


def test_no_path_of_one_machine() -> None:
    assert lines_matching(MACHINE_PATH) == []


def test_no_registry_is_named() -> None:
    assert lines_matching(REGISTRY) == []


@pytest.mark.parametrize(
    "line", ["open('/home/ann/x.wav')", "cd /root/flowmusic", '"/Users/ann"', "see /work" + "/main/a.md"]
)
def test_the_pattern_of_machine_paths_finds(line: str) -> None:
    assert MACHINE_PATH.search(line)


@pytest.mark.parametrize(
    "line", ["https://x.org/home/y", "frame/root ratio", "chord/work", "~/work/x", "the /root or /work of a chord"]
)
def test_the_pattern_of_machine_paths_lets_through(line: str) -> None:
    assert not MACHINE_PATH.search(line)


def test_no_lock_file() -> None:
    assert [path.name for path in checkout_files() if path.name in LOCK_FILES] == []


def test_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n" in text and "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_shipped_weights_are_small() -> None:
    packages = (ROOT / "flowmusic", ROOT / "feature_extractors")
    sizes = {path: path.stat().st_size for package in packages for path in package.rglob("*.safetensors")}
    assert len(sizes) > 5 and sum(sizes.values()) < MAX_EMBEDDED_BYTES, sizes


def test_notebooks_are_stored_without_outputs() -> None:
    for path in checkout_files():
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            loud = [index for index, cell in enumerate(cells) if cell.get("outputs") or cell.get("execution_count")]
            assert loud == [], f"{path.name}: clear the outputs of cells {loud}"
