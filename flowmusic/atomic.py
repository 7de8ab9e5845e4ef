"""Files that appear whole or not at all: written under a temporary name beside the target, then renamed onto it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowmusic.paths import temporary_prefix

TEXT: Any = {"encoding": "utf-8", "errors": "backslashreplace"}
"""How text is written: bytes of file names that are no letters become ``\\udcff``.

In JSON, which is most of what is written, they read back as themselves (:mod:`flowmusic.paths`).
"""


@contextmanager
def replacing(path: str | Path, durable: bool = False) -> Iterator[Path]:
    """A temporary path with the target's ending, which becomes the target when the block ends well.

    A block that fails leaves the target as it was, and nothing else behind.  Several processes may write one target at
    once: the last to finish stays.

    Args:
        durable: wait until the content is on the disk before renaming, where other files will vouch for it.

    Raises: OSError if the folder is missing or not writable.
    """
    path = Path(path)
    prefix = temporary_prefix(path.stem, path.suffix)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        # mkstemp makes a file that only its owner reads.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file, whole or not at all.  Raises: as :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, **TEXT)
    return Path(path)
