"""Whether files can be written: asked before the work begins, and told by name and reason where it fails after all."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Kept = TypeVar("Kept")
PROBE = 1 << 16
"""Bytes that are written to see whether a folder takes files: a full disk often takes empty ones."""

_ELSEWHERE = "write to another place"
_ADVICE = {
    errno.ENOSPC: f"free some space there, or {_ELSEWHERE}",
    errno.EDQUOT: f"your quota there is used up: free some space, or {_ELSEWHERE}",
    errno.EROFS: _ELSEWHERE,
    errno.EACCES: "give yourself the permission, or use another place",
    errno.EPERM: "give yourself the permission, or use another place",
    errno.EFBIG: f"raise the limit on the size of files, or {_ELSEWHERE}",
    errno.EIO: "the disk does not answer as it should: check it, or use another one",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENAMETOOLONG: "give a shorter name",
}
_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM})

_LOG = logging.getLogger(__name__)


def told(error: OSError) -> str:
    """What failed with which file, and what to do, on one line.

    >>> told(OSError(errno.ENOSPC, "No space left on device", "take.wav"))
    'take.wav: No space left on device; free some space there, or write to another place'
    """
    reason = error.strerror or str(error) or type(error).__name__
    names = " -> ".join(
        os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)
    )
    advice = _ADVICE.get(error.errno or 0)
    text = " ".join(f"{names}: {reason}".removeprefix(": ").split())
    return f"{text}; {advice}" if advice else text


def is_of_the_machine(error: BaseException) -> bool:
    """Whether a failure lies with the machine and not with one file of many: whatever comes next would fail as well."""
    return isinstance(error, OSError) and error.errno in _OF_THE_MACHINE


def check(path: str | Path, size: int = PROBE) -> None:
    """See whether a file or folder can be written; nothing is left behind.

    Args:
        path: what is to be written; of folders that are not there yet, the nearest one that is decides.
        size: bytes that are to be written, as far as that is known.

    Raises: OSError that names the folder: one that is read-only, full, or belongs to somebody else.
    """
    folder = Path(path).absolute()
    folder = folder if folder.is_dir() else folder.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    shown = _as_given(folder, Path(path))
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), shown)
    try:
        # A file without a name where the system has them: even a kill leaves nothing.
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(min(size, PROBE)))
            file.flush()
    except OSError as error:
        raise OSError(error.errno, error.strerror, shown) from None
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(errno.ENOSPC, f"{_mib(size)} are needed and {_mib(free)} are free", shown)


def failure(error: BaseException, path: str | Path, temporary: str | Path) -> OSError | None:
    """The failure to write a file as an error that names it; None for an error of another kind, or of another file.

    Libraries raise errors of their own for a full disk, and the system's own names no file where a write fails.

    Args:
        error: what was raised while ``temporary`` was written.
        path: what it was to become.
        temporary: file or folder under its temporary name, still there.
    """
    path, temporary = str(path), str(temporary)
    if isinstance(error, OSError) and error.errno is not None:
        name = error.filename
        if name is None or isinstance(name, int):
            return OSError(error.errno, error.strerror, path)
        name = os.fsdecode(name)
        inside = name == temporary or name.startswith(temporary + os.sep)
        return OSError(error.errno, error.strerror, path + name[len(temporary) :]) if inside else None
    if not _is_a_writers(error):
        return None
    code = re.search(r"os error (\d+)", str(error))
    if code:
        return OSError(int(code[1]), os.strerror(int(code[1])), path)
    try:
        check(temporary)
    except OSError as reason:
        return OSError(reason.errno, reason.strerror, path)
    said = " ".join(str(error).split())[:200]
    return OSError(errno.EIO, f"it could not be written ({said or type(error).__name__})", path)


def _is_a_writers(error: BaseException) -> bool:
    """Whether an error is what soundfile, safetensors or torch raise for a file that they cannot write."""
    if type(error).__name__ in ("LibsndfileError", "SafetensorError"):
        return True
    marks = ("inline_container", "PytorchStreamWriter", "iostream error", "basic_ios")
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in marks)


@contextmanager
def naming(path: str | Path, temporary: str | Path) -> Iterator[None]:
    """Around everything that writes a file under a temporary name: see :func:`failure`."""
    try:
        yield
    except Exception as error:
        named = failure(error, path, temporary)
        if named is None:
            raise
        raise named from error


@contextmanager
def spared(what: str | Path, instead: str = "it is left out") -> Iterator[None]:
    """Around a file that a result can do without: where it cannot be written, that is said, and the work goes on.

    Args:
        what: the file.
        instead: what happens now.
    """
    try:
        yield
    except OSError as error:
        error = error if error.filename is not None else OSError(error.errno, error.strerror, str(what))
        _LOG.warning("%s (%s)", told(error), instead)


def remembered(path: Path, read: Callable[[Path], Kept]) -> Kept | None:
    """What a cache holds; None where it holds nothing, or nothing that can be read, which is said: it is made anew."""
    if not os.path.exists(path):
        return None
    try:
        return read(path)
    except Exception as error:  # whatever a damaged or foreign file makes its reader raise
        reason = (
            told(error) if isinstance(error, OSError) and error.errno else f"{path}: {' '.join(str(error).split())}"
        )
        _LOG.warning("%s (what it held is made anew; delete it if this comes again)", reason[:300])
        return None


def _as_given(folder: Path, path: Path) -> str:
    """A folder as somebody named it, where its name was part of what was given."""
    for given in (path, *path.parents):
        if given.absolute() == folder:
            return "the current folder" if given == Path() else str(given)
    return str(folder)


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
