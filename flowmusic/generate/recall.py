"""Sections that return sound like the first time: a frame of a repeat is led by the frame at the same place before.

Two ways, compared by ``benchmarks/recall.py`` (the figures are in docs/sheets.md):

- PATH: until time R of the solve a repeat is held on the path from its noise to the latents of the first time, and is
  then let go: SDEdit (Meng et al. 2022, arXiv 2108.01073), frame by frame, as inpainting holds known frames for good
  (:mod:`flowmusic.flow.inpaint`).  Windows need not begin where sections do, and no evaluation is added.
- NOISE: the noise of a repeat is R n_first + sqrt(1 - R^2) n, white and of unit variance for every R.

>>> grid = FrameGrid.of_seconds(6.0, 1)
>>> repeats([(0.0, 2.0, "A"), (2.0, 4.0, "B"), (4.0, 6.0, "a")], (), grid).tolist()
[-1, -1, -1, -1, 0, 1]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from flowmusic import limits
from flowmusic.controls.beats import interpolate
from flowmusic.flow import path
from flowmusic.types import FrameGrid, VelocityField

PATH, NOISE = "path", "noise"
METHODS = (PATH, NOISE)

Wrap = Callable[[VelocityField], VelocityField]
Section = tuple[float, float, str]
"""Start and end in seconds, and a name."""


def repeats(sections: Sequence[Section], beats: Sequence[float], grid: FrameGrid) -> Tensor:
    """For each frame of a section that was there before, the frame of its first time; -1 elsewhere.

    Names are compared without case.  Places are counted in beats from the first of a section, where it has some, so
    that a repeat at another tempo is led by the same beats.

    Shape: ``[T]`` int64.
    """
    found = torch.full((grid.length,), -1, dtype=torch.int64)
    firsts: dict[str, tuple[float, float]] = {}
    rate, times = float(grid.frame_rate), np.asarray(beats, dtype=np.float64)
    for start, end, name in sections:
        begin, stop = firsts.setdefault(name.casefold(), (start, end))
        if begin == start:
            continue
        # A frame begins a section if its centre lies in it.
        frames = np.arange(max(0, math.ceil(start * rate - 0.5)), min(grid.length, math.ceil(end * rate - 0.5)))
        centres = (frames + 0.5) / rate
        where = _same_beats(times, centres, (start, end), (begin, stop))
        inside = (where >= begin) & (where < stop)
        source = np.floor(where[inside] * rate + 1e-6).astype(np.int64)
        found[torch.from_numpy(frames[inside])] = torch.from_numpy(source)
    return found


def _same_beats(
    beats: np.ndarray, centres: np.ndarray, here: tuple[float, float], first: tuple[float, float]
) -> np.ndarray:
    """Times as many beats behind the first beat of the span ``first`` as ``centres`` are behind that of ``here``."""
    own, other = (_beats_in(beats, *span) for span in (here, first))
    if min(len(own), len(other)) < 2:
        return first[0] + (centres - here[0])
    counts = interpolate(centres, own, np.arange(len(own), dtype=np.float64))
    return interpolate(counts, np.arange(len(other), dtype=np.float64), other)


def _beats_in(beats: np.ndarray, start: float, end: float) -> np.ndarray:
    return beats[(beats >= start - 1e-3) & (beats < end - 1e-3)]


class Recall:
    """What a piece in windows remembers of its sections, for those that return.

    Args:
        sources: ``[T]``, of :func:`repeats`.
        amount: R, from 0, nothing is led, to 1, the same again.
        steps: of the solver: within a step the path is let go by the share of it that lies behind R.
        method: PATH or NOISE.

    Raises: ValueError for an amount outside 0..1 and another method.
    """

    def __init__(self, sources: Tensor, amount: float, steps: int, method: str = PATH) -> None:
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
        self._sources, self._steps, self._method = sources, steps, method
        self._amount = limits.number("share", amount, "recall")
        # Only what returns is kept: rows of the frames that are the source of another.
        self._needed = sources[sources >= 0].unique()
        self._rows: Tensor | None = None
        self._there = torch.zeros(len(self._needed), dtype=torch.bool)
        self._noise: Tensor | None = None

    @property
    def edges(self) -> list[int]:
        """Frames at which a part of the piece has to end, so that what is to be recalled is made: where repeats begin.

        >>> Recall(torch.tensor([-1, -1, 0, 1, 0, 1]), 0.5, steps=4).edges
        [2, 4]
        """
        led = self._sources >= 0
        before = torch.cat([led.new_zeros(1), led[:-1]])
        back = torch.cat([led.new_zeros(1), self._sources[1:] < self._sources[:-1]])
        return [int(n) for n in torch.nonzero(led & (~before | back)).flatten()]

    def begin(self, first: int, noise: Tensor) -> tuple[Tensor, Wrap | None]:
        """The noise ``[B, W, D]`` of a window that begins at a frame, and what changes its field, if anything does."""
        self._noise, self._first = noise, first
        places, led = self._known(first, noise.shape[1])
        if self._rows is None or not bool(led.any()) or self._amount == 0.0:
            return noise, None
        recalled = self._rows[:, places].to(noise)
        if self._method == NOISE:
            mixed = self._amount * recalled + math.sqrt(1.0 - self._amount**2) * noise
            self._noise = torch.where(led[:, None].to(noise.device), mixed, noise)
            return self._noise, None
        return noise, lambda field: self._held(field, noise, recalled, led)

    def made(self, start: int, latents: Tensor) -> None:
        """Keep of a part that begins at a frame what returns later.  Shape: ``[B, n, D]``."""
        assert self._noise is not None
        kept = latents if self._method == PATH else self._noise[:, start - self._first :][:, : latents.shape[1]]
        here = (self._needed >= start) & (self._needed < start + latents.shape[1])
        if self._rows is None:
            self._rows = torch.zeros(len(latents), len(self._needed), latents.shape[-1])
        self._rows[:, here] = kept.cpu().float()[:, self._needed[here] - start]
        self._there |= here

    def _known(self, first: int, length: int) -> tuple[Tensor, Tensor]:
        """For the frames of a window the rows of their sources, and ``[W]`` bool, whether these are made."""
        frames = torch.arange(first, first + length)
        inside = frames < len(self._sources)
        source = torch.where(inside, self._sources[frames.clamp(max=len(self._sources) - 1)], -1)
        places = torch.searchsorted(self._needed, source.clamp(min=0)).clamp(max=max(0, len(self._needed) - 1))
        return places, (source >= 0) & (self._there[places] if len(self._needed) else torch.zeros_like(inside))

    def _held(self, field: VelocityField, noise: Tensor, recalled: Tensor, led: Tensor) -> VelocityField:
        def velocity(z: Tensor, t: Tensor) -> Tensor:
            z_0, towards = noise.to(z), path.velocity(noise.to(z), recalled.to(z))
            # The share of a step around t that lies before R: with a midpoint rule this is exact.
            share = ((self._amount - t) * self._steps + 0.5).clamp(0.0, 1.0)[:, None, None]
            share = share * led.to(z.device)[None, :, None]
            on_path = torch.where(share >= 1.0, path.point(z_0, recalled.to(z), t), z)
            return share * towards + (1.0 - share) * field(on_path, t)

        return velocity
