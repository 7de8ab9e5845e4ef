"""Windows of the trained length over a grid of any length, and the part of the controls that each one sees."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowmusic.controls.tracks import crop
from flowmusic.types import Controls


@dataclass(frozen=True)
class Window:
    """Frames ``[start, stop)``."""

    start: int
    stop: int


def cover(length: int, window: int, overlap: int) -> tuple[Window, ...]:
    """Windows of exactly ``window`` frames that cover ``length`` frames, each at least ``overlap`` into the last one.

    The last window is moved back to end at ``length`` rather than cut, because a field is at its best on the length
    that it was trained on; a length below one window gives one window that reaches past the end.

    >>> [(part.start, part.stop) for part in cover(600, window=250, overlap=62)]
    [(0, 250), (188, 438), (350, 600)]
    """
    if length < 1 or window < 1:
        raise ValueError(f"length and window must be at least one frame, got {length} and {window}")
    if not 0 <= overlap < window:
        raise ValueError(f"overlap must be at least 0 and less than the window of {window} frames, got {overlap}")
    starts = [0]
    while starts[-1] + window < length:
        starts.append(min(starts[-1] + window - overlap, length - window))
    return tuple(Window(start, start + window) for start in starts)


def cut_controls(controls: Controls, window: Window) -> Controls:
    """The same text and style, and every track cut to the window, unknown where the track has ended."""
    length = window.stop - window.start
    tracks = {name: crop(track, window.start, length) for name, track in controls.tracks.items()}
    return replace(controls, tracks=tracks)
