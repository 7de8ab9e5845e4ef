"""Music of any length, window after window, with the latents of the present window alone in memory.

A window continues what the one before it made: that is told to the encoder and held on its path, so there is nothing to
cross-fade.  Where bar lines are known a window's own part ends on one, as a musician would splice.

>>> parts = in_order(600, window=250, overlap=62, lines=range(0, 600, 50))
>>> [(part.window.start, part.start, part.stop) for part in parts]
[(0, 0, 250), (150, 250, 400), (300, 400, 550), (350, 550, 600)]
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.controls import beats as beat_tracks
from flowmusic.generate.draw import Given, Model, draw
from flowmusic.generate.opening import Opening
from flowmusic.generate.passages import Passage
from flowmusic.generate.recall import Recall
from flowmusic.generate.sampling import Noise, Sampling
from flowmusic.generate.windows import Window, cut_controls
from flowmusic.types import Codec, Controls, Guidance, Progress

OVERLAP_SECONDS = 2.5
"""How much of the music before it a window sees at least."""
DECODED_FRAMES = 250
"""Latent frames that are decoded at once."""
LEAST_SHARE = 0.5
"""Of its room that a window's own part must fill, or it does not end on a bar line."""

Ask = Callable[[Window], Sequence[Passage]]
"""What is asked of a window."""


@dataclass(frozen=True)
class Part:
    """A window, and the frames ``[start, stop)`` of the piece that are taken from it; those before are known."""

    window: Window
    start: int
    stop: int

    def moved(self, frames: int) -> Part:
        """The same so many frames later."""
        window = Window(self.window.start + frames, self.window.stop + frames)
        return Part(window, self.start + frames, self.stop + frames)


def in_order(
    length: int,
    window: int,
    overlap: int,
    lines: Iterable[int] = (),
    sections: Iterable[int] = (),
    edges: Iterable[int] = (),
) -> tuple[Part, ...]:
    """Parts that follow each other over ``length`` frames, each drawn in a window of exactly ``window``.

    A part ends on the last of the ``lines`` that its window reaches, unless that would leave half of its room unused;
    the window is moved back to end there, and so sees more of the music before it.  Without lines these are the windows
    of :func:`flowmusic.generate.windows.cover`.

    Args:
        overlap: least frames before a part that its window sees.
        lines: frames at which a bar begins.
        sections: frames at which a section begins: a part rather ends there than on a bar line, by the same rule.
        edges: frames at which a part ends in any case.

    Raises: ValueError for lengths below one frame, and an overlap that leaves no room.
    """
    if length < 1 or window < 1:
        raise ValueError(f"length and window must be at least one frame, got {length} and {window}")
    if not 0 <= overlap < window:
        raise ValueError(f"overlap must be at least 0 and less than the window of {window} frames, got {overlap}")
    bars, begins, walls = sorted(lines), sorted(sections), sorted(edges)
    found: list[Part] = []
    start = 0
    while start < length:
        reach = min(length, max(0, start - overlap) + window)
        wall = next((edge for edge in walls if start < edge <= reach), None)
        stop = last_line(begins, start, reach)
        stop = stop if stop < reach else last_line(bars, start, reach)
        stop = wall or (reach if reach == length else stop)
        first = max(0, stop - window)
        found.append(Part(Window(first, first + window), start, stop))
        start = stop
    return tuple(found)


def last_line(lines: Sequence[int], start: int, reach: int) -> int:
    at = bisect_right(lines, reach)
    return lines[at - 1] if at and lines[at - 1] >= start + LEAST_SHARE * (reach - start) else reach


def asking(
    controls: Controls,
    guidance: Guidance | Callable[[Window], Guidance | Sequence[Guidance]],
    negative: tuple[Controls, float] | None = None,
) -> Ask:
    """One request over the whole piece: each window sees its own part of the tracks, and of guidance over time."""

    def ask(window: Window) -> list[Passage]:
        unwanted = negative and (cut_controls(negative[0], window), negative[1])
        weights = guidance if isinstance(guidance, Guidance) else guidance(window)
        return [Passage(cut_controls(controls, window), weights, negative=unwanted)]

    return ask


