"""MIDI files as sheets: the tempo map and meter, the melody track, chords of marks or of a track of chords, drums.

What :mod:`flowmusic.annotations.of_midi` says exactly, and the harmony, which a MIDI file does not name: marks that are
chord names tell it (as ``write`` and many programs put them there), else the part that plays the most notes at once,
beat by beat, where these make up a chord of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from flowmusic.annotations import midi
from flowmusic.annotations.annotation import Annotations, Chord, Section
from flowmusic.annotations.midi import MidiError, Part, Score
from flowmusic.annotations.midi_melody import melody_of
from flowmusic.annotations.of_midi import annotations_of
from flowmusic.controls.harmony import canonical, reads
from flowmusic.controls.vocabulary import LABELS, NO_CHORD, UNKNOWN_CHORD, pitch_classes, split
from flowmusic.sheets.midi_events import TICKS, Event, save
from flowmusic.sheets.sheet import DEFAULT_BPM, Sheet
from flowmusic.sheets.written import SheetError

MELODY_CHANNEL, CHORDS_CHANNEL = 0, 1
MELODY_PROGRAM, CHORDS_PROGRAM = 73, 0
VELOCITY = 80
LEAST_AT_ONCE = 3
"""Notes that make a chord."""
_ORDER = ("", "m", "7", "maj7", "m7", "m7b5", "dim", "aug", "6", "m6")
"""Of chords of the same notes the one that comes first is meant: Am7, not C6."""


def read(path: Path) -> Annotations:
    """What a file says, in its own seconds, on its beats.  Raises: MidiError naming it."""
    score = midi.read(path)
    found = annotations_of(score)
    if found.beats is None and score.beats:
        # Somebody who hands in a file as a sheet means its bars.
        found = replace(found, beats=score.beats, downbeats=score.downbeats or None, bpm=score.bpm)
    found = _to_the_end(found, max(score.seconds, score.length))
    found = replace(found, meter=score.meter.name if score.meter is not None else found.meter)
    if found.melody is None and any(not part.drums for part in score.parts):
        try:
            found = replace(found, melody=tuple((s, e, int(p)) for s, e, p in melody_of(score).notes))
        except MidiError:
            found = replace(found, melody=None)  # it holds no line of one voice, and need not
    chords, sections = _of_marks(score, max(score.seconds, score.length))
    if not chords:
        chords = _heard(score)
    if not any(part.drums for part in score.parts):
        # A sheet without a kit leaves the drums open.
        found = replace(found, drums=None)
    return replace(found, chords=chords or None, sections=sections or None)


def _to_the_end(found: Annotations, end: float) -> Annotations:
    """Beats that go on to the end of the file: a bar may be silent."""
    beats, downbeats = list(found.beats or ()), list(found.downbeats or ())
    if len(beats) < 2:
        return replace(found, seconds=end)
    in_a_bar = beats.index(downbeats[-1]) - beats.index(downbeats[-2]) if len(downbeats) > 1 else 0
    step = beats[-1] - beats[-2]
    while beats[-1] + 1.5 * step < end + step / 2:
        beats.append(round(beats[-1] + step, 4))
        if in_a_bar and len(beats) - 1 - beats.index(downbeats[-1]) == in_a_bar:
            downbeats.append(beats[-1])
    return replace(found, seconds=end, beats=tuple(beats), downbeats=tuple(downbeats) or None)


def _of_marks(score: Score, end: float) -> tuple[tuple[Chord, ...], tuple[Section, ...]]:
    """Marks that are chord names are chords; other marks, and cues, are sections."""
    chords = [(time, canonical(text.strip()).label) for time, text in score.markers if _is_chord(text)]
    names = [(time, text.strip()[:60]) for time, text in score.markers if text.strip() and not _is_chord(text)]
    names = sorted([*names, *((time, text.strip()[:60]) for time, text in score.cues if text.strip())])
    stops = [*(time for time, _ in names[1:]), end]
    sections = [(start, stop, name, "") for (start, name), stop in zip(names, stops) if stop > start]
    return tuple(_spans(chords, end)), tuple(sections)


def _is_chord(text: str) -> bool:
    return bool(text.strip()) and reads(text.strip())


def _spans(points: Sequence[tuple[float, str]], end: float) -> list[Chord]:
    """Points as spans to the next one; one that is said again goes on."""
    found: list[Chord] = []
    for (start, text), stop in zip(points, [*(time for time, _ in points[1:]), end]):
        if found and found[-1][1:] == (start, text):
            found[-1] = (found[-1][0], stop, text)
        elif stop > start:
            found.append((start, stop, text))
    return found


def _heard(score: Score) -> tuple[Chord, ...]:
    """Chords of the part that plays the most notes at once, at its changes on the beat."""
    if len(score.beats) < 2:
        return ()
    parts = [part for part in score.parts if not part.drums]
    best = max(parts, key=_together, default=None)
    if best is None or _together(best) < LEAST_AT_ONCE:
        return ()
    found: list[Chord] = []
    beats = [*score.beats, max(score.seconds, score.beats[-1] + 1e-3)]
    for start, end in zip(beats, beats[1:]):
        label = _label(_sounding(best, start, end))
        if label is None:
            continue
        if found and found[-1][2] == label and abs(found[-1][1] - start) < 1e-6:
            found[-1] = (found[-1][0], end, label)
        else:
            found.append((start, end, label))
    return tuple(found)


def _together(part: Part) -> float:
    """Mean number of notes that begin at once."""
    starts = {round(note.start, 2) for note in part.notes}
    return len(part.notes) / max(1, len(starts))


def _sounding(part: Part, start: float, end: float) -> list[int]:
    """Pitches that sound in most of a beat."""
    least = 0.5 * (end - start)
    return sorted(note.pitch for note in part.notes if min(note.end, end) - max(note.start, start) >= least)


def _label(pitches: Sequence[int]) -> str | None:
    """The chord of the vocabulary that has exactly these notes, its root in the bass where one has; N for none."""
    if not pitches:
        return NO_CHORD
    classes, bass = frozenset(pitch % 12 for pitch in pitches), pitches[0] % 12
    fitting = [label for label in LABELS if label not in (NO_CHORD, UNKNOWN_CHORD) and "/" not in label]
    fitting = [label for label in fitting if pitch_classes(label).notes == classes]
    if not fitting:
        return None

    def rank(label: str) -> tuple[bool, int]:
        chord = split(label)
        assert chord is not None
        return chord.root != bass, _ORDER.index(chord.suffix)

    best = min(fitting, key=rank)
    inverted = [label for label in LABELS if label.startswith(f"{best}/") and pitch_classes(label).bass == bass]
    return inverted[0] if inverted else best


def write(sheet: Sheet, path: Path, bpm: float | None = None) -> Path:
    """A file of three tracks: tempo, meter and marks (chords, sections); melody; chords as block chords.

    Whole or not at all.  Raises: SheetError for a sheet without bars.
    """
    if not sheet.bars:
        raise SheetError("a sheet without bars makes no MIDI file")
    tracks = [_tempo_events(sheet, bpm), _melody_events(sheet), _chord_events(sheet)]
    return save(path, tracks, round(_ticks(sheet)[-1]))


def _ticks(sheet: Sheet) -> list[Fraction]:
    """Tick at which every bar begins, and the end."""
    found = [Fraction(0)]
    for bar in sheet.bars:
        found.append(found[-1] + bar.beats * Fraction(bar.meter.beat_quarters) * TICKS)
    return found


def _tempo_events(sheet: Sheet, bpm: float | None) -> list[Event]:
    import mido

    events: list[Event] = [(0, 0, mido.MetaMessage("track_name", name=_latin(sheet.title or "sheet")))]
    own = sheet.bpm
    scale = bpm / own if bpm is not None and own else 1.0
    meter = None
    for number, (bar, tick) in enumerate(zip(sheet.bars, _ticks(sheet))):
        at = round(tick)
        quarters = Fraction(bar.meter.beat_quarters)
        tempo = (
            bar.bpm * scale if bar.bpm is not None else (bpm or DEFAULT_BPM) if number == 0 and own is None else None
        )
        if tempo is not None:
            events.append((at, 1, mido.MetaMessage("set_tempo", tempo=round(60e6 / (tempo * float(quarters))))))
        if bar.meter != meter:
            meter = bar.meter
            count, _, unit = bar.meter.name.partition("/")
            told = mido.MetaMessage("time_signature", numerator=int(count), denominator=int(unit))
            events.append((at, 1, told))
        if bar.section is not None:
            events.append((at, 2, mido.MetaMessage("cue_marker", text=_latin(bar.section))))
        for beat, label in bar.chords:
            events.append((round(tick + beat * quarters * TICKS), 3, mido.MetaMessage("marker", text=label)))
    return events


def _latin(text: str) -> str:
    """Text that the file format can hold."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _note_events(notes: Sequence[tuple[int, int, int]], channel: int, program: int, name: str) -> list[Event]:
    import mido

    events: list[Event] = [
        (0, 0, mido.MetaMessage("track_name", name=name)),
        (0, 1, mido.Message("program_change", channel=channel, program=program)),
    ]
    for start, end, pitch in notes:
        events.append((start, 3, mido.Message("note_on", channel=channel, note=pitch, velocity=VELOCITY)))
        events.append((max(end, start + 1), 2, mido.Message("note_off", channel=channel, note=pitch, velocity=0)))
    return events


