"""A MIDI file as notes by part, and what they say exactly: drums, the beat, and sometimes a melody.

What a file does not say is left out: beats that its notes do not keep to, bars that nobody counted, a lead among
equals.
"""

from __future__ import annotations

import hashlib
import math
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

MERGE_S = 0.03
"""Drum hits of one stroke: those within this of the first count once."""
ROLL_S = 0.03
"""Notes of one chord, struck by hand."""
ON_GRID, ON_GRID_SHARE = 0.03, 0.7
"""Beats are believed if this share of all notes begins this near (in beats) to a quarter or a third of a beat.

Chance gives a share of 0.36; performances that were recorded without a click stay there.
"""
OVERLAP_SHARE = 0.05
LEAD_SHARE = 0.3
"""A lead sounds in at least this share of the piece, and overlaps itself in at most :data:`OVERLAP_SHARE` of that."""
LEAD_NAMES = ("melody", "vocal", "voice", "lead", "sing", "solo voice")
CLASSES = {
    "kick": frozenset({35, 36}),
    "snare": frozenset({37, 38, 39, 40}),
    "hat": frozenset({42, 44, 46, 49, 51, 52, 53, 54, 55, 57, 59, 69, 70, 82}),
}
"""General-MIDI percussion by class of drum; toms and the rest belong to none."""
_BASSES = range(32, 40)


