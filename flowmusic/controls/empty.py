"""A control that says that nothing sounds: known silence, or no chord.

>>> from flowmusic.controls import chords, drums
>>> grid = FrameGrid.of_seconds(1, 25)
>>> drums.onsets_from_track(empty("drums", grid)), chords.from_track(empty("chords", grid))
((), ((0.0, 1.0, 'N'),))
"""

from __future__ import annotations

from flowmusic.controls import chords, drums, melody
from flowmusic.types import FrameGrid, Track


def empty(name: str, grid: FrameGrid, batch: int = 1) -> Track:
    """``chords``, ``melody`` or ``drums`` of which there are none, all frames known.  Shape: a batch of ``batch``."""
    if name == "chords":
        track = chords.to_track([(0.0, grid.seconds, "N")], grid)
    else:
        track = melody.to_track((), grid) if name == "melody" else drums.onsets_to_track((), grid)
    return Track(track.values.expand(batch, *track.values.shape), track.known.expand(batch, -1), grid)
