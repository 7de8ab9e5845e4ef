"""The bytes of a MIDI file as notes, tempos and time signatures in ticks, read as forgivingly as players read them.

Files that people have break the specification (Standard MIDI Files 1.0, MIDI Manufacturers Association 1996) in many
small ways: a chunk is cut off or its length is wrong, a track is missing, a key has eight sharps.  mido raises at each
of them, and to repair a file for it every event has to be understood first; so events are understood here, once.
The tests compare the result with mido's on files without faults.

Two rules: what does not matter for notes and their times is passed over; and a track ends where it cannot be
understood any more, with a notice.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".smf")
MOST_BYTES = 16 * 2**20
MOST_EVENTS = 600_000
"""More than music has; so many are read within a few seconds."""
MOST_NOTICES = 5
MOST_TEXT = 200
"""Bytes of a text that are kept."""
_HEADER, _TRACK = b"MThd", b"MTrk"
_SOUNDS = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"FORM")
"""How files of sound begin."""
_META = 0xFF
_NAME, _MARKER, _CUE, _END, _TEMPO, _SIGNATURE = 0x03, 0x06, 0x07, 0x2F, 0x51, 0x58
_PROGRAM, _CONTROL, _NOTE_ON, _NOTE_OFF = 0xC0, 0xB0, 0x90, 0x80
_VOLUME, _SILENCERS = 7, (120, 123)
"""Controllers: the volume of a channel; all sound off, all notes off."""
_SYSTEM_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}
"""Messages of a cable, which no file should hold; the others have no data."""
Event = tuple[int, int, int, int, bytes]
"""Tick, status, two bytes of data (of a meta event its type and the place behind it), what a meta event holds."""


class MidiError(ValueError):
    """A file that is no MIDI, or holds nothing to play; the message names it."""


class TickNote(NamedTuple):
    """Ticks from the start of the file, MIDI number 0-127, velocity 1-127."""

    start: int
    end: int
    pitch: int
    velocity: int


class Source(NamedTuple):
    """Where notes come from: the number of the track, the channel 0-15, and the program that the track chose."""

    track: int
    channel: int
    program: int | None


@dataclass
class TickSong:
    """A file before anything is in seconds.

    Attributes:
        quarter: ticks of a quarter note; None where ticks are parts of a second.
        second: ticks of a second, where they are.
        notes: by source, each in the order in which they end.
        tempos: ``(tick, microseconds of a quarter note)``, ascending.
        signatures: ``(tick, count, unit)``, 6 and 8 for 6/8, ascending.
        names: of tracks.
        markers, cues: ``(tick, text)``, ascending.
        end: the last tick of any track.
        programs: ``(tick, channel, program)`` of all tracks, ascending.
        volumes: the first controller 7 by track and channel.
        notices: what was passed over or mended.
    """

    quarter: int | None
    second: float | None
    notes: dict[Source, list[TickNote]] = field(default_factory=dict)
    tempos: list[tuple[int, int]] = field(default_factory=list)
    signatures: list[tuple[int, int, int]] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    markers: list[tuple[int, str]] = field(default_factory=list)
    cues: list[tuple[int, str]] = field(default_factory=list)
    end: int = 0
    programs: list[tuple[int, int, int]] = field(default_factory=list)
    volumes: dict[tuple[int, int], int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    events: int = 0

    def notice(self, text: str) -> None:
        """Keep the first few, each once: a damaged file has thousands."""
        if text not in self.notices and len(self.notices) < MOST_NOTICES:
            self.notices.append(text)

    def count(self, number: int = 1) -> None:
        """Raises: MidiError for more events than a piece of music has."""
        self.events += number
        if self.events > MOST_EVENTS:
            raise MidiError(f"it holds more than {MOST_EVENTS} events; export a part of it")


class _Damaged(Exception):
    """A track that cannot be understood from here on."""


def is_midi(path: str | Path) -> bool:
    """Whether a file is MIDI by its first bytes, also inside a RIFF or MacBinary wrapper.

    One with a MIDI suffix that is not sound either counts as well: the reader then says what is wrong with it.
    """
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(132)
    if head.startswith(_HEADER) or head[128:] == _HEADER or (head[:4] == b"RIFF" and head[8:12] == b"RMID"):
        return True
    return path.suffix.lower() in SUFFIXES and not head.startswith(_SOUNDS)


def read(path: str | Path) -> TickSong:
    """Read a file.  Raises: MidiError naming it, if there is no such file or it is no MIDI."""
    path = Path(path)
    if not path.is_file():
        raise MidiError(f"MIDI file not found: {path}")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise MidiError(f"it is larger than {MOST_BYTES // 2**20} MiB; export a part of it")
        return parse(data)
    except (MidiError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise MidiError(f"cannot read {path} as MIDI: {reason}") from None


def parse(data: bytes) -> TickSong:
    """Understand the bytes of a file.  Raises: MidiError, which does not name it."""
    wrapped = data[:4] == b"RIFF" and data[8:12] == b"RMID"
    # Some mailers and wrappers put a few bytes before the header.
    start = data.find(_HEADER, 0, len(data) if wrapped else 4096)
    if start < 0:
        raise MidiError("it is empty" if not data else "it has no MIDI header")
    if data[start - 8 : start - 4] == b"data" and start >= 8:
        # RIFF counts from the lowest byte; what follows the chunk, such as a sound bank, is not MIDI.
        data = data[: start + int.from_bytes(data[start - 4 : start], "little")]
    data = data[start:]
    if len(data) < 14:
        raise MidiError("it ends within its header")
    kind, promised, division = struct.unpack(">HHh", data[8:14])
    song = _clock(division)
    place = number = 0
    while (found := data.find(_TRACK, place)) >= 0:
        song.count()
        place = _read_track(data, found, number, song)
        number += 1
    if number == 0:
        raise MidiError("it has no tracks")
    if number != promised:
        said = "1 track" if promised == 1 else f"{promised} tracks"
        song.notice(f"its header says {said}, and {number} {'is' if number == 1 else 'are'} there")
    if kind == 2 and number > 1:
        raise MidiError("it holds independent patterns (MIDI type 2); export it as type 0 or 1")
    for events in (song.tempos, song.signatures, song.programs, song.markers, song.cues):
        events.sort(key=lambda event: event[0])  # of those at one tick the last track's counts
    return song


def _clock(division: int) -> TickSong:
    """The unit of time: ticks of a quarter note, or of a second where the sign is set (SMPTE)."""
    if division > 0:
        return TickSong(division, None)
    frames, ticks = -(division >> 8), division & 0xFF
    if division == 0 or ticks == 0:
        raise MidiError("its header gives no length of a tick, so its times are unknown; export it again")
    # 29 means 30 drop-frame, which runs at 30000/1001 frames a second.
    return TickSong(None, (30_000 / 1001 if frames == 29 else frames) * ticks)


def _read_track(data: bytes, found: int, number: int, song: TickSong) -> int:
    """Read the track chunk that begins at ``found``.  Returns: where to look for the next one."""
    start = found + 8
    end = start + int.from_bytes(data[found + 4 : start], "big")
    # A length is believed if the file ends there or something follows that looks like a chunk.
    if end != len(data) and not data[end : end + 4].isalnum():
        following = data.find(_TRACK, start)
        end = following if following >= 0 else len(data)
    track = _Track(number, song)
    after, tick = end, 0
    try:
        for tick, status, one, two, content in _events(data, start, end):
            song.count()
            if status != _META:
                track.message(tick, status, one, two)
            elif one != _END:
                track.meta(tick, one, content)
            else:
                # A length that covers what follows is wrong: the next track begins behind this event.
                after = two if data[two : two + 4] == _TRACK else end
                break
    except _Damaged as damage:
        song.notice(f"track {number + 1} {damage}; what comes before is taken")
    track.finish(tick)
    song.end = max(song.end, tick)
    return max(after, start)


def _events(data: bytes, place: int, end: int) -> Iterator[Event]:
    """Events of the track that lies from ``place`` to ``end``, with the place behind it as a meta event's second byte.

    Raises: _Damaged where the bytes cannot be events.
    """
    tick = status = 0
    try:
        while place < end:
            delta = data[place]
            place += 1
            if delta >= 0x80:
                delta, place = _variable(data, place - 1)
            tick += delta
            first = data[place]
            if first >= 0xF0:
                kind = data[place + 1]
                content = place + 1 + _SYSTEM_BYTES.get(first, 0)
                length = 0
                if first in (_META, 0xF0, 0xF7):
                    length, content = _variable(data, place + (2 if first == _META else 1))
                place = content + length
                if place > end:
                    break
                if first == _META:
                    yield tick, _META, kind, place, data[content : content + min(length, MOST_TEXT)]
                continue
            if first >= 0x80:
                status = first
                place += 1
            elif not status:
                raise _Damaged("begins with data of no message")
            # Running status: without a status byte the one before holds, here also across meta events, as players do.
            place += 1 if status & 0xE0 == 0xC0 else 2
            if place > end:
                break
            yield tick, status, data[place - 2], data[place - 1], b""
    except IndexError:
        place = end + 1
    if place > end:
        raise _Damaged("breaks off")


def _variable(data: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, four bytes at most, and the place behind it."""
    value = 0
    for at in range(place, place + 4):
        value = value << 7 | data[at] & 0x7F
        if data[at] < 0x80:
            return value, at + 1
    raise _Damaged("holds a number without an end")


