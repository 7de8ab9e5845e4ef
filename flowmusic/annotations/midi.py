"""A MIDI file in seconds: notes by part, beats and bars by its tempo map.

This is the one reader of MIDI, whatever a file is read for; what a file says beyond notes and times is in
:mod:`flowmusic.annotations.of_midi`, and which notes are its melody in :mod:`flowmusic.annotations.midi_melody`.
"""

from __future__ import annotations

import bisect
import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from flowmusic.annotations import midi_file
from flowmusic.annotations.midi_file import SUFFIXES, MidiError, TickSong, is_midi
from flowmusic.controls.meter import Meter

__all__ = ["SUFFIXES", "MidiError", "Note", "Part", "Score", "is_midi", "read"]

DRUM_CHANNEL = 9
"""Counted from 0, by General MIDI."""
DEFAULT_TEMPO = 500_000
"""Microseconds of a quarter note where a file says nothing."""
VOLUME = 100
"""Controller 7 where a file says nothing; General MIDI's."""
MOST_SECONDS = 24 * 3600.0
MOST_BEATS = 1_000_000


class Note(NamedTuple):
    """Seconds from the start of the file, MIDI number, velocity 1-127."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """One instrument: General-MIDI ``program`` 0-127, or a drum kit; ``volume``: its first controller 7, else 100."""

    name: str
    program: int
    drums: bool
    notes: tuple[Note, ...]
    volume: int = 100


@dataclass(frozen=True)
class Score:
    """What a file holds.

    Attributes:
        parts: those with notes.
        beats: seconds, by the tempo map, from the first to the end; empty where ticks are parts of a second and the
            tempo changes, and where a tempo is damaged.
        downbeats: seconds; empty where the file has no time signature.
        content: hash of the notes on their musical grid: equal for files that differ in tempo, names and programs.
        bpm: tempo at the first note, in beats as :class:`~flowmusic.controls.meter.Meter` counts them; None where the
            file states none.
        meter: time signature at the first note; None where the file states none.
        steady: no other tempo or meter follows.
        notices: what was passed over or mended.
        markers, cues: seconds and text.
        length: where the last track ends, which may be after the last note.
    """

    parts: tuple[Part, ...]
    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    content: str
    bpm: float | None = None
    meter: Meter | None = None
    steady: bool = True
    notices: tuple[str, ...] = ()
    markers: tuple[tuple[float, str], ...] = ()
    cues: tuple[tuple[float, str], ...] = ()
    length: float = 0.0

    @property
    def seconds(self) -> float:
        """End of the last note."""
        return max(note.end for part in self.parts for note in part.notes)


def read(path: str | Path) -> Score:
    """Read a MIDI file; what is odd in it is mended or passed over, and told.  Raises: MidiError naming it."""
    song = midi_file.read(path)
    clock = _Clock(song)
    parts = _parts(song, clock)
    if not parts:
        raise MidiError(f"{path} holds no notes")
    first = min(note.start for notes in song.notes.values() for note in notes)
    end = max(note.end for part in parts for note in part.notes)
    if not end <= MOST_SECONDS:
        raise MidiError(
            f"{path} would last {end / 3600:.3g} h, and {MOST_SECONDS / 3600:.0f} h are allowed; a tempo or a time in "
            "it is damaged, export it again"
        )
    beats, downbeats = _beats(song, clock, end)
    signature = _last([each for each in song.signatures if each[0] <= first])
    meter = None if signature is None else Meter.of(signature[1], signature[2])
    tempo = _last([each for each in song.tempos if each[0] <= first])
    bpm = None
    if song.tempos:
        quarters = (meter or Meter.of(4, 4)).beat_quarters
        bpm = round(60e6 / (tempo[1] if tempo else DEFAULT_TEMPO) / quarters, 2)
    return Score(
        parts,
        beats,
        downbeats,
        _content(song),
        bpm,
        meter,
        steady=len({each[1] for each in clock.tempos}) == 1 and len({each[1:] for each in song.signatures}) <= 1,
        notices=tuple(song.notices),
        markers=_texts(song.markers, clock),
        cues=_texts(song.cues, clock),
        length=round(min(float(clock.seconds([song.end])[0]), MOST_SECONDS), 4),
    )


def _texts(events: Sequence[tuple[int, str]], clock: _Clock) -> tuple[tuple[float, str], ...]:
    times = clock.seconds(tick for tick, _ in events).round(4).tolist()
    return tuple((time, text) for time, (_, text) in zip(times, events, strict=True))


def _last(events: Sequence[Any]) -> Any:
    return events[-1] if events else None


class _Clock:
    """Seconds of ticks: a line that bends where the tempo changes."""

    def __init__(self, song: TickSong) -> None:
        # Of several tempos at one tick the last holds; before the first one 120 quarters a minute do.
        self.tempos = sorted({0: DEFAULT_TEMPO, **dict(song.tempos)}.items())
        if song.quarter is None:
            # Ticks are parts of a second, whatever the tempo.
            self.ticks, self.slopes = np.zeros(1), np.full(1, 1.0 / (song.second or 1.0))
        else:
            self.ticks = np.array([tick for tick, _ in self.tempos], np.float64)
            self.slopes = np.array([microseconds for _, microseconds in self.tempos]) / 1e6 / song.quarter
        self.starts = np.concatenate([[0.0], np.cumsum(np.diff(self.ticks) * self.slopes[:-1])])

    def seconds(self, ticks: Iterable[float]) -> np.ndarray:
        at = np.asarray(list(ticks), np.float64)
        piece = np.searchsorted(self.ticks, at, side="right") - 1
        return np.asarray(self.starts[piece] + (at - self.ticks[piece]) * self.slopes[piece])

    def tick(self, seconds: float) -> float:
        piece = int(np.searchsorted(self.starts, seconds, side="right")) - 1
        return float(self.ticks[piece] + (seconds - self.starts[piece]) / self.slopes[piece])


def _parts(song: TickSong, clock: _Clock) -> tuple[Part, ...]:
    """In the order of tracks and channels; what a track does not choose for its channel another one may have chosen."""
    programs: dict[int, list[tuple[int, int]]] = {}
    for tick, channel, program in song.programs:
        programs.setdefault(channel, []).append((tick, program))
    volumes: dict[int, int] = {}
    for (_, channel), volume in song.volumes.items():
        volumes.setdefault(channel, volume)
    flat = clock.seconds(time for notes in song.notes.values() for note in notes for time in note[:2]).tolist()
    times = zip(flat[::2], flat[1::2])
    found = []
    for source, notes in song.notes.items():
        track, channel, chosen_here = source
        program = chosen_here or 0
        if chosen_here is None:
            chosen = programs.get(channel, [])
            place = bisect.bisect(chosen, (notes[0].start, 128))
            program = chosen[place - 1][1] if place else 0
        volume = song.volumes.get((track, channel), volumes.get(channel, VOLUME))
        made = sorted(Note(*next(times), pitch, velocity) for _, _, pitch, velocity in notes)
        found.append(Part(song.names.get(track, ""), program, channel == DRUM_CHANNEL, tuple(made), volume))
    return tuple(found)


def _beats(song: TickSong, clock: _Clock, end: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Beats and downbeats in seconds; a signature begins a bar, and without one nobody knows the bars."""
    quarter: float | None = song.quarter
    if quarter is None:
        stated = {microseconds for _, microseconds in song.tempos}
        if len(stated) != 1:
            return (), ()
        quarter = (song.second or 1.0) * stated.pop() / 1e6
    changes: list[tuple[float, Meter | None]] = [(0, None)]
    for at, count, unit in song.signatures:
        meter = Meter.of(count, unit)
        # Of several at one tick the last holds; said again in the middle of a bar it changes nothing.
        if changes[-1][0] == at:
            changes.pop()
        if not changes or meter != changes[-1][1]:
            changes.append((at, meter))
    last = clock.tick(end) + 1e-6
    places: list[np.ndarray] = [np.zeros(0)]
    bars: list[np.ndarray] = [np.zeros(0)]
    for (tick, signed), (stop, _) in zip(changes, [*changes[1:], (math.inf, None)]):
        step = quarter * (signed or Meter.of(4, 4)).beat_quarters
        if (min(stop, last) - tick) / step > MOST_BEATS:
            return (), ()
        places.append(np.arange(tick, min(stop, last), step))
        if signed is not None:
            bars.append(places[-1][:: signed.beats_per_bar])
    beats, downbeats = (_ascending(clock.seconds(np.concatenate(each))) for each in (places, bars))
    # Of beats that coincide after rounding one is kept, and its bar with it.
    kept = set(beats)
    return beats, tuple(time for time in downbeats if time in kept)


def _ascending(times: np.ndarray) -> tuple[float, ...]:
    kept: list[float] = []
    for time in times.round(4).tolist():
        if not kept or time > kept[-1] + 1e-4:
            kept.append(time)
    return tuple(kept)


def _content(song: TickSong) -> str:
    """Notes in twenty-fourths of a quarter (of half a second) from the first one, by pitch and whether a drum."""
    quarter = song.quarter or (song.second or 1.0) / 2
    events = sorted(
        (round(note.start * 24 / quarter), note.pitch, source.channel == DRUM_CHANNEL)
        for source, notes in song.notes.items()
        for note in notes
    )
    first = events[0][0]
    plain = ";".join(f"{at - first},{pitch},{int(drums)}" for at, pitch, drums in dict.fromkeys(events))
    return hashlib.sha256(plain.encode()).hexdigest()
