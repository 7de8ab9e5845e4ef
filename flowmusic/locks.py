"""One process at a time: locks that go with the process that holds them, however that ends."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = ".lock"
"""The file of a folder whose lock belongs to whoever writes there."""

_LOG = logging.getLogger(__name__)
_MINE: set[str] = set()
"""Files that this process has locked: the system's locks keep out other processes only."""


class InUse(ValueError):
    """Another process is at work there; the message says which work, and what to do."""


@contextmanager
def locked(file: str | Path, otherwise: str) -> Iterator[None]:
    """Hold the lock of a file, which is made for that and removed at the end.

    A record lock of the system (fcntl): copies of the process, such as those that read its data, do not hold it on
    when it is killed.  Where a file system has no locks, that is said, and nothing is locked.

    Raises: InUse with the message ``otherwise`` if somebody holds it; OSError if the file cannot be written.
    """
    path = os.path.realpath(file)
    if path in _MINE:
        raise InUse(otherwise)
    descriptor = _taken(path, otherwise)
    _MINE.add(path)
    try:
        yield
    finally:
        # Removed while it is held, so that nobody loses a file of theirs; see _taken for those who were waiting.
        Path(path).unlink(missing_ok=True)
        _MINE.discard(path)
        os.close(descriptor)


def _taken(path: str, otherwise: str) -> int:
    """The descriptor of the file, locked."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            raise InUse(otherwise) from None
        except OSError as error:
            _LOG.warning("%s: this file system has no locks (%s); start nothing else there", path, error.strerror)
        # Whoever held it may have removed the file between the two calls above.
        if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
        os.close(descriptor)


def held(descriptor: int, wait: bool = False) -> bool:
    """Whether this open file or folder could be locked; the lock lasts until it is closed (flock, advisory)."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
