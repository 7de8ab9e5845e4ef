"""Arrays that are read by slices and need not fit in memory: samples of a long recording, or features of its frames.

Everything here has a length and gives an array for a slice of the first axis, as an array itself does.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol, cast

import numpy as np

MEMORY_BYTES = 64 << 20
"""What is longer lies in a temporary file: 6 minutes of one channel at 44.1 kHz do not."""
BLOCK = 1 << 20
"""Rows that are read at once where a whole array is gone through."""


class Rows(Protocol):
    """An array along its first axis."""

    def __len__(self) -> int: ...
    def __getitem__(self, which: slice, /) -> np.ndarray: ...


class Stored:
    """Rows in a file without a name, which is gone when nobody has it open any more, whatever ends the process."""

    def __init__(self, file: IO[bytes], like: np.ndarray, length: int) -> None:
        self._file, self._length = file, length
        self._dtype, self._shape = like.dtype, like.shape[1:]
        self._bytes = self._dtype.itemsize * int(np.prod(self._shape, dtype=int))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, which: slice, /) -> np.ndarray:
        start, stop, step = which.indices(self._length)
        count = max(0, stop - start)
        self._file.seek(start * self._bytes)
        # A bytearray can be written to, as torch wants the arrays that it shares.
        data = bytearray(self._file.read(count * self._bytes))
        return np.frombuffer(data, self._dtype).reshape(count, *self._shape)[::step]


class Scaled:
    """Rows times a number."""

    def __init__(self, rows: Rows, factor: float) -> None:
        self._rows, self._factor = rows, np.float32(factor)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice, /) -> np.ndarray:
        return self._rows[which] * self._factor


class Joined:
    """Rows end to end, such as silence before a recording."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, which: slice, /) -> np.ndarray:
        start, stop, step = which.indices(len(self))
        pieces: list[np.ndarray] = []
        for part, end in zip(self._parts, self._ends.tolist(), strict=True):
            first = end - len(part)
            if max(start, first) < min(stop, end) or not pieces:
                pieces.append(part[max(0, start - first) : max(0, min(stop, end) - first)])
        return np.concatenate(pieces)[::step]


class Gathering:
    """Rows that come part by part: an array in the end, or a file where they are longer than :data:`MEMORY_BYTES`.

    Args:
        scratch: the folder of the file; None is the system's own (``TMPDIR``).
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self._scratch = scratch
        self._parts: list[np.ndarray] = []
        self._bytes = self._length = 0
        self._file: IO[bytes] | None = None

    def add(self, part: np.ndarray) -> None:
        """All parts are of one type, and of one shape but for the first axis.

        Raises: OSError, saying where there is no room.
        """
        self._parts.append(part)
        self._bytes += part.nbytes
        self._length += len(part)
        if self._bytes > MEMORY_BYTES:
            try:
                self._spill()
            except OSError as error:
                raise self._told(error) from None

    def rows(self) -> Rows:
        """All of them.  There is at least one part."""
        if self._file is None:
            return self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        try:
            self._file.flush()
        except OSError as error:
            raise self._told(error) from None
        return Stored(self._file, self._parts[0], self._length)

    def _spill(self) -> None:
        if self._file is None:
            self._file = cast(IO[bytes], tempfile.TemporaryFile(dir=self._scratch))  # noqa: SIM115
        for part in self._parts:
            self._file.write(np.ascontiguousarray(part).data)
        self._parts = [self._parts[0][:0]]

    def _told(self, error: OSError) -> OSError:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return error
        where = self._scratch or tempfile.gettempdir()
        return OSError(
            error.errno,
            f"no room in {where} for what a long recording needs ({self._bytes / 1e9:.1f} GB so far); make room there, "
            "or choose another folder " + ("with TMPDIR" if self._scratch is None else "with --out"),
        )


def gathered(parts: Iterable[np.ndarray], scratch: Path | None = None) -> Rows:
    """Parts end to end, see :class:`Gathering`; at least one."""
    all_of_them = Gathering(scratch)
    for part in parts:
        all_of_them.add(part)
    return all_of_them.rows()


def blocks(rows: Rows, size: int = BLOCK) -> Iterator[np.ndarray]:
    """All rows, so many at once; one block of nothing where there are none."""
    for start in range(0, max(1, len(rows)), size):
        yield rows[start : start + size]


def power(rows: Rows) -> float:
    """Mean square of samples, 0 where there are none."""
    total = sum(float(np.sum(block.astype(np.float64) ** 2)) for block in blocks(rows))
    return total / len(rows) if len(rows) else 0.0


def peak(rows: Rows) -> float:
    """The largest magnitude, 0 where there are no samples."""
    return max(float(np.abs(block).max(initial=0.0)) for block in blocks(rows))