def bar_lines(controls: Controls) -> list[int]:
    """Frames at which bars begin by the beats of the first item, empty where they are not known."""
    track = controls.tracks.get("beats")
    if track is None:
        return []
    first = controls.rows(slice(0, 1)).tracks["beats"]
    return [round(time * float(track.grid.frame_rate)) for time in beat_tracks.from_track(first).downbeats]


@torch.no_grad()
def left_to_right(
    model: Model,
    ask: Ask,
    parts: Sequence[Part],
    noise: Noise,
    sampling: Sampling,
    *,
    given: Given | None = None,
    steady: bool = False,
    told: bool = True,
    recall: Recall | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Tensor, int]]:
    """Draw parts one after the other, as they are asked for.

    Args:
        model: a Generator.
        ask: what is wanted of a window.
        parts: of :func:`in_order`.
        noise: where each window's comes from.
        given: latents of the whole piece ``[B, T, D]``, and ``[B, T]`` bool, True where they are to stay.
        steady: move the music before each window to the mean of the opening (:mod:`flowmusic.generate.opening`).
        told: tell the encoder of the music before; otherwise it is held on its path alone.
        recall: of sections that return.
        progress: called with the evaluations of all windows.

    Yields: latents ``[B, stop - start, D]`` of each part, on the model's device, and the evaluations that they took.
    """
    past: Tensor | None = None
    opening = Opening(float(model.codec.frame_rate))
    begins, done, each = 0, 0, sampling.evals()
    for number, part in enumerate(parts):
        window = part.window
        passages = ask(window)
        known = torch.zeros(passages[0].controls.batch, window.stop - window.start, model.codec.dim)
        known = known.to(model.device)
        keep = torch.zeros(known.shape[:-1], dtype=torch.bool, device=known.device)
        if given is not None:
            inside = min(given[0].shape[1], window.stop) - window.start
            known[:, :inside] = given[0][:, window.start : window.stop].to(known)
            keep[:, :inside] = given[1][:, window.start : window.stop].to(keep.device)
        if past is not None:
            before = part.start - window.start
            known[:, :before] = past[:, window.start - begins :] + (opening.shift() if steady else 0.0)
            keep[:, :before] = True
        z_0, wrap = noise.draw(known.shape[1], model.codec.dim), None
        if recall is not None:
            z_0, wrap = recall.begin(window.start, z_0)
        solution = draw(
            model,
            passages,
            z_0,
            sampling,
            given=(known, keep),
            told=told,
            wrap=wrap,
            progress=shifted(progress, done, each * (len(parts) - 1 - number)),
        )
        done += solution.num_evals
        past, begins = solution.z[:, : part.stop - window.start], window.start
        made = past[:, part.start - window.start :]
        opening.add(made)
        if recall is not None:
            recall.made(part.start, made)
        yield made, solution.num_evals


def shifted(progress: Progress | None, before: int, after: int) -> Progress | None:
    """One bar over several solves: ``before`` evaluations are done, ``after`` are still to come."""
    if progress is None:
        return None
    return lambda done, total: progress(before + done, before + total + after)


def decoded(codec: Codec, latents: Iterable[Tensor], frames: int = DECODED_FRAMES) -> Iterator[Audio]:
    """Latents that come in pieces ``[B, n, D]``, as audio ``[B, C, n * hop]`` in pieces, as if decoded at once.

    A piece is decoded when all is there that its decoder looks at (``codec.context_frames`` to each side).  A codec
    that does not know how far it looks is given everything at the end.
    """
    around = _reach(codec)
    hop = round(codec.rate / codec.frame_rate)
    # `held` begins `behind` frames before the first one that is still to be decoded.
    held: Tensor | None = None
    behind = 0
    for piece in latents:
        held = piece if held is None else torch.cat([held, piece], dim=1)
        while around is not None and held.shape[1] >= behind + frames + around:
            samples = codec.decode(held[:, : behind + frames + around]).samples
            yield Audio(samples[..., behind * hop : (behind + frames) * hop], codec.rate)
            held = held[:, max(0, behind + frames - around) :]
            behind = min(around, behind + frames)
    if held is not None and held.shape[1] > behind:
        yield Audio(codec.decode(held).samples[..., behind * hop :], codec.rate)


def _reach(codec: Codec) -> int | None:
    """Latent frames to each side that a frame's audio depends on; None where that is not known."""
    try:
        reach: int | None = getattr(codec, "context_frames", None)
    except NotImplementedError:
        return None
    return reach
