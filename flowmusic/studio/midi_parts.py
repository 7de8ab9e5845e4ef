"""What is played in a recording as MIDI: a tempo map, a track for every part, drums on channel 10, chords as markers.

Notes keep the times at which they are heard; the tempo map puts bar lines where the music has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from flowmusic.annotations.annotation import Annotations, Chord
from flowmusic.controls.vocabulary import NO_CHORD, UNKNOWN_CHORD, note_pitch_class
from flowmusic.sheets.midi_events import TICKS, Event, save
from flowmusic.studio.grid import Grid

CHANNELS = {"melody": (0, 73), "lead": (0, 73), "chords": (1, 0), "bass": (2, 33), "drums": (9, 0)}
"""Channel, counted from 0, and General-MIDI program of every part; ``lead`` is a melody that was only heard."""
_MAJORS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINORS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
"""Tonics as key signatures of at most seven accidentals spell them, by pitch class."""


class Played(NamedTuple):
    """Seconds from the start of the recording, MIDI number, velocity 1-127."""

    start: float
    end: float
    pitch: int
    velocity: int


def write(
    path: Path,
    grid: Grid,
    known: Annotations,
    parts: Mapping[str, Sequence[Played]],
    title: str,
    comments: Iterable[str],
) -> Path:
    """Write a file of type 1; whole or not at all.

    Args:
        grid: its bars are the file's.
        known: chords and sections become markers and cues, the key a signature.
        parts: notes by the names of :data:`CHANNELS`; parts without notes are left out.
        comments: text events.
    """
    first = _map(grid, known.key, title, comments) + _marks(grid, known)
    tracks = [first, *(_notes(grid, name, parts[name]) for name in CHANNELS if parts.get(name))]
    return save(path, tracks, grid.ticks([grid.seconds])[0])


def _map(grid: Grid, key: str | None, title: str, comments: Iterable[str]) -> list[Event]:
    """Name, comments, tempo and signatures."""
    import mido

    found: list[Event] = [(0, 0, mido.MetaMessage("track_name", name=latin(title)))]
    found += [(0, 0, mido.MetaMessage("text", text=latin(each))) for each in comments]
    if key is not None:
        found.append((0, 2, mido.MetaMessage("key_signature", key=signature(key))))
    knots, last = grid.knots(), 0
    for (before, low), (after, high) in zip(knots, knots[1:]):
        tempo = min(round((after - before) * 1e6 * TICKS / (high - low)), 0xFFFFFF)
        if tempo != last:
            found.append((low, 1, mido.MetaMessage("set_tempo", tempo=tempo)))
        last = tempo
    told = None
    lines: list[tuple[int, str]] = []
    if grid.lead_beats:
        _, _, unit = grid.meter.name.partition("/")
        lines.append((0, f"{grid.lead_beats * (3 if grid.meter.compound else 1)}/{unit}"))
    beat = grid.ticks_of_a_beat
    for down, meter in zip(grid.downs, grid.meters()):
        lines.append(((down + grid.lead_beats) * beat, meter.name))
    for tick, name in lines:
        if name != told:
            count, _, unit = name.partition("/")
            message = mido.MetaMessage("time_signature", numerator=int(count), denominator=int(unit))
            found.append((tick, 1, message))
        told = name
    return found


def _marks(grid: Grid, known: Annotations) -> list[Event]:
    """Chords as markers, N where none is told between two, and sections as cues."""
    import mido

    points: list[tuple[float, str]] = []
    chords: Sequence[Chord] = known.chords or ()
    for (start, end, label), after in zip(chords, [*(chord[0] for chord in chords[1:]), grid.seconds]):
        points.append((start, NO_CHORD if label == UNKNOWN_CHORD else label))
        if after > end + 1e-3:
            points.append((end, NO_CHORD))
    ticks = grid.ticks([time for time, _ in points])
    found: list[Event] = [
        (tick, 3, mido.MetaMessage("marker", text=label)) for tick, (_, label) in zip(ticks, points, strict=True)
    ]
    for start, _, name, _ in known.sections or ():
        found.append((grid.ticks([start])[0], 2, mido.MetaMessage("cue_marker", text=latin(name))))
    return found


def _notes(grid: Grid, name: str, notes: Sequence[Played]) -> list[Event]:
    import mido

    channel, program = CHANNELS[name]
    found: list[Event] = [
        (0, 0, mido.MetaMessage("track_name", name=name)),
        (0, 1, mido.Message("program_change", channel=channel, program=program)),
    ]
    starts, ends = (
        grid.ticks([note.start for note in notes]),
        grid.ticks([min(note.end, grid.seconds) for note in notes]),
    )
    last: dict[int, int] = {}
    for tick, end, note in sorted(zip(starts, ends, notes, strict=True), key=lambda each: (each[0], -each[1])):
        place = last.get(note.pitch)
        if place is not None and found[place][0] > tick:
            if found[place - 1][0] == tick:
                continue
            # A key that is struck again was let go before.
            found[place] = (tick, *found[place][1:])
        found.append((tick, 3, mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)))
        off = mido.Message("note_off", channel=channel, note=note.pitch, velocity=0)
        last[note.pitch] = len(found)
        found.append((max(end, tick + 1), 2, off))
    return found


def signature(key: str) -> str:
    """A key in words as a signature is told in the file.

    >>> signature("A minor"), signature("C# major"), signature("Ab minor")
    ('Am', 'Db', 'G#m')
    """
    tonic, _, mode = key.partition(" ")
    number = note_pitch_class(tonic)
    return f"{_MINORS[number]}m" if mode == "minor" else _MAJORS[number]


def latin(text: str) -> str:
    """Text that the file format can hold."""
    return text.encode("latin-1", "replace").decode("latin-1")
