"""One process at a time: a lock on a file that goes with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InUse(ValueError):
    """Another process is at work there; the message says which work, and what to do."""


@contextmanager
def locked(file: str | Path, otherwise: str) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is missing and stays behind, empty.

    Raises: InUse with the message ``otherwise`` if another process holds it; OSError if the file cannot be written.
    """
    with Path(file).open("a") as handle:
        if not held(handle.fileno()):
            raise InUse(otherwise)
        yield


def held(descriptor: int) -> bool:
    """Whether this open file or folder could be locked; the lock lasts until it is closed (flock, advisory)."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