class MidiError(ValueError):
    """A file that is no MIDI, or holds nothing to play; the message names it."""


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
        beats: seconds, by the tempo map, from the first to the end.
        downbeats: seconds; empty where the file has no time signature.
        content: hash of the notes on their musical grid: equal for files that differ in tempo, names and programs.
    """

    parts: tuple[Part, ...]
    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    content: str

    @property
    def seconds(self) -> float:
        """End of the last note."""
        return max(note.end for part in self.parts for note in part.notes)


def read(path: str | Path) -> Score:
    """Read a MIDI file.  Raises: MidiError."""
    import pretty_midi

    try:
        with warnings.catch_warnings():
            # It warns of tempo changes outside track 0, and follows them.
            warnings.simplefilter("ignore", RuntimeWarning)
            song = pretty_midi.PrettyMIDI(str(path))
            parts = tuple(_part(each) for each in song.instruments if any(n.end > n.start for n in each.notes))
            if not parts:
                raise MidiError(f"{path} holds no notes")
            end = max(note.end for part in parts for note in part.notes)
            if not math.isfinite(end) or end > 24 * 3600:
                raise MidiError(f"{path} would last {end / 3600:.0f} h; its tempo is damaged")
            beats = [float(time) for time in song.get_beats() if time <= end]
            downbeats = [float(time) for time in song.get_downbeats() if time <= end]
            content = _content(song)
    except MidiError:
        raise
    except Exception as error:
        # Damaged files end in anything from EOFError to a data error of mido's; all mean the same to a person.
        raise MidiError(f"cannot read {path} as MIDI ({str(error) or type(error).__name__})") from None
    signed = bool(song.time_signature_changes)
    return Score(parts, tuple(_ascending(beats)), tuple(_ascending(downbeats)) if signed else (), content)


def _part(instrument: Any) -> Part:
    notes = sorted(
        Note(float(n.start), float(n.end), int(n.pitch), int(n.velocity)) for n in instrument.notes if n.end > n.start
    )
    volume = next((int(change.value) for change in instrument.control_changes if change.number == 7), 100)
    return Part(instrument.name.strip(), int(instrument.program), bool(instrument.is_drum), tuple(notes), volume)


def _ascending(times: Iterable[float]) -> list[float]:
    kept: list[float] = []
    for time in times:
        if not kept or time > kept[-1] + 1e-4:
            kept.append(round(time, 4))
    return kept


def _content(song: Any) -> str:
    """Notes in twenty-fourths of a quarter from the first one, by pitch and whether it is a drum."""
    events = sorted(
        (round(song.time_to_tick(note.start) * 24 / song.resolution), int(note.pitch), bool(each.is_drum))
        for each in song.instruments
        for note in each.notes
    )
    first = events[0][0]
    plain = ";".join(f"{at - first},{pitch},{int(drums)}" for at, pitch, drums in dict.fromkeys(events))
    return hashlib.sha256(plain.encode()).hexdigest()


def on_grid(score: Score) -> float:
    """Share of notes that begin on a quarter or a third of their beat."""
    beats = score.beats
    if len(beats) < 2:
        return 0.0
    places = sorted({k / 4 for k in range(5)} | {k / 3 for k in range(4)})
    hits = total = 0
    index = 0
    for start in sorted(note.start for part in score.parts for note in part.notes):
        while index + 2 < len(beats) and beats[index + 1] <= start:
            index += 1
        left, right = beats[index], beats[index + 1]
        if start < left or start > right:
            continue
        total += 1
        hits += any(abs((start - left) / (right - left) - place) <= ON_GRID for place in places)
    return hits / total if total else 0.0


def labels(score: Score) -> dict[str, Any]:
    """Exact labels, times in seconds of the rendered file, as a corpus writes them.

    ``notes`` by part, ``drums`` (onsets and classes; none where no kit plays), ``beats`` and ``downbeats`` where
    :func:`on_grid` believes them, ``melody`` where one part is clearly the lead.
    """
    found: dict[str, Any] = {"notes": _notes(score), "drums": drum_labels(score)}
    if on_grid(score) >= ON_GRID_SHARE:
        found["beats"] = list(score.beats)
        found["downbeats"] = list(score.downbeats)
        found["bpm"] = tempo(score.beats)
    lead = lead_of(score)
    if lead is not None:
        found["melody"] = monophonic(lead.notes)
        found["melody_from"] = f"part {lead.name!r}"
    return found


def _notes(score: Score) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {}
    for number, part in enumerate(score.parts):
        name = part.name or ("drums" if part.drums else f"program {part.program}")
        key = name if name not in found else f"{name} {number}"
        found[key] = [[round(n.start, 4), round(n.end, 4), n.pitch, n.velocity] for n in part.notes]
    return found


def drum_labels(score: Score) -> dict[str, Any]:
    """Onsets of all kits together and by class; empty lists where none plays."""
    hits = [note for part in score.parts if part.drums for note in part.notes]
    return {
        "onsets": merged([note.start for note in hits]),
        "classes": {
            name: merged([note.start for note in hits if note.pitch in pitches]) for name, pitches in CLASSES.items()
        },
    }


def merged(times: Iterable[float], window_s: float = MERGE_S) -> list[float]:
    """Ascending times; those within the window of the first of a group count once."""
    kept: list[float] = []
    for time in sorted(times):
        if not kept or time - kept[-1] > window_s:
            kept.append(time)
    return [round(time, 4) for time in kept]


def tempo(beats: Sequence[float]) -> float | None:
    """Median beats a minute."""
    steps = [right - left for left, right in zip(beats, beats[1:])]
    return round(60 / statistics.median(steps), 1) if steps else None


def lead_of(score: Score) -> Part | None:
    """The part that is clearly the melody: monophonic, much of the time, and named so or the only one of its kind."""
    able = [part for part in score.parts if _could_lead(part, score.seconds)]
    named = [part for part in able if any(word in part.name.lower() for word in LEAD_NAMES)]
    if len(named) == 1:
        return named[0]
    return able[0] if len(able) == 1 and not named else None


def _could_lead(part: Part, seconds: float) -> bool:
    if part.drums or part.program in _BASSES:
        return False
    sounding = sum(note.end - note.start for note in part.notes)
    overlap = sum(max(0.0, first.end - second.start) for first, second in zip(part.notes, part.notes[1:]))
    middle = statistics.median(note.pitch for note in part.notes)
    return overlap <= OVERLAP_SHARE * sounding and sounding >= LEAD_SHARE * seconds and middle >= 55


def monophonic(notes: Sequence[Note]) -> list[list[float]]:
    """Rows ``[start, end, midi]`` without overlaps: every note ends where the next begins."""
    rows: list[list[float]] = []
    for note in sorted(notes):
        if rows and note.start < rows[-1][1]:
            rows[-1][1] = round(note.start, 4)
            if rows[-1][1] - rows[-1][0] < ROLL_S:
                rows.pop()
        rows.append([round(note.start, 4), round(note.end, 4), note.pitch])
    return rows


def skyline(notes: Sequence[Note], below: int = 12, around_s: float = 4.0) -> list[list[float]]:
    """The upper line of polyphonic music as rows ``[start, end, midi]``: a guess at its melody, not a label.

    A note belongs to it if nothing higher sounds when it is struck; it lasts until it is let go or the next one
    begins.  Notes that lie more than ``below`` semitones under the median of the line around them are accompaniment
    that shows while the melody rests, and are dropped.
    """
    ordered = sorted(notes)
    line: list[Note] = []
    sounding: list[Note] = []
    place = 0
    while place < len(ordered):
        struck = [ordered[place]]
        while place + len(struck) < len(ordered) and ordered[place + len(struck)].start - struck[0].start <= ROLL_S:
            struck.append(ordered[place + len(struck)])
        place += len(struck)
        top = max(struck, key=lambda note: note.pitch)
        sounding = [note for note in sounding if note.end > top.start]
        if all(note.pitch <= top.pitch for note in sounding):
            line.append(top)
        sounding += struck
    kept = []
    first = last = 0
    for note in line:
        while line[first].start < note.start - around_s:
            first += 1
        while last < len(line) and line[last].start <= note.start + around_s:
            last += 1
        if note.pitch >= statistics.median(each.pitch for each in line[first:last]) - below:
            kept.append(note)
    return monophonic(kept)


def instruments(score: Score, most: int = 5) -> list[str]:
    """Names of the instruments by how much they play, each once, in lower case."""
    import pretty_midi

    played: dict[str, float] = {}
    for part in score.parts:
        name = "drums" if part.drums else _plain(pretty_midi.program_to_instrument_name(part.program))
        played[name] = played.get(name, 0.0) + sum(note.end - note.start for note in part.notes)
    return sorted(played, key=lambda name: (-played[name], name))[:most]


def _plain(name: str) -> str:
    """``Electric Guitar (clean)`` -> ``clean electric guitar``; ``Lead 1 (square)`` -> ``square synth lead``."""
    head, _, kind = name.lower().rstrip(")").partition(" (")
    words = [word for word in head.split() if not word.isdigit()]
    if words and words[0] in ("lead", "pad", "fx"):
        words = ["synth", *words]
    return " ".join([*([kind] if kind else []), *words])


def caption(score: Score, found: Mapping[str, Any]) -> str:
    """What the notes say: the instruments and, where it is known, the tempo."""
    names = instruments(score)
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    speed = f", {found['bpm']:.0f} bpm" if found.get("bpm") else ""
    return f"music with {listed}{speed}"
