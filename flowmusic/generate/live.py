"""A stream while somebody listens: blocks made ahead of time, and what happens where time runs short.

The producer makes blocks of a :class:`~flowmusic.generate.stream.Stream` and waits where two are ready.  The performer
hands them out as time goes by.  Where the producer is slow it evaluates the field less often; where even so no block is
there in time, the last bar is heard again, so that the beat goes on.  That needs no mending afterwards: the next block
follows the end of the last bar, whether it was heard once or twice.

The clock is an argument, so an hour can pass in a moment.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import torch
from torch import Tensor

from flowmusic.generate.sampling import Sampling
from flowmusic.generate.stream import Block, slower

READY_BLOCKS = 2
"""Blocks that are made ahead of time."""
LEAD_SECONDS = 0.5
"""A listener who has less than this left is given the last bar again."""
AHEAD_SECONDS = 1.0
"""What a listener is given ahead of time; more, and changes would be heard later."""
HURRY, EASE = 0.85, 0.6
"""Shares of a block's own time: one that took more makes the next ones coarser, one that would take less finer."""
COARSEST = 2
_POLL_SECONDS = 0.1


class Clock(Protocol):
    """Seconds that go by."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class RealClock:
    """The clock of this machine, whose sleep ends where ``stopped`` is set."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._stopped.wait(max(0.0, seconds))


class Source(Protocol):
    """Where blocks come from."""

    def get(self, seconds: float | None) -> Block | None:
        """The next block, or None if there is none after so many seconds (None: however long it takes).

        Raises: Ended where there will be none any more.
        """
        ...


class Ended(Exception):
    """There will be no more blocks."""


class Pace:
    """How coarsely to sample, by what the last block cost.

    >>> pace = Pace(Sampling("midpoint", 6))
    >>> pace.took(cost=2.2, seconds=2.0)  # more time than it lasts
    >>> pace.sampling.steps
    3
    >>> pace.took(cost=0.5, seconds=2.0)  # twice that leaves time to spare
    >>> pace.sampling.steps
    6
    """

    def __init__(self, sampling: Sampling) -> None:
        self._whole = sampling
        self.level = 0

    @property
    def sampling(self) -> Sampling:
        return slower(self._whole, self.level)

    def took(self, cost: float, seconds: float) -> None:
        """A block of so many seconds took so many to make."""
        finer = slower(self._whole, max(0, self.level - 1)).evals() / self.sampling.evals()
        if cost > HURRY * seconds:
            self.level = min(COARSEST, self.level + 1)
        elif self.level and cost * finer < EASE * seconds:
            self.level -= 1


class Producer:
    """Makes blocks in a thread of its own, at most two ahead.

    Args:
        make: the next block, sampled like this; None ends the stream.
        sampling: where there is time.
        rate: of the samples.
        clock: that blocks are timed with.
    """

    def __init__(self, make: Callable[[Sampling], Block | None], sampling: Sampling, rate: int, clock: Clock) -> None:
        self._make, self._rate, self._clock = make, rate, clock
        self.pace = Pace(sampling)
        self._ready: queue.Queue[Block | BaseException | None] = queue.Queue(READY_BLOCKS)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flowmusic stream", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        found: Block | BaseException | None
        while not self._stopped.is_set():
            began = self._clock.now()
            try:
                found = self._make(self.pace.sampling)
            except BaseException as error:  # whatever it is, it is told to who asks for the block
                found = error
            if isinstance(found, Block):
                self.pace.took(self._clock.now() - began, found.samples.shape[-1] / self._rate)
            self._put(found)
            if not isinstance(found, Block):
                return

    def _put(self, found: Block | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                return self._ready.put(found, timeout=_POLL_SECONDS)
            except queue.Full:
                continue

    def get(self, seconds: float | None) -> Block | None:
        """As :class:`Source`.  Raises: what :func:`make` raised; Ended."""
        try:
            found = self._ready.get(timeout=None if seconds is None else max(0.0, seconds))
        except queue.Empty:
            return None
        if isinstance(found, BaseException):
            raise found
        if found is None:
            raise Ended
        return found

    def stop(self) -> None:
        """End after the block that is being made."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until that is done."""
        self._thread.join()


@dataclass
class Report:
    """What a listener was given: seconds, blocks, and bars that were heard again for want of a block."""

    seconds: float = 0.0
    blocks: int = 0
    repeats: int = 0
    late: float = 0.0
    """Seconds in which there was nothing to hear."""

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s, {self.blocks} blocks, {self.repeats} bars again, {self.late:.2f} s without sound"


def perform(
    source: Source,
    write: Callable[[Tensor], None],
    clock: Clock,
    rate: int,
    bar_samples: Fraction,
    *,
    most_samples: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Report:
    """Hand out a stream as time goes by, until it ends, is long enough, or is stopped.

    Args:
        source: of blocks.
        write: is given samples ``[C, n]`` that follow each other.
        clock: of the listener.
        rate, bar_samples: Hz, and how long a bar is, to a part of a sample.
        most_samples: to be handed out in all; None: without an end.
        stopped: asked before every block.
    """
    report, written, begin = Report(), 0, 0.0
    last: Block | None = None
    before = torch.zeros(1, 0)
    most_bar = math.ceil(bar_samples)
    while not stopped() and (most_samples is None or written < most_samples):
        left = None if last is None else begin + written / rate - clock.now()
        try:
            block = source.get(None if left is None else max(0.0, left - LEAD_SECONDS))
        except Ended:
            break
        if block is None:
            assert last is not None
            bar = round((report.repeats + 1) * bar_samples) - round(report.repeats * bar_samples)
            samples = again(before, last.tail, bar)
            report.repeats += 1
        else:
            last, samples = block, block.samples
            report.blocks += 1
            before = torch.cat([before.expand(len(samples), -1), samples], -1)[:, -most_bar:]
        if begin == 0.0 and not written:
            begin = clock.now()
        late = clock.now() - (begin + written / rate)
        if late > 0.0 and written:
            report.late += late
            begin += late
        samples = samples if most_samples is None else samples[:, : most_samples - written]
        write(samples)
        written += samples.shape[-1]
        clock.sleep(begin + written / rate - AHEAD_SECONDS - clock.now())
    report.seconds = written / rate
    return report


def again(before: Tensor, tail: Tensor, length: int) -> Tensor:
    """The last ``length`` samples once more, behind themselves: they begin as the music would have gone on, and fade.

    Shape: before ``[C, N]``, tail ``[C, m]`` -> ``[C, length]``, or as many as there are.
    """
    samples = before[:, -length:].clone()
    fade = min(tail.shape[-1], samples.shape[-1])
    rise = torch.sin(0.5 * math.pi * (torch.arange(fade) + 0.5) / max(1, fade)).square()
    samples[:, :fade] = tail[:, :fade] * (1.0 - rise) + samples[:, :fade] * rise
    return samples
