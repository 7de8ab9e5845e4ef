"""What a person asks of a running stream: lines that come in while it plays.

    text: darker, slow strings
    chords: Am F C G
    stop

An empty line, and one that begins with #, says nothing.

>>> read_line("chords: Am | F G").bars
(('Am',), ('F', 'G'))
>>> read_line("  STOP ").stop
True
"""

from __future__ import annotations

import os
import select
from dataclasses import dataclass
from pathlib import Path

from flowmusic.controls import chords
from flowmusic.controls.chord_text import Bar, read_bars

FORMS = "text: WORDS, chords: CHORDS, stop"
MOST_BYTES = 1 << 20
"""Of a line, and of what is read at once."""


@dataclass(frozen=True)
class Line:
    """What one line asks for; None, or False, leaves it."""

    text: str | None = None
    bars: tuple[Bar, ...] | None = None
    stop: bool = False
    notices: tuple[str, ...] = ()


def read_line(line: str) -> Line:
    """Read one line.  Raises: ValueError that says what is allowed."""
    line = line.strip()
    if not line or line.startswith("#"):
        return Line()
    key, colon, value = (part.strip() for part in line.partition(":"))
    key = key.lower()
    if key == "stop" and not colon:
        return Line(stop=True)
    if key == "text" and colon:
        return Line(text=value)
    if key == "chords" and colon:
        return Line(bars=(read := bars_of(value))[0], notices=read[1])
    if key in ("bpm", "tempo", "meter"):
        raise ValueError(f"the {key} of a stream stays as it began; start another stream with it")
    raise ValueError(f"{line[:40]!r} is not understood; write one of: {FORMS}")


def bars_of(text: str) -> tuple[tuple[Bar, ...], tuple[str, ...]]:
    """Chords in bars, and what is reduced of them.  Raises: ValueError for chords at seconds, and for none."""
    if chords.is_timed(text):
        raise ValueError("a stream has no end, so its chords are written in bars, such as C Am F G, and not at seconds")
    found = read_bars(text)
    return found.bars, found.notices


class Follower:
    """Lines of a file that grows, of a named pipe, or of standard input (``-``), as they come; never waits for any.

    Raises: OSError for what cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == "-" else path
        self._own = path != "-"
        self._handle = os.open(Path(path), os.O_RDONLY | os.O_NONBLOCK) if self._own else 0
        self._rest = b""
        self._ended = False
        self.number = 0

    def lines(self) -> list[tuple[int, str]]:
        """Whole lines that have come since, with their numbers.  Raises: ValueError for a line without an end."""
        found: list[tuple[int, str]] = []
        while not self._ended and (part := self._read()):
            whole = (self._rest + part).split(b"\n")
            self._rest = whole.pop()
            for line in whole:
                self.number += 1
                found.append((self.number, line.decode("utf-8", "replace")))
            if len(self._rest) > MOST_BYTES:
                self._rest = b""
                raise ValueError(f"line {self.number + 1} of {self.name} has more than {MOST_BYTES} bytes")
        return found

    def _read(self) -> bytes:
        if not select.select([self._handle], [], [], 0.0)[0]:
            return b""
        try:
            part = os.read(self._handle, MOST_BYTES)
        except BlockingIOError:
            return b""
        if not part and not self._own:
            self._ended = True  # a pipe that is closed says no more, a file may grow
        return part

    def close(self) -> None:
        """Let go of the file."""
        if self._own:
            os.close(self._handle)
