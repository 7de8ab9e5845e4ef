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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic.controls import chords
from flowmusic.controls.chord_text import Bar, read_bars
from flowmusic.inputs.facts import of_words

if TYPE_CHECKING:
    import threading

    from torch import Tensor

    from flowmusic.generate.sampling import Sampling
    from flowmusic.generate.stream import Block, Stream

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


class Wishes:
    """What changes in a stream and when: at bars that were told before, and by lines as they come.

    Args:
        moods: bars, counted from 1, and the words from there on.
        follower: of lines; those that are there already are judged now.

    Raises: ValueError for such a line, which names it, and for a bar that is given twice.
    """

    def __init__(self, moods: Sequence[tuple[int, str]] = (), follower: Follower | None = None) -> None:
        self._moods = {bar - 1: text for bar, text in moods}
        if len(self._moods) < len(moods):
            raise ValueError("--mood-change is given twice for one bar; give each bar once")
        self._follower = follower
        self._first: list[Line] = []
        self.say: Callable[[str], None] = lambda text: None
        if follower is not None:
            for number, line in follower.lines():
                try:
                    self._first.append(read_line(line))
                except ValueError as error:
                    raise ValueError(f"line {number} of {follower.name}: {error}") from None

    def next_block(self, stream: Stream, sampling: Sampling | None = None) -> Block | None:
        """The next block of a stream, with what is wished for by now; None where its end is."""
        from flowmusic.generate.stream import Change, repeating

        text, harmony = None, None
        due = [bar for bar in self._moods if bar <= stream.bar]
        for bar in sorted(due):
            text = self._moods.pop(bar)
        for line in self._lines():
            if line.stop:
                return None
            text = text if line.text is None else line.text
            harmony = harmony if line.bars is None else repeating(line.bars)
        if text is not None:
            self.say(f"bar {stream.bar + 1}: {text}")
        if harmony is not None:
            self.say(f"bar {stream.bar + 1}: new chords")
        said = None if text is None else of_words(text)
        return stream.next_block(Change(text, harmony, said), sampling, min(self._moods, default=None))

    def blocks(self, stream: Stream, stopped: threading.Event) -> Iterator[Tensor]:
        """Samples of one block after the other, until the end or a stop."""
        while not stopped.is_set() and (block := self.next_block(stream)) is not None:
            yield block.samples

    def _lines(self) -> list[Line]:
        found, self._first = self._first, []
        if self._follower is None:
            return found
        try:
            for number, line in self._follower.lines():
                try:
                    found.append(read_line(line))
                except ValueError as error:
                    self.say(f"line {number} of {self._follower.name} is passed over: {error}")
        except ValueError as error:
            self.say(f"passed over: {error}")
        for notice in (notice for line in found for notice in line.notices):
            self.say(notice)
        return found
