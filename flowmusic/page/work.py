"""One piece of work at a time, in a thread of its own, with progress, and an end whenever its owner says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from flowmusic import progress
from flowmusic.errors import UsageError

T = TypeVar("T")

MOST_WAITING = 4
"""Pieces of work that one owner may have here at once."""
WAIT_S = 0.25
"""How often a person is told how far it is, where anything has changed."""


class Stopped(BaseException):
    """The owner of a piece of work wants no more of it.  As an interrupt, it passes whoever makes do with an error."""


@dataclass
class Work(Generic[T]):
    """A function that runs, or waits for its turn.

    Attributes:
        line: how far it is, in words.
        share: the same in 0..1; None where it is not known.
    """

    owner: str
    act: Callable[[], T]
    line: str = "waiting"
    share: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    result: T | None = None
    error: BaseException | None = None

    def heard(self, bar: progress.Bar) -> None:
        """Called by each bar of the work, between two steps.  Raises: Stopped, which ends the work there."""
        if self.stop.is_set():
            raise Stopped
        self.line = bar.line()
        self.share = bar.done / bar.total if bar.total else None

    def states(self) -> Iterator[tuple[str, float | None]]:
        """Line and share whenever they change, until the work is over."""
        last: Any = object()
        while not self.done.wait(WAIT_S):
            now = (self.line, self.share)
            if now != last:
                last = now
                yield now

    def outcome(self) -> T:
        """What the function returned.  Raises: what it raised."""
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class Desk:
    """Where work is handed in; the model is one, so one piece is done at a time, in the order of coming."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._works: list[Work[Any]] = []

    def begin(self, owner: str, act: Callable[[], T]) -> Work[T]:
        """Run a function in a thread once its turn has come.  A page that goes away does not stop it.

        Raises: UsageError for an owner who waits for :data:`MOST_WAITING` pieces already.
        """
        work: Work[T] = Work(owner, act)
        with self._moved:
            if sum(each.owner == owner for each in self._works) >= MOST_WAITING:
                raise UsageError(f"{MOST_WAITING} jobs of yours are waiting already; wait for one, or cancel them")
            self._works.append(work)
        threading.Thread(target=self._run, args=(work,), daemon=True, name="flowmusic work").start()
        return work

    def stop(self, owner: str) -> int:
        """Stop what this owner has handed in, at its next step.  Returns: how many pieces of work."""
        with self._moved:
            mine = [work for work in self._works if work.owner == owner]
            for work in mine:
                work.stop.set()
                work.line = "stopping after this step"
            self._moved.notify_all()
        return len(mine)

    def _run(self, work: Work[Any]) -> None:
        try:
            with self._moved:
                while self._works[0] is not work and not work.stop.is_set():
                    before = self._works.index(work)
                    work.line = f"waiting: {before} {'job' if before == 1 else 'jobs'} before this one"
                    self._moved.wait()
            if work.stop.is_set():
                raise Stopped
            work.line = "preparing"
            with progress.telling(work.heard):
                work.result = work.act()
        except BaseException as error:  # handed to whoever waits for the outcome
            work.error = error
        finally:
            with self._moved:
                self._works.remove(work)
                self._moved.notify_all()
            work.done.set()
