"""What a command may end with, beside success."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from flowmusic import caches, disk, plain

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done, anything else, input or flags wrong, stopped by the user."""


class UsageError(ValueError):
    """The input or the flags are wrong; the message names them.  Ends a command with exit code 2."""


@contextmanager
def reading_input() -> Iterator[None]:
    """Around everything that judges what a person handed in: a ValueError or OSError there is a UsageError."""
    try:
        yield
    except UsageError:
        raise
    except (ValueError, OSError) as error:
        raise UsageError(one_line(error)) from error


def check_output(path: Path, size: int = disk.PROBE) -> None:
    """See, before the work, whether a file or folder can be written.  Raises: UsageError; see :func:`disk.check`."""
    try:
        disk.check(path, size)
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {disk.told(error)}") from None


def one_line(error: BaseException) -> str:
    """The message on one line; the type where there is none.  Of a failure with a file: which one, why, what to do."""
    if isinstance(error, OSError) and error.errno is not None:
        return disk.told(error)
    return " ".join(str(error).split()) or type(error).__name__


def guarded(label: str, action: Callable[[], int]) -> int:
    """Run a command and return its exit code; a failure is one line on stderr.

    FLOWMUSIC_DEBUG=1 in the environment adds the traceback.
    """
    caches.settle()
    try:
        with redirect_stdout(cast(TextIO, _NamedOutput(sys.stdout))):
            code = action()
            sys.stdout.flush()
        return code
    except UsageError as error:
        return _fail(label, error, USAGE)
    except SystemExit as stop:  # --help and --version, and the parsers of forwarded commands
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or DONE
        print(f"{label}: error: {stop.code}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"{label}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has gone (`| head`); what is finished is on disk, and nobody is left to be told.
        silence_stdout(sys.stdout)
        return FAILED
    except Exception as error:
        # A name that no file can have is wrong wherever it is noticed.
        too_long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
        return _fail(label, error, USAGE if too_long else FAILED)


class _NamedOutput:
    """Standard output, which says its name where it cannot be written: a full disk, or a file with a limit."""

    name = "standard output"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._naming():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._naming():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            silence_stdout(self._stream)  # Python would try once more at the end, and complain
            raise OSError(error.errno, error.strerror, self.name) from None


def silence_stdout(stream: TextIO) -> None:
    """Have what is still to be written go nowhere, as its reader has gone or its disk is full."""
    with suppress(OSError):  # a stream that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(label: str, error: Exception, code: int) -> int:
    if os.environ.get("FLOWMUSIC_DEBUG") == "1":
        traceback.print_exception(error)
    kind = "" if isinstance(error, (ValueError, RuntimeError, OSError)) else f"{type(error).__name__}: "
    print(plain.shortened(f"{label}: error: {kind}{one_line(error)}"), file=sys.stderr)
    return code
