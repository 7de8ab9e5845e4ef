"""Files that appear whole or not at all: written under a temporary name beside the target, then renamed onto it.

A temporary name is that of the target in a folder of its own beside it, whose name begins with :data:`MARK`: what the
libraries that write the file leave there goes with it.  Whoever writes holds the folder's lock, which no kill leaves
behind.  So :func:`remove_stale` can tell what a killed process left from what a running one is writing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowmusic import disk
from flowmusic.locks import held

TEXT: Any = {"encoding": "utf-8", "errors": "backslashreplace"}
"""How text is written: bytes of file names that are no letters become ``\\udcff``.

In JSON, which is most of what is written, they read back as themselves (:mod:`flowmusic.paths`).
"""

MARK = ".flowmusic-"
"""How the names of temporary folders begin."""

_SWEPT: set[Path] = set()
"""Folders in which this process has looked for what others left."""


@contextmanager
def replacing(path: str | Path, durable: bool = False, previous: Path | None = None) -> Iterator[Path]:
    """A temporary path with the target's name, which becomes the target when the block ends well.

    A block that fails leaves the target as it was, and nothing else behind.  Several processes may write one target at
    once: the last to finish stays.

    Args:
        durable: wait until the content is on the disk before renaming, where other files will vouch for it.
        previous: the name under which what was there before is kept.

    Raises: OSError that names the target, if the folder is missing, not writable or full.
    """
    path = Path(path)
    with temporary_folder(path) as folder:
        temporary = folder / path.name
        with disk.naming(path, temporary):
            temporary.touch()
            yield temporary
            if durable:
                _settle(temporary)
            # Some libraries write files that only their owner reads.
            os.chmod(temporary, 0o644)
            if previous is not None and path.exists():
                os.replace(path, previous)
            os.replace(temporary, path)
            if durable:
                _settle(path.parent)


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` to fill before it takes its place; removed at the end if it is still there.

    The first one that a process makes anywhere also removes what killed processes left there.
    Raises: OSError that names the target.
    """
    parent = target.parent.absolute()
    if parent not in _SWEPT:
        _SWEPT.add(parent)
        remove_stale(parent)
    try:
        folder, handle = _made(target.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _made(parent: Path) -> tuple[Path, int]:
    """A new temporary folder and its descriptor, which holds the lock."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=MARK))
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # somebody took it for one that was left, which it looks like until it is locked
        held(handle, wait=True)
        if folder.exists():
            return folder, handle
        os.close(handle)


def remove_stale(*folders: str | Path) -> list[Path]:
    """Remove what killed processes left half-written in folders; what cannot be removed stays.

    Returns: what was removed.
    """
    removed = []
    for path in [path for folder in folders for path in sorted(Path(folder).glob(f"{MARK}*"))]:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # another process has finished it, or it is not ours
        try:
            if held(handle):
                shutil.rmtree(path, ignore_errors=True)
                removed.append(path)
        finally:
            os.close(handle)
    return removed


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file, whole or not at all.  Raises: as :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, **TEXT)
    return Path(path)


def _settle(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: str | Path, value: Any) -> Path:
    """Write plain data as compact JSON, whole or not at all."""
    return write_text(path, json.dumps(value, ensure_ascii=False))


def write_readable_json(path: str | Path, value: Any) -> Path:
    """Write plain data as JSON for people: a chord, a note or a row of beats on one line; NaN is refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A string holds no raw newline, so none is touched.
    text = re.sub(r"\[\n[^\[\]{}]*\]", lambda row: re.sub(r"\n\s*", " ", row[0]), text)
    return write_text(path, text)