def _melody_events(sheet: Sheet) -> list[Event]:
    notes = []
    for bar, tick in zip(sheet.bars, _ticks(sheet)):
        beat = Fraction(bar.meter.beat_quarters) * TICKS
        notes += [(round(tick + at * beat), round(tick + (at + long) * beat), midi) for at, long, midi in bar.notes]
    notes.sort()
    # One voice: a note ends where the next one begins.
    cut = [(s, min(e, notes[n + 1][0]) if n + 1 < len(notes) else e, p) for n, (s, e, p) in enumerate(notes)]
    return _note_events(cut, MELODY_CHANNEL, MELODY_PROGRAM, "melody")


def _chord_events(sheet: Sheet) -> list[Event]:
    ticks = _ticks(sheet)
    changes = [
        (round(tick + beat * Fraction(bar.meter.beat_quarters) * TICKS), label)
        for bar, tick in zip(sheet.bars, ticks)
        for beat, label in bar.chords
    ]
    notes = []
    for (start, label), end in zip(changes, [*(t for t, _ in changes[1:]), round(ticks[-1])]):
        if label in (NO_CHORD, UNKNOWN_CHORD) or end <= start:
            continue
        found = pitch_classes(label)
        bass = 36 + (found.bass if found.bass is not None else found.root or 0)
        notes += [(start, end, bass), *((start, end, 60 + each) for each in sorted(found.notes))]
    return _note_events(notes, CHORDS_CHANNEL, CHORDS_PROGRAM, "chords")
