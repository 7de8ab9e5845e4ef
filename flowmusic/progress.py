"""What a command says on stderr while it works: early, sparsely, and nothing when asked to be quiet.

A terminal gets a bar that draws over itself.  Anything else, a log or a pipe, gets a line now and then.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import ExitStack, contextmanager, redirect_stderr
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

FIRST_LINE_S, MOST_APART_S = 5.0, 60.0
"""Seconds until the first line of a bar that is not drawn, and the most between two; the gap doubles from the first."""
BASIS_S, BASIS_STEPS = 2.0, 3
"""Seconds and steps, the first step not counted, from which a time left is told."""
SAMPLES = 256

clock = time.monotonic


def starting(label: str, library: str = "torch") -> None:
    """Say that a command has begun, where its libraries are still to be loaded: that takes seconds of silence.

    In a process that has them, a command is at work at once and this says nothing.
    """
    if library not in sys.modules:
        _say(f"{label}: loading libraries, which takes some seconds")


def no_bars_in_a_log() -> None:
    """Keep libraries from drawing bars of tqdm, which draw over themselves, where that would fill a log.

    tqdm reads this when it is imported; our own bars are lines there anyhow.
    """
    if not _on_a_terminal():
        os.environ.setdefault("TQDM_DISABLE", "1")


@contextmanager
def quieted(quiet: bool = True) -> Iterator[None]:
    """Nothing on stderr, whoever writes there: this process, its libraries in C, its child processes.

    An exception leaves with stderr restored, so that its message is shown.
    """
    if not quiet or sys.stderr is None:
        yield
        return
    with open(os.devnull, "w") as nowhere:
        sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            with redirect_stderr(nowhere):
                yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _on_a_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _say(text: str) -> None:
    if sys.stderr is not None:  # it was closed before we came; printing to None would go to stdout
        print(text, file=sys.stderr, flush=True)


_listener: ContextVar[Callable[[Bar], object] | None] = ContextVar("listener", default=None)


@contextmanager
def telling(listener: Callable[[Bar], object]) -> Iterator[None]:
    """Every step of a bar inside, in this thread, is told to ``listener`` too, which may raise to end the work."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


class TimeLeft:
    """How long the rest will take, by the pace of the later half of what was done.

    The first step says nothing about the others: it loads what they find loaded, so that an estimate from it would
    begin at an hour.  Looking back over half of the time, and never over less than ten seconds, follows a change of
    pace without following every step.
    """

    def __init__(self) -> None:
        self.samples: list[tuple[float, int]] = []

    def seen(self, done: int) -> None:
        """So many steps are done now."""
        if not self.samples or done > self.samples[-1][1]:
            self.samples.append((clock(), done))
        if len(self.samples) > SAMPLES:
            self.samples = [self.samples[0], *self.samples[1::2]]

    def seconds(self, total: int | None) -> float | None:
        """Seconds until ``total`` steps are done; None while there is no basis for an estimate."""
        if total is None or not self.samples:
            return None
        (first_s, first), (last_s, last) = self.samples[0], self.samples[-1]
        if last_s - first_s < BASIS_S or last - first < BASIS_STEPS:
            return None
        back_s = last_s - max(10.0, (last_s - first_s) / 2)
        since_s, since = next((sample for sample in reversed(self.samples) if sample[0] <= back_s), self.samples[0])
        return (last_s - since_s) / (last - since) * max(0, total - last)


def in_words(seconds: float) -> str:
    """A rough time: whole minutes, or steps of five seconds below one.

    >>> in_words(31.0), in_words(200.0), in_words(9000.0)
    ('35 s', '4 min', '2.5 h')
    """
    if seconds < 60.0:
        return f"{max(5, -int(-seconds // 5) * 5)} s"
    if seconds < 5400.0:
        return f"{-int(-seconds // 60)} min"
    return f"{round(seconds / 1800) / 2:g} h"


