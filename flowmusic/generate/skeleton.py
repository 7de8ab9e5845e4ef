"""A long piece in two passes: every other part first, apart from each other, then those between, which see both sides.

Nothing is led on by what it made itself, so errors cannot add up over a piece (docs/long.md compares), and parts of a
pass may be drawn at once.  It is for music whose harmony and beat are asked for: parts that are made apart from each
other agree in what the request says, and in their level and timbre by being moved to the mean of the opening.

>>> parts = skeleton(600, window=250, around=62)
>>> [(part.window.start, part.start, part.stop) for part in parts]
[(0, 0, 250), (188, 250, 376), (350, 376, 600)]
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.draw import Given, Model, draw
from flowmusic.generate.long import Ask, Part, last_line
from flowmusic.generate.sampling import Noise, Sampling
from flowmusic.generate.windows import Window
from flowmusic.types import Codec, Progress, Solution


def skeleton(length: int, window: int, around: int, lines: Iterable[int] = ()) -> tuple[Part, ...]:
    """Parts in the order of time; those of even number are drawn first.

    A part ends on the last of the ``lines`` that it may reach, unless that would leave half of its room unused.

    Args:
        length: frames of the piece, more than ``window``.
        window: frames that are drawn at once.
        around: frames that a part of the second pass sees at least on either side, where there are as many.
        lines: frames at which a bar begins.

    Raises: ValueError for a piece of one window, and sides that leave no room between them.
    """
    if not window < length:
        raise ValueError(f"a piece of {length} frames is no longer than a window of {window}, which is drawn at once")
    if not 0 <= 2 * around < window:
        raise ValueError(f"around must be at least 0 and below half of the window of {window} frames, got {around}")
    bars = sorted(lines)
    found: list[Part] = []
    start = 0
    while start < length:
        second = len(found) % 2 == 1
        reach = start + (window - 2 * around if second else window)
        stop = length if reach >= length else last_line(bars, start, reach)
        # The second kind lies in the middle of what it sees, the first at its beginning; no window leaves the piece.
        first = (start + stop - window) // 2 if second else start
        first = max(0, min(first, length - window))
        found.append(Part(Window(first, first + window), start, stop))
        start = stop
    return tuple(found)


def in_two_passes(
    model: Model,
    ask: Ask,
    parts: Sequence[Part],
    noise: Noise,
    sampling: Sampling,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Tensor, int]]:
    """Draw parts of :func:`skeleton`.  Noise is drawn in the order of time, so takes do not depend on the threads.

    Args:
        model: a Generator.
        ask: what is wanted of a window.
        noise: where each window's comes from.
        threads: windows that are drawn at once, each on one thread; default: on the CPU as many as torch has, else 1.
        progress: called with the evaluations of all windows.

    Yields: latents ``[B, stop - start, D]`` of each part, on the model's device, and the evaluations that they took,
    when all are there.
    """
    board = _Board(model, ask, parts, sampling, _Tally(progress, len(parts), sampling.evals()))
    noises = [noise.draw(part.window.stop - part.window.start, model.codec.dim) for part in parts]
    board.draw(0, noises[0])
    number = threads or (torch.get_num_threads() if model.device.type == "cpu" else 1)
    with _Workers(number) as workers:
        workers.over(lambda n: board.draw(n, noises[n]), range(2, len(parts), 2))
        workers.over(lambda n: board.draw(n, noises[n]), range(1, len(parts), 2))
    for number, part in enumerate(parts):
        yield board.latents[:, part.start : part.stop], board.evals[number]


@dataclass
class _Readers:
    """A model whose encoder is asked by one thread at a time: tokenizers and caches are not made for more."""

    field: nn.Module
    encoder: Any
    codec: Codec
    autocast: torch.dtype | None
    device: torch.device
    defaults: GenerationDefaults


class _InTurn:
    """Calls to an encoder, one at a time."""

    def __init__(self, encoder: nn.Module) -> None:
        self._encoder, self._lock = encoder, threading.Lock()
        branch = getattr(encoder, "branch", None)
        if branch is not None:
            self.branch = self._locked(branch)

    def __call__(self, *args: Any, **names: Any) -> Any:
        return self._locked(self._encoder)(*args, **names)

    def _locked(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def locked(*args: Any, **names: Any) -> Any:
            with self._lock:
                return call(*args, **names)

        return locked


class _Board:
    """The whole piece, and which of it is there."""

    def __init__(self, model: Model, ask: Ask, parts: Sequence[Part], sampling: Sampling, tally: _Tally) -> None:
        self._model = _Readers(
            model.field, _InTurn(model.encoder), model.codec, model.autocast, model.device, model.defaults
        )
        self._ask, self._parts, self._sampling, self._tally = ask, parts, sampling, tally
        self.latents = torch.zeros(0)
        self.evals = [0] * len(parts)
        self._there = torch.zeros(0)

    def draw(self, number: int, noise: Tensor) -> None:
        part = self._parts[number]
        here = slice(part.window.start, part.window.stop)
        if number == 0:
            size = (len(noise), self._parts[-1].stop)
            self.latents = torch.zeros(*size, noise.shape[-1], device=self._model.device)
            self._there = torch.zeros(*size, dtype=torch.bool, device=self._model.device)
        # Neighbours of the first pass may lie in the same window by a few frames; they are made without each other.
        given: Given | None = (self.latents[:, here].clone(), self._there[:, here].clone()) if number % 2 else None
        solution: Solution = draw(
            self._model, self._ask(part.window), noise, self._sampling, given=given, progress=self._tally.of(number)
        )
        made = solution.z[:, part.start - part.window.start : part.stop - part.window.start]
        if number and number % 2 == 0:
            opening = self.latents[:, : self._parts[0].stop]
            made = made + opening.mean(1, keepdim=True) - made.mean(1, keepdim=True)
        self.latents[:, part.start : part.stop] = made
        self._there[:, part.start : part.stop] = True
        self.evals[number] = solution.num_evals


class _Tally:
    """One bar over windows that are drawn at once."""

    def __init__(self, progress: Progress | None, windows: int, each: int) -> None:
        self._progress, self._lock = progress, threading.Lock()
        self._done, self._total = [0] * windows, [each] * windows

    def of(self, number: int) -> Progress | None:
        progress = self._progress
        if progress is None:
            return None

        def told(done: int, total: int) -> None:
            with self._lock:
                self._done[number], self._total[number] = done, total
                progress(sum(self._done), sum(self._total))

        return told


class _Workers:
    """Threads of one computing thread each: small matrices gain little from being shared out (docs/speed.md)."""

    def __init__(self, number: int) -> None:
        self._before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(number, initializer=torch.set_num_threads, initargs=(1,))

    def __enter__(self) -> _Workers:
        return self

    def over(self, work: Callable[[int], None], numbers: Iterable[int]) -> None:
        """All of it, or the first exception once what has begun is over."""
        # Whoever listens to the progress of this thread hears that of its workers.
        futures: list[Future[None]] = [self._pool.submit(copy_context().run, work, number) for number in numbers]
        done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        for future in waiting:
            future.cancel()
        for future in (*done, *(each for each in waiting if not each.cancelled())):
            future.result()

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        # Some libraries below torch count threads for the whole process.
        torch.set_num_threads(self._before)
