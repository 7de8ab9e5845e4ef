"""Which way a piece longer than a window is drawn: left to right, or in two passes (docs/long.md compares them).

>>> grid = FrameGrid.of_seconds(60, 25)
>>> apart(Controls(("free",)), grid, window=250)
False
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from flowmusic.generate.draw import Given, Model
from flowmusic.generate.long import OVERLAP_SECONDS, Ask, Part, bar_lines, in_order, left_to_right
from flowmusic.generate.recall import Recall
from flowmusic.generate.sampling import Noise, Sampling
from flowmusic.generate.skeleton import in_two_passes, skeleton
from flowmusic.types import Controls, FrameGrid, Progress

AROUND_SECONDS = 1.5
"""Of the music on either side that a part of the second pass sees at least."""
LEAST_WINDOWS = 2
"""A piece that is no longer than so many windows is drawn left to right: a pass would have one part."""


def apart(controls: Controls, grid: FrameGrid, window: int) -> bool:
    """Whether parts that are made apart from each other would fit: chords and beats are asked for throughout.

    Blurred chords have gaps at every change; one of a quarter of a window leaves the harmony open.
    """
    if grid.length <= LEAST_WINDOWS * window:
        return False
    tracks = [controls.tracks.get(name) for name in ("chords", "beats")]
    return all(track is not None and _longest_gap(track.known) < window // 4 for track in tracks)


def _longest_gap(known: Tensor) -> int:
    """Frames in a row that nobody asks anything of, in any item.  Shape: ``[B, T]`` bool."""
    open_ = (~known).long().cpu()
    total = open_.cumsum(1)
    # What was counted when the gap began: the running count at the last frame that is known.
    begun = torch.where(open_ == 0, total, 0).cummax(1).values
    return int((total - begun).max())


def parts_of(
    grid: FrameGrid,
    controls: Controls,
    window: int,
    cuts: Sequence[int] = (),
    sections: Sequence[int] = (),
    edges: Sequence[int] = (),
) -> tuple[Part, ...]:
    """The parts of a piece from left to right, see :func:`flowmusic.generate.long.in_order`.

    Args:
        cuts: ascending frames at which the music begins anew: nothing before is seen from there on.
        sections, edges: frames at which a part rather ends than on a bar line, and at which it has to.
    """
    overlap = min(round(OVERLAP_SECONDS * float(grid.frame_rate)), window // 2)
    lines = bar_lines(controls) if grid.length > window else []
    begins = [0, *cuts, grid.length]
    found: list[Part] = []
    for first, last in zip(begins, begins[1:], strict=False):
        places = [[at - first for at in each if first < at <= last] for each in (lines, sections, edges)]
        found += [part.moved(first) for part in in_order(last - first, window, overlap, *places)]
    return tuple(found)


def drawn(
    model: Model,
    ask: Ask,
    controls: Controls,
    grid: FrameGrid,
    window: int,
    noise: Noise,
    sampling: Sampling,
    *,
    cuts: Sequence[int] = (),
    sections: Sequence[int] = (),
    recall: Recall | None = None,
    given: Given | None = None,
    steady: bool = True,
    progress: Progress | None = None,
) -> Iterator[tuple[Tensor, int]]:
    """The latents of a piece part by part, and the evaluations that each took.

    What is to wander (``steady`` is False), to begin anew, to return to its sections, or has frames that stay is drawn
    from left to right; so is what leaves harmony or beat open.

    Args:
        controls: the whole request, on ``grid``.
        window: frames that are drawn at once.
        cuts, sections: as in :func:`parts_of`.
        recall, given, steady: as in :func:`flowmusic.generate.long.left_to_right`.
    """
    if steady and not cuts and recall is None and given is None and apart(controls, grid, window):
        around = min(round(AROUND_SECONDS * float(grid.frame_rate)), (window - 1) // 4)
        parts = skeleton(grid.length, window, around, bar_lines(controls))
        yield from in_two_passes(model, ask, parts, noise, sampling, progress=progress)
        return
    edges = () if recall is None else recall.edges
    parts = parts_of(grid, controls, window, cuts, sections, edges)
    yield from left_to_right(
        model, ask, parts, noise, sampling, given=given, steady=steady, recall=recall, progress=progress
    )
