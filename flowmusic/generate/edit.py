"""Regenerate parts of a piece and leave the rest as it is: windows around each part, told of what is known beside it.

The field was trained with masks, so a window is given the latents around the part as context, and they are held on
their path while the rest is solved (:mod:`flowmusic.flow.inpaint`).  An encoder that reads no context
(``reads_context``) is led by the path alone, as in RePaint (Lugmayr et al. 2022, arXiv 2201.09865).

>>> [(part.start, part.stop) for part in plan(Window(300, 350), length=1000, window=250, context=62)]
[(200, 450)]
>>> [(part.start, part.stop) for part in plan(Window(300, 700), length=1000, window=250, context=62)]
[(238, 488), (426, 676), (512, 762)]
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from flowmusic.facts import Facts
from flowmusic.generate.draw import draw
from flowmusic.generate.generator import Generator, check_seed, draw_seed
from flowmusic.generate.long import OVERLAP_SECONDS, shifted
from flowmusic.generate.passages import Passage
from flowmusic.generate.sampling import Noise, Sampling, SeededNoise
from flowmusic.generate.windows import Window, cover, cut_controls
from flowmusic.types import FACTS, STYLE, TEXT, Controls, FrameGrid, Generation, Guidance, Progress, Prompt, Track
from flowmusic.units import first_frame_at_or_after, seconds_to_frame

Span = tuple[float, float]
"""Start and end in seconds."""
LEAST_CONTEXT_SECONDS = 1.0
"""A part that leaves so much on both sides of one window is drawn in one."""


def edit(
    model: Generator,
    latents: Tensor,
    controls: Controls,
    regions: Sequence[Span],
    *,
    guidance: Guidance | None = None,
    sampling: Sampling | None = None,
    told: bool = False,
    seed: int | None = None,
    noise: Noise | None = None,
    progress: Progress | None = None,
) -> Generation:
    """Make the regions of a piece anew.

    Args:
        latents: the piece, ``[B, T, D]``.
        controls: what holds for it, tracks on T frames; inside the regions that is what is asked for (:func:`inside`).
            Words and style are read for the regions alone.
        regions: in seconds from the beginning of the piece, apart from each other.
        guidance, sampling: default to the model's own.
        told: whether the encoder is told what is known beside the regions.  If not, the music there leads by its path
            alone: chords are followed more closely, and edits after one another stay as loud as the piece was, where
            those that are told grow by some tenths of a decibel each time (docs/editing.md).
        seed: item b starts from noise of seed + b; None draws one.
        noise: where the windows' noise comes from; default: the seed.
        progress: called as ``progress(done, total)`` after every field evaluation.

    Returns: Generation of the whole; outside of the regions (:func:`frames`) its latents are those given.
    Raises: ValueError for regions that are empty or not in the piece, NotFinite if the solve diverges.
    """
    grid = FrameGrid(model.codec.frame_rate, latents.shape[1])
    spans = [frames(region, grid) for region in regions]
    if not spans:
        raise ValueError("an edit needs at least one region")
    more: Any = {"guidance": guidance, "sampling": sampling, "told": told, "noise": noise, "progress": progress}
    return fill(model, latents, controls, spans, seed=seed, **more)


def fill(
    model: Generator,
    latents: Tensor,
    controls: Controls,
    spans: Sequence[Window],
    *,
    guidance: Guidance | None = None,
    sampling: Sampling | None = None,
    told: bool = True,
    seed: int | None = None,
    noise: Noise | None = None,
    progress: Progress | None = None,
) -> Generation:
    """As :func:`edit`, for spans of frames, whatever the latents hold there."""
    batch, length, dim = latents.shape
    grid = FrameGrid(model.codec.frame_rate, length)
    guidance, sampling = guidance or model.defaults.guide(), sampling or model.sampling()
    seed = draw_seed() if seed is None else check_seed(seed)
    noises = noise or SeededNoise.counted(seed, batch)
    window = model.window_frames(grid)
    rate = float(grid.frame_rate)
    context = min(round(OVERLAP_SECONDS * rate), window // 3)
    known = torch.zeros(batch, max(length, window), dim, device=model.device)
    known[:, :length] = latents.to(known)
    keep = torch.zeros(known.shape[:2], dtype=torch.bool, device=model.device)
    keep[:, :length] = True
    for span in spans:
        keep[:, span.start : span.stop] = False
    parts = [(span, part) for span in spans for part in plan(span, length, window, context)]
    evals, each = 0, sampling.evals()
    for number, (span, part) in enumerate(parts):
        here = slice(part.start, part.stop)
        solution = draw(
            model,
            [Passage(cut_controls(controls, part), guidance)],
            noises.draw(window, dim),
            sampling,
            given=(known[:, here], keep[:, here]),
            told=told,
            progress=shifted(progress, evals, each * (len(parts) - 1 - number)),
        )
        # Other spans that lie in the window are left to windows of their own, in whose middle they are.
        first, last = max(part.start, span.start), min(part.stop, span.stop)
        known[:, first:last] = solution.z[:, first - part.start : last - part.start]
        keep[:, first:last] = True
        evals += solution.num_evals
    return model.finished(known[:, :length], controls, guidance, sampling, seed, evals)


def frames(region: Span, grid: FrameGrid) -> Window:
    """The frames that are made anew for a region: those that it touches.

    A frame more on both sides, to be cut away, makes seams worse: what is beside the region then differs from the piece
    (``benchmarks/editing.py``, docs/editing.md).

    Raises: ValueError for a region that is empty, or not within the grid.
    """
    start, end = region
    rate = float(grid.frame_rate)
    if not 0.0 <= start < end <= grid.seconds + 1e-6:
        raise ValueError(f"a region must begin before it ends, in 0 to {grid.seconds:g} s; got {start:g} to {end:g}")
    # Rounding first keeps 2.0000001 s from touching a frame more.
    first, last = math.floor(round(start * rate, 3)), math.ceil(round(end * rate, 3))
    return Window(first, min(grid.length, last))


def plan(span: Window, length: int, window: int, context: int) -> tuple[Window, ...]:
    """Windows of ``window`` frames that fill a span of a piece of ``length`` frames, in the order to be drawn in.

    A span that leaves a second on both sides gets one window around it.  A longer one is filled from left to right,
    each window beginning with ``context`` frames that are known, and the last one ending with as many that follow.
    Before the beginning of the music there is nothing to go on from, so there it is filled from right to left.
    """
    size = span.stop - span.start
    least = min(context, round(context * LEAST_CONTEXT_SECONDS / OVERLAP_SECONDS))
    before, after = min(span.start, least), min(length - span.stop, least)
    if before + size + after <= window:
        start = span.start - (window - size) // 2
        start = max(0, min(start, length - window))
        return (Window(start, start + window),)
    if span.start == 0 and span.stop < length:
        mirrored = plan(Window(length - span.stop, length), length, window, context)
        return tuple(Window(length - part.stop, length - part.start) for part in mirrored)
    first, last = max(0, span.start - context), min(length, span.stop + context)
    return tuple(Window(first + part.start, first + part.stop) for part in cover(last - first, window, context))


def inside(
    old: Controls, new: Controls, regions: Sequence[Span], grid: FrameGrid, free: Collection[str] = ()
) -> Controls:
    """What holds for an edited piece: ``new`` in the regions where it says something, else ``old`` unless it is free.

    Args:
        old: of the whole piece, on ``grid``.
        new: likewise; its words with their facts, and its style, replace those of ``old``, where it has any.
        free: names of tracks, ``text``, ``facts`` and ``style``, that are not to be kept from ``old`` in the regions.

    Raises: ValueError for tracks of one name of different kinds.
    """
    tracks: dict[str, Track] = {}
    for name in dict.fromkeys((*old.tracks, *new.tracks)):
        given = new.tracks.get(name)
        if given is None and name in free:
            given = old.tracks[name].unknown()
        here = _frames_of(name, regions, grid)
        tracks[name] = old.tracks[name] if given is None else _joined(old.tracks.get(name), given, here)
    kept = old.only({*old.names()} - {*free})
    text, facts = reworded(kept, new)
    return Controls(text, tracks, new.style if STYLE in new.names() else kept.style, facts)


def reworded(old: Controls, new: Controls) -> tuple[tuple[Prompt, ...], tuple[Facts | None, ...]]:
    """Words and facts of a request that was made anew: facts go with the words that say them.

    New words come with their own facts and no others; facts alone (flags) count more than those from before.
    """
    if TEXT in new.names():
        return new.text, new.facts
    if FACTS not in new.names():
        return old.text, old.facts
    before = old.facts or (None,) * old.batch
    facts = tuple(a.over(b) if a and b else a or b for a, b in zip(new.facts, before, strict=True))
    return old.text, facts


def _frames_of(name: str, regions: Sequence[Span], grid: FrameGrid) -> Tensor:
    """``[T]``, True in the regions: by the rule that chords snap to frames with, or that hits and notes do."""
    place = first_frame_at_or_after if name == "chords" else seconds_to_frame
    here = torch.zeros(grid.length, dtype=torch.bool)
    for start, end in regions:
        here[place(start, grid.frame_rate) : place(end, grid.frame_rate)] = True
    return here


def _joined(outside: Track | None, given: Track, here: Tensor) -> Track:
    """``given`` where ``here [T]`` is True, else the other one, or unknown."""
    if outside is None:
        return replace(given, known=given.known & here)
    if outside.values.shape != given.values.shape:
        raise ValueError(
            f"tracks of one name must be of one kind, got {tuple(outside.values.shape)} and {tuple(given.values.shape)}"
        )
    where = here if given.values.ndim == 2 else here[:, None]
    return Track(
        torch.where(where, given.values, outside.values), torch.where(here, given.known, outside.known), given.grid
    )
