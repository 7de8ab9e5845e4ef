"""Events at their ticks as a MIDI file of type 1."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flowmusic.files import replacing

TICKS = 480
"""Of a quarter."""
Event = tuple[int, int, Any]
"""Tick, order among the events at one tick, message."""


def save(path: Path, tracks: Iterable[Iterable[Event]], end: int) -> Path:
    """Write one track for each of ``tracks``, the first as long as ``end`` ticks; whole or not at all."""
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    for number, events in enumerate(tracks):
        track, now = mido.MidiTrack(), 0
        # At one tick notes end before others begin, and what the track is comes first of all.
        for tick, _, message in sorted(events, key=lambda event: event[:2]):
            track.append(message.copy(time=tick - now))
            now = tick
        # The first track lasts as long as the bars do, also where the last ones are silent.
        track.append(mido.MetaMessage("end_of_track", time=max(0, end - now) if number == 0 else 0))
        file.tracks.append(track)
    with replacing(path) as temporary:
        file.save(temporary)
    return path
