"""SHA-256 of files, and of those that have not changed since they were last hashed.

Weights are compared with a recorded hash whenever they are loaded, which tells damage (docs/reliability.md) and takes a
third of a second for the text encoder alone.  So a hash is remembered together with what a file system says of the
file: place, size, inode, and when content and inode last changed.  The last of these no program can set.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from flowmusic import disk
from flowmusic.files import replacing

MOST = 256
"""Files that are remembered; the oldest are forgotten."""
SETTLED_S = 2.0
"""A file that changed less than this before it was read may change again within the same tick of its clock."""


def of_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex.  Raises: OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_unchanged(path: str | Path) -> str:
    """The same, from memory where the file is as it was when it was last hashed.

    Only for files of our own making in places where damage is rare: what is compared is not the content.  Where the
    memory cannot be read or written, every call hashes.  Raises: OSError.
    """
    path = Path(path).resolve()
    seen, now = _state(path), time.time_ns()
    memory = _memory()
    known = _remembered(memory)
    entry = known.get(str(path))
    if entry is not None and entry[:-1] == seen:
        return str(entry[-1])
    digest = of_file(path)
    if memory is not None and _state(path) == seen and max(seen[2:]) < now - SETTLED_S * 1e9:
        known.pop(str(path), None)
        kept = dict([*known.items(), (str(path), [*seen, digest])][-MOST:])
        # A memory that cannot be kept costs time and nothing else, so nobody need know.
        with contextlib.suppress(OSError):
            memory.parent.mkdir(parents=True, exist_ok=True)
            with replacing(memory) as temporary:
                temporary.write_text(json.dumps(kept), encoding="utf-8")
    return digest


def _state(path: Path) -> list[int]:
    """Size, inode, and the times in ns at which content and inode last changed."""
    found = os.stat(path)
    return [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]


def _memory() -> Path | None:
    """``$FLOWMUSIC_CACHE/hashes.json``, or in ``~/.cache/flowmusic``; None for a user without a home."""
    chosen = os.environ.get("FLOWMUSIC_CACHE")
    try:
        return (Path(chosen) if chosen else Path.home() / ".cache" / "flowmusic") / "hashes.json"
    except RuntimeError:
        return None


def _remembered(memory: Path | None) -> dict[str, list[Any]]:
    """What the memory holds: by path, what :func:`_state` said, and the hash.  Anything else is left out."""
    found = None if memory is None else disk.remembered(memory, lambda path: json.loads(path.read_text("utf-8")))
    return {name: entry for name, entry in found.items() if _is_entry(entry)} if isinstance(found, dict) else {}


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, list) or len(entry) != 5:
        return False
    return all(type(number) is int for number in entry[:4]) and isinstance(entry[4], str) and len(entry[4]) == 64
