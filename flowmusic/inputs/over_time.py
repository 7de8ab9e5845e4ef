"""Blur of the controls, as a command or the sections of a story ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flowmusic.curves import Value, placed, value_at

if TYPE_CHECKING:
    from flowmusic.inputs.story import Request
    from flowmusic.types import Controls

Span = tuple[float, float, Mapping[str, Value]]
"""From, until (s), and widths in seconds by control, of which the moments are in seconds."""


def bars(controls: Controls, story: Request | None = None) -> list[float]:
    """Where bars begin in seconds: by a story's tempo, else by the beats of the controls; empty if nothing tells."""
    if story is not None and story.bars:
        return story.bars
    track = controls.tracks.get("beats")
    if track is None:
        return []
    from flowmusic.controls.beats import from_track

    return list(from_track(track).downbeats)


def spans(
    blur: Mapping[str, Value] | None, bars: Sequence[float], seconds: float, story: Request | None = None
) -> list[Span]:
    """The blur of the whole piece, and then that of a story's sections.  Raises: ValueError for bars unknown."""
    found: list[Span] = [(0.0, seconds, placed(blur, bars))] if blur else []
    if story is not None:
        ends = [*(section.start for section in story.sections[1:]), seconds]
        found += [(each.start, end, each.blur) for each, end in zip(story.sections, ends, strict=True) if each.blur]
    return found


def with_blur(controls: Controls, spans: Sequence[Span], place: str = "--blur") -> Controls:
    """Controls with their blur; later spans hold over earlier ones.

    Raises: ValueError for a control that was not asked for, and one that cannot be blurred.
    """
    import torch

    from flowmusic.controls.blur import blurred

    tracks = dict(controls.tracks)
    for name in dict.fromkeys(name for _, _, values in spans for name in values):
        if name not in tracks:
            there = ", ".join(sorted(tracks)) or "none"
            raise ValueError(
                f"{place}: no {name} are asked for, so that nothing can be blurred; controls here: {there}"
            )
        grid = tracks[name].grid
        widths = torch.zeros(grid.length)
        rate = float(grid.frame_rate)
        for start, end, values in spans:
            for frame in range(round(start * rate), min(grid.length, round(end * rate))) if name in values else ():
                widths[frame] = value_at(values[name], (frame + 0.5) / rate)
        try:
            tracks[name] = blurred(tracks[name], name, widths)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    return replace(controls, tracks=tracks)