class _Track:
    """What one track holds, added to a song: notes are paired from their beginnings and ends.

    A channel sounds a pitch once, so a note that is struck again while it sounds ends there.  The end of the earlier
    note may still come: at the instant of the new one, where it is passed over, or after the end of the new one, which
    it then prolongs.  What nobody ends lasts to the end of the track.
    """

    def __init__(self, number: int, song: TickSong) -> None:
        self.number, self.song = number, song
        self.programs: dict[int, int] = {}
        self.parts: dict[int, list[TickNote]] = {}
        self.sounding: dict[tuple[int, int], tuple[int, int, list[TickNote]]] = {}
        self.owed: dict[tuple[int, int], int] = {}
        self.ended: dict[tuple[int, int], tuple[list[TickNote], int]] = {}

    def message(self, tick: int, status: int, one: int, two: int) -> None:
        """A message of a channel.  Of those with one byte of data it is the second number."""
        kind, channel = status & 0xF0, status & 0x0F
        if kind in (_NOTE_ON, _NOTE_OFF):
            if one > 127:
                self.song.notice(f"track {self.number + 1} has notes beyond 127, which are passed over")
            elif kind == _NOTE_ON and two > 0:
                self._strike(tick, (channel, one), min(two, 127))
            else:
                self._release(tick, (channel, one))
        elif kind == _PROGRAM:
            self.programs[channel] = two & 0x7F
            self.parts.pop(channel, None)
            self.song.programs.append((tick, channel, two & 0x7F))
        elif kind == _CONTROL and one == _VOLUME:
            self.song.volumes.setdefault((self.number, channel), min(two, 127))
        elif kind == _CONTROL and one in _SILENCERS:
            for key in [key for key in self.sounding if key[0] == channel]:
                self._release(tick, key)

    def meta(self, tick: int, kind: int, content: bytes) -> None:
        """A meta event; of those that hold what they must not hold the notes know nothing."""
        if kind == _NAME:
            self.song.names.setdefault(self.number, _text(content))
        elif kind == _MARKER:
            self.song.markers.append((tick, _text(content)))
        elif kind == _CUE:
            self.song.cues.append((tick, _text(content)))
        elif kind == _TEMPO:
            microseconds = int.from_bytes(content, "big")
            if len(content) == 3 and microseconds > 0:
                self.song.tempos.append((tick, microseconds))
            else:
                self.song.notice("a tempo of no length is passed over")
        elif kind == _SIGNATURE:
            if len(content) >= 2 and content[0] > 0 and content[1] <= 6:
                self.song.signatures.append((tick, content[0], 2 ** content[1]))
            else:
                self.song.notice("a time signature that is none is passed over")

    def _strike(self, tick: int, key: tuple[int, int], velocity: int) -> None:
        if key in self.sounding:
            self.owed[key] = self.owed.get(key, 0) + 1
            if self.sounding[key][0] < tick:
                self._close(tick, key)
        elif key in self.owed:
            del self.owed[key]
        notes = self.parts.get(key[0])
        if notes is None:
            source = Source(self.number, key[0], self.programs.get(key[0]))
            notes = self.parts[key[0]] = self.song.notes.setdefault(source, [])
        self.sounding[key] = (tick, velocity, notes)

    def _release(self, tick: int, key: tuple[int, int]) -> None:
        owed = self.owed.get(key, 0)
        if key not in self.sounding:
            if owed:
                self.owed[key] = owed - 1
                notes, place = self.ended[key]
                notes[place] = notes[place]._replace(end=tick)
        elif owed and self.sounding[key][0] == tick:
            self.owed[key] = owed - 1
        else:
            self._close(tick, key)

    def _close(self, tick: int, key: tuple[int, int]) -> None:
        start, velocity, notes = self.sounding.pop(key)
        self.ended[key] = (notes, len(notes))
        # A hit of a drum may end when it begins.
        notes.append(TickNote(start, tick if tick > start else start + 1, key[1], velocity))

    def finish(self, tick: int) -> None:
        """End what still sounds, after a quarter note at least."""
        least = self.song.quarter or max(1, round((self.song.second or 2.0) / 2))
        for key, (start, _, _) in list(self.sounding.items()):
            self._close(tick if tick > start else start + least, key)


def _text(content: bytes) -> str:
    """A name as it can be printed: old programs write Latin-1, new ones UTF-8 (whose last letter may be cut)."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return "".join(letter for letter in text if letter.isprintable()).strip()[:60]
