"""Files that appear whole or not at all: written under a temporary name beside the target, then renamed onto it.

A temporary name begins with :data:`MARK`, and whoever writes under it holds its lock, which no kill leaves behind.  So
:func:`remove_stale` can tell what a killed process left from what a running one is writing, on any host that shares the
folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowmusic import disk
from flowmusic.locks import held
from flowmusic.paths import temporary_prefix

TEXT: Any = {"encoding": "utf-8", "errors": "backslashreplace"}
"""How text is written: bytes of file names that are no letters become ``\\udcff``.

In JSON, which is most of what is written, they read back as themselves (:mod:`flowmusic.paths`).
"""

MARK = ".flowmusic-"
"""How temporary names begin."""

FRESH_S = 60.0
"""A temporary file is younger than this when its writer has made it and does not hold its lock yet."""


@contextmanager
def replacing(path: str | Path, durable: bool = False, previous: Path | None = None) -> Iterator[Path]:
    """A temporary path with the target's ending, which becomes the target when the block ends well.

    A block that fails leaves the target as it was, and nothing else behind.  Several processes may write one target at
    once: the last to finish stays.

    Args:
        durable: wait until the content is on the disk before renaming, where other files will vouch for it.
        previous: the name under which what was there before is kept.

    Raises: OSError that names the target, if the folder is missing, not writable or full.
    """
    path = Path(path)
    try:
        prefix = temporary_prefix(MARK, path.stem, path.suffix)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    temporary = Path(name)
    try:
        held(handle)
        with disk.naming(path, temporary):
            yield temporary
            if durable:
                _settle(temporary)
            # mkstemp makes a file that only its owner reads.
            os.chmod(temporary, 0o644)
            if previous is not None and path.exists():
                os.replace(path, previous)
            os.replace(temporary, path)
            if durable:
                _settle(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` to fill before it takes its place; removed at the end if it is still there.

    Raises: OSError that names the target.
    """
    try:
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=temporary_prefix(MARK, target.name)))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None
    handle = os.open(folder, os.O_RDONLY)
    try:
        held(handle)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def remove_stale(*folders: str | Path) -> list[Path]:
    """Remove what killed processes left half-written in folders; what cannot be removed stays.

    Returns: what was removed.
    """
    removed = []
    for path in [path for folder in folders for path in sorted(Path(folder).glob(f"{MARK}*"))]:
        try:
            fresh = time.time() - path.stat().st_mtime < FRESH_S
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            continue  # another process has finished it, or it is not ours to open
        try:
            if fresh or not held(handle):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        except OSError:
            continue  # of a read-only folder; the command itself will say so where it matters
        finally:
            os.close(handle)
        removed.append(path)
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
