"""Which notes of a MIDI file are its melody."""

from __future__ import annotations

import bisect
import heapq
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from flowmusic.annotations.midi import MidiError, Note, Part, Score

ROLL_S = 0.03
"""Notes of one chord, struck by hand."""
OVERLAP_SHARE = 0.05
LEAD_SHARE = 0.3
"""A lead sounds in at least this share of the piece, and overlaps itself in at most :data:`OVERLAP_SHARE` of that."""
LEAD_NAMES = (
    re.compile(r"(?<![^\W\d])(top ?line|m[eé]lod(y|ie|ia|ía|i|ies|ys))(?![^\W\d])"),
    re.compile(r"(?<![^\W\d])(vocals?|vox|voice|singer|sing|voz|voix|voce|gesang|stimme|canto|chant)(?![^\W\d])"),
    re.compile(r"(?<![^\W\d])(lead|solo)(?![^\W\d])"),
)
"""What tracks are called that hold the melody, as words that digits may touch; what an earlier expression finds is
meant before the others."""
OTHER_NAMES = re.compile(r"\b(back(ing|ground|up)?|bgv|bvs?|choir|coro|harmon(y|ies|ie)|counter|oohs?|aahs?|pad)")
"""Voices that accompany the one that leads."""
_BASSES = range(32, 40)


@dataclass(frozen=True)
class Line:
    """A melody: ascending ``(start_s, end_s, midi)`` without overlaps, and in words where it was taken from."""

    notes: tuple[tuple[float, float, int], ...]
    taken: str


def melody_of(score: Score) -> Line:
    """The melody of a file: the track that says so by its name, or else what is struck on top of all tracks.

    Raises: MidiError, which does not name the file, where nothing but drums plays.
    """
    line = _chosen(score)
    if not line.notes:
        raise MidiError("holds no notes that last")
    return line


def _chosen(score: Score) -> Line:
    parts = [part for part in score.parts if not part.drums]
    if not parts:
        raise MidiError("holds no notes outside the drum channel")
    for names in LEAD_NAMES:
        named = [part for part in parts if _named(part, names)]
        # A name that all parts have is that of the song: files of type 0 have one track.
        if named and (len(named) < len(parts) or len(parts) == 1):
            tracks = " and ".join(dict.fromkeys(repr(part.name) for part in named))
            return Line(_line(named), f"the track {tracks}, which says that it is the melody")
    if len(parts) == 1:
        return Line(_line(parts), "the only track" + (f", {parts[0].name!r}" if parts[0].name else ""))
    return Line(_line(parts), f"the highest notes of {len(parts)} parts, of which none says that it is the melody")


def _named(part: Part, names: re.Pattern[str]) -> bool:
    name = part.name.lower().replace("_", " ")
    return bool(names.search(name)) and not OTHER_NAMES.search(name)


def _line(parts: Sequence[Part]) -> tuple[tuple[float, float, int], ...]:
    notes = sorted(note for part in parts for note in part.notes)
    rows = monophonic(notes) if _overlap(notes) <= OVERLAP_SHARE else skyline(notes)
    return tuple((float(start), float(end), int(pitch)) for start, end, pitch in rows)


def lead_of(score: Score) -> Part | None:
    """The part that is clearly the melody: monophonic, much of the time, and named so or the only one of its kind."""
    seconds = score.seconds
    able = [part for part in score.parts if _could_lead(part, seconds)]
    for names in LEAD_NAMES:
        named = [part for part in able if _named(part, names)]
        if named:
            return named[0] if len(named) == 1 else None
    return able[0] if len(able) == 1 else None


def _could_lead(part: Part, seconds: float) -> bool:
    if part.drums or part.program in _BASSES:
        return False
    sounding = sum(note.end - note.start for note in part.notes)
    middle = statistics.median(note.pitch for note in part.notes)
    return _overlap(part.notes) <= OVERLAP_SHARE and sounding >= LEAD_SHARE * seconds and middle >= 55


def _overlap(notes: Sequence[Note]) -> float:
    """How long ascending notes sound into the next one, as a share of all."""
    sounding = sum(note.end - note.start for note in notes)
    return sum(max(0.0, first.end - second.start) for first, second in zip(notes, notes[1:])) / max(sounding, 1e-9)


def monophonic(notes: Sequence[Note]) -> list[list[float]]:
    """Rows ``[start, end, midi]`` without overlaps: every note ends where the next begins."""
    rows: list[list[float]] = []
    for note in sorted(notes):
        if rows and note.start < rows[-1][1]:
            rows[-1][1] = round(note.start, 4)
            if rows[-1][1] - rows[-1][0] < ROLL_S:
                rows.pop()
        rows.append([round(note.start, 4), round(note.end, 4), note.pitch])
    return [row for row in rows if row[0] < row[1]]


def skyline(notes: Sequence[Note], below: int = 12, around_s: float = 4.0) -> list[list[float]]:
    """The upper line of polyphonic music as rows ``[start, end, midi]``: a guess at its melody, not a label.

    A note belongs to it if nothing higher sounds when it is struck; it lasts until it is let go or the next one
    begins (Uitdenbogerd & Zobel, Manipulation of Music for Melody Matching, 1998).  Notes that lie more than ``below``
    semitones under the median of the line around them are accompaniment that shows while the melody rests, and are
    dropped.
    """
    ordered = sorted(notes)
    line: list[Note] = []
    sounding: list[tuple[int, float]] = []
    place = 0
    while place < len(ordered):
        first = place
        while place < len(ordered) and ordered[place].start - ordered[first].start <= ROLL_S:
            place += 1
        struck = ordered[first:place]
        top = max(struck, key=lambda note: note.pitch)
        # The highest note lies on top of the heap; one that has ended is of no concern any more.
        while sounding and sounding[0][1] <= top.start:
            heapq.heappop(sounding)
        if not sounding or -sounding[0][0] <= top.pitch:
            line.append(top)
        for note in struck:
            heapq.heappush(sounding, (-note.pitch, note.end))
    kept = []
    window: list[int] = []  # the pitches of the line within around_s, in order of height
    entered = left = 0
    for note in line:
        while entered < len(line) and line[entered].start <= note.start + around_s:
            bisect.insort(window, line[entered].pitch)
            entered += 1
        while line[left].start < note.start - around_s:
            del window[bisect.bisect_left(window, line[left].pitch)]
            left += 1
        if note.pitch >= (window[(len(window) - 1) // 2] + window[len(window) // 2]) / 2 - below:
            kept.append(note)
    return monophonic(kept)
