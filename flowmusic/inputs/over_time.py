"""Blur of the controls, as a command or the sections of a story ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flowmusic.curves import Value, value_at

if TYPE_CHECKING:
    from flowmusic.types import Controls

Span = tuple[float, float, Mapping[str, Value]]
"""From, until (s), and widths in seconds by control, of which the moments are in seconds."""


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
            raise ValueError(f"{place}: no {name} are asked for, so that nothing can be blurred; controls here: {there}")
        grid = tracks[name].grid
        widths = torch.zeros(grid.length)
        for start, end, values in spans:
            if name in values:
                for frame in range(round(start * float(grid.frame_rate)), min(grid.length, round(end * float(grid.frame_rate)))):
                    widths[frame] = value_at(values[name], (frame + 0.5) / float(grid.frame_rate))
        try:
            tracks[name] = blurred(tracks[name], name, widths)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    return replace(controls, tracks=tracks)