class Bar:
    """Progress of one piece of work; use it as a context, or close it.

    Args:
        label: what is done.
        unit: what is counted, in the singular.
        total: how many, None if that is not known yet.
        done: how many were done before.
        scaled: write 1.2M for 1 200 000.
        shown: False for no bar at all.
        ends: a log is told the end also of what was soon over.
    """

    def __init__(
        self,
        label: str,
        unit: str,
        total: int | None = None,
        done: int = 0,
        *,
        scaled: bool = False,
        shown: bool = True,
        ends: bool = False,
    ) -> None:
        self.label, self.unit, self.total, self.done = label, unit, total, done
        self.left = TimeLeft()
        self.noted = ""
        self._gap_s = FIRST_LINE_S
        self._began_s = clock()
        self._next_s = self._began_s + FIRST_LINE_S
        self._ends = ends
        self._shown = shown
        self._drawn: Any = _terminal_bar(self, scaled) if shown and _on_a_terminal() else None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ends = self._ends and kind is None  # an error has the last word
        self.close()

    def update(self, count: int = 1) -> None:
        """So many more are done."""
        self.to(self.done + count)

    def to(self, done: int, total: int | None = None) -> None:
        """So many are done in all, out of ``total`` if that is told (now)."""
        self.done = done
        self.total = total or self.total
        self.left.seen(done)
        listener = _listener.get()
        if listener is not None:
            listener(self)
        if self._drawn is not None:
            self._drawn.show()
        elif self._shown and clock() >= self._next_s:
            self._gap_s = min(2 * self._gap_s, MOST_APART_S)
            self._next_s = clock() + self._gap_s
            self._ends = True
            _say(self.line())

    def note(self, text: str) -> None:
        """Something to stand beside the figures from the next update on."""
        self.noted = text

    def remaining(self) -> str:
        """``, about 3 min left``, or nothing while there is no basis for it."""
        seconds = self.left.seconds(self.total)
        return "" if seconds is None else f", about {in_words(seconds)} left"

    def line(self) -> str:
        """The state on one line."""
        of = "" if self.total is None else f"/{self.total}"
        noted = f", {self.noted}" if self.noted else ""
        return f"{self.label}: {self.done}{of} {self.unit}s{noted}{self.remaining()}"

    def close(self) -> None:
        """The work is over."""
        if self._drawn is not None:
            self._drawn.close()
            self._drawn = None
        elif self._shown and self._ends:
            took_s = clock() - self._began_s
            took = f"{took_s:.0f} s" if took_s < 60.0 else in_words(took_s)
            _say(f"{self.label}: {self.done} {self.unit}s in {took}")
        self._shown = False


def over(items: Iterable[T], label: str, unit: str, total: int | None = None, shown: bool = True) -> Iterator[T]:
    """The items, each counted when the next one is asked for.  A sequence knows its own ``total``."""
    known = len(items) if total is None and isinstance(items, Sized) else total
    with Bar(label, unit, known, shown=shown) as bar:
        for item in items:
            yield item
            bar.update()


def _terminal_bar(bar: Bar, scaled: bool) -> Any:
    from tqdm import tqdm

    class Drawn(tqdm):  # type: ignore[type-arg]
        """A bar of tqdm with our time left, and a total that may come later."""

        @property
        def format_dict(self) -> dict[str, Any]:
            return {**super().format_dict, "left": bar.remaining(), "noted": f", {bar.noted}" if bar.noted else ""}

        def show(self) -> None:
            self.total = bar.total
            self.bar_format = _format(bar.total)
            self.update(bar.done - self.n)

    return Drawn(
        desc=bar.label, unit=bar.unit, total=bar.total, initial=bar.done, unit_scale=scaled, file=sys.stderr,
        disable=False, leave=False, dynamic_ncols=True, bar_format=_format(bar.total),
    )  # fmt: skip


def _format(total: int | None) -> str:
    if total is None:
        return "{desc}: {n_fmt} {unit} [{elapsed}{noted}]"
    return "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {unit} [{elapsed}{left}{noted}]"


@contextmanager
def bar(label: str, unit: str) -> Iterator[Callable[[int, int], Callable[[int], object]]]:
    """A bar that begins once somebody tells how much there is to do: ``begin(total, done)`` gives its update."""

    def begin(total: int, done: int) -> Callable[[int], object]:
        return bars.enter_context(Bar(label, unit, total, done, ends=True)).update

    with ExitStack() as bars:
        yield begin
