"""A story: sections of one piece, each with its own words, style and guidance, that fade into each other.

What sections say of chords, melody and drums is joined into one set of tracks; words, style and guidance change in
velocity, by shares of each frame that cross over at the sections' borders.  So a fade is one music on its way from one
request to the next, on one tempo grid, and not two that are heard at once.

>>> shares([0.0, 2.0], [0.0, 2.0], FrameGrid.of_seconds(4, 1)).tolist()
[[1.0, 0.75, 0.25, 0.0], [0.0, 0.25, 0.75, 1.0]]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flowmusic.curves import GuidanceOverTime
from flowmusic.generate.long import Ask
from flowmusic.generate.passages import Passage
from flowmusic.generate.piece import over
from flowmusic.generate.windows import Window, cut_controls
from flowmusic.types import Controls, FrameGrid, Guidance, Track

DEFAULT_FADE_SECONDS = 2.0
"""How long a change takes where no bar is known."""


@dataclass(frozen=True)
class Section:
    """A part of a piece.

    Args:
        start: seconds from the beginning of the piece.
        controls: a batch of one: words, facts and style, and what is known of its tracks, on a grid of its own that
            begins with it; tracks may be left out.
        guidance: the piece's own if left out; of one over time, the times are those of the piece.
        fade: seconds that the change into it takes, half before its start; 0 is a cut, None the piece's own.
    """

    start: float
    controls: Controls
    guidance: Guidance | GuidanceOverTime | None = None
    fade: float | None = None


@dataclass(frozen=True)
class Story:
    """Sections over one grid, ready to be asked for.

    Attributes:
        controls: the words, facts and style of the first section, and the tracks of all.
        prompts: what each section asks for beside tracks: words, style and facts.
        shares: ``[S, T]``, of each section in each frame.
        cuts: the frames at which sections begin without a fade: the music begins anew there.
    """

    grid: FrameGrid
    controls: Controls
    guidance: tuple[Guidance | GuidanceOverTime, ...]
    prompts: tuple[Controls, ...]
    shares: Tensor
    cuts: tuple[int, ...] = ()

    @property
    def ask(self) -> Ask:
        """What is wanted of a window: the passages that have a share of it."""
        return self._ask

    def _ask(self, window: Window) -> list[Passage]:
        cut = cut_controls(self.controls, window)
        # A window that reaches past the end goes on with the last section.
        places = torch.arange(window.start, window.stop).clamp(max=self.grid.length - 1)
        found = []
        for row, prompt in enumerate(self.prompts):
            share = self.shares[row, places]
            if not bool(share.any()):
                continue
            own = self.guidance[row]
            weights = own if isinstance(own, Guidance) else over(own, float(self.grid.frame_rate))(window)
            asked = replace(prompt, tracks=cut.tracks)
            found.append(Passage(asked, weights, None if bool((share == 1.0).all()) else share))
        return found


def tell(
    sections: Sequence[Section],
    grid: FrameGrid,
    *,
    guidance: Guidance | GuidanceOverTime,
    tracks: Mapping[str, Track] | None = None,
    fade: float = DEFAULT_FADE_SECONDS,
) -> Story:
    """Sections as one piece.

    Args:
        sections: by their starts, the first of which is 0.
        grid: of the piece.
        guidance: where a section has none of its own.
        tracks: of the whole piece, ``[1, T]``; where a section has its own, those hold.
        fade: seconds of a change.

    Raises: ValueError naming the section for starts that do not ascend or lie outside the piece, and for tracks on
        another clock.
    """
    _check(sections, grid)
    joined = dict(tracks or {})
    for number, section in enumerate(sections):
        first, last = bounds(sections, number, grid)
        for name, track in section.controls.tracks.items():
            joined[name] = paste(joined.get(name), track, grid, first, last)
    starts = [section.start for section in sections]
    fades = [fade if section.fade is None else section.fade for section in sections]
    opening = sections[0].controls
    return Story(
        grid,
        replace(opening, tracks=joined),
        tuple(guidance if section.guidance is None else section.guidance for section in sections),
        tuple(replace(section.controls, tracks={}) for section in sections),
        shares(starts, fades, grid),
        tuple(bounds(sections, n, grid)[0] for n, each in enumerate(fades) if n and each <= 0.0),
    )


def bounds(sections: Sequence[Section], number: int, grid: FrameGrid) -> tuple[int, int]:
    """First and last frame, exclusive, of a section."""
    rate = float(grid.frame_rate)
    end = round(sections[number + 1].start * rate) if number + 1 < len(sections) else grid.length
    return round(sections[number].start * rate), end


def shares(starts: Sequence[float], fades: Sequence[float], grid: FrameGrid) -> Tensor:
    """How much of each frame each section has: rising and falling lines around the borders that sum to 1.

    A fade is as long as it is said, or as the shorter of the two sections if that is less.

    Shape: ``[S, T]``.
    """
    times = (torch.arange(grid.length, dtype=torch.float64) + 0.5) / float(grid.frame_rate)
    ends = [*starts[1:], grid.seconds]
    entered = [torch.ones_like(times)]
    for n in range(1, len(starts)):
        # Two fades that do not reach past half of the section between them never overlap: the shares stay positive.
        fade = min(fades[n], starts[n] - starts[n - 1], ends[n] - starts[n])
        if fade <= 0.0:
            entered.append((times >= starts[n] - 1e-9).double())
        else:
            entered.append(((times - starts[n]) / fade + 0.5).clamp(0.0, 1.0))
    left = [*entered[1:], torch.zeros_like(times)]
    return torch.stack([come - gone for come, gone in zip(entered, left, strict=True)]).float()


def paste(base: Track | None, part: Track, grid: FrameGrid, first: int, last: int) -> Track:
    """``base`` with frames ``[first, last)`` of ``part``, whose frame 0 is the first; what it leaves open is unknown.

    Raises: ValueError for another frame rate.
    """
    if part.grid.frame_rate != grid.frame_rate:
        raise ValueError(
            f"a section's controls have {part.grid.frame_rate} frames per second, the piece {grid.frame_rate}"
        )
    shape = (part.known.shape[0], grid.length, *part.values.shape[2:])
    values = part.values.new_zeros(shape) if base is None else base.values.clone()
    known = part.known.new_zeros(shape[:2]) if base is None else base.known.clone()
    length = min(last - first, part.grid.length)
    known[:, first:last] = False
    values[:, first : first + length] = part.values[:, :length]
    known[:, first : first + length] = part.known[:, :length]
    return Track(values, known, grid)


def _check(sections: Sequence[Section], grid: FrameGrid) -> None:
    if not sections:
        raise ValueError("a story needs at least one section")
    if sections[0].start != 0.0:
        raise ValueError(
            f"the first section must begin at 0, not at {sections[0].start:g} s: nothing is asked before it"
        )
    for number, section in enumerate(sections):
        if section.controls.batch != 1:
            raise ValueError(f"section {number + 1} must be a batch of one, got {section.controls.batch} items")
        if number and section.start <= sections[number - 1].start:
            raise ValueError(
                f"section {number + 1} begins at {section.start:g} s, not after the one before it at "
                f"{sections[number - 1].start:g} s"
            )
        if section.start >= grid.seconds:
            raise ValueError(
                f"section {number + 1} begins at {section.start:g} s, the piece ends at {grid.seconds:g} s"
            )
        if section.fade is not None and not section.fade >= 0.0:
            raise ValueError(f"section {number + 1} has a fade of {section.fade} s; it must be 0, a cut, or more")
