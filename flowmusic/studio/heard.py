"""What is heard in a recording for a studio: harmony, beats, and the notes of every part.

Notes are those of the network (:mod:`feature_extractors.notes`).  Where it hears none in music that is not silent, the
older extractors are asked: the most prominent melody, the lowest line, chords as their names spell them, drums by
class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from feature_extractors.drums import Drums
from feature_extractors.melody import Melody
from feature_extractors.notes import DRUM_PITCHES, Notes, Transcriber
from feature_extractors.recording import Recording
from feature_extractors.run import Extraction, Extractors, extract
from feature_extractors.stems import Separator
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.midi_labels import merged
from flowmusic.annotations.midi_melody import monophonic
from flowmusic.audio import Audio
from flowmusic.controls.vocabulary import NO_CHORD, UNKNOWN_CHORD, pitch_classes
from flowmusic.studio.midi_parts import Played

LEAD, BASS, CHORDS, DRUMS = "lead", "bass", "chords", "drums"
VELOCITY, HIT_S = 80, 0.05
"""Of notes whose loudness nobody measured; how long a hit lasts in a score."""
BASS_HZ = (36.0, 200.0)
"""The range in which the lowest line is searched: D1 to G3."""
_CLASSES = {"kick": "kick", "snare": "snare", "hihat": "hat"}
"""Drums of the network by the names that annotations have."""


@dataclass(frozen=True)
class Heard:
    """What is heard.

    Attributes:
        annotations: chords, and beats, melody and drums as far as they were listened for.
        parts: notes by part.
        by: who heard the notes, in words.
        notices: what a person should know.
    """

    annotations: Annotations
    parts: Mapping[str, tuple[Played, ...]]
    by: str
    notices: tuple[str, ...] = ()


def hear(
    audio: Audio,
    separator: Separator,
    *,
    beats: bool = True,
    notes: bool = True,
    tell: Callable[[str], None] = lambda step: None,
) -> Heard:
    """Listen to a recording ``[C, N]``.

    Args:
        separator: how the drums are taken out, for the older extractors.
        beats, notes: whether these are listened for too.
        tell: called with the name of each step before it runs.
    """
    whole = Recording.of(audio)
    use = ["chords", *(["beats"] if beats else [])]
    if not notes:
        found = extract(whole, use=use, progress=tell)
        return Heard(found.annotations, {}, "nobody", found.notices)
    tell("notes")
    transcribed = Transcriber().analyse(whole)
    if transcribed.notes:
        return _of_network(extract(whole, use=use, progress=tell), transcribed)
    found = extract(whole, Extractors(drums=Drums(stems=separator)), [*use, "melody", "drums"], progress=tell)
    tell("bass")
    return _of_extractors(found, whole)


def _of_network(found: Extraction, notes: Notes) -> Heard:
    parts = {
        name: tuple(Played(each.start, each.end, each.pitch, each.velocity) for each in notes.part(name))
        for name in (LEAD, BASS, CHORDS)
    }
    hits = sorted((each for name in DRUM_PITCHES for each in notes.part(name)), key=lambda each: each[:3])
    parts[DRUMS] = tuple(Played(each.start, each.start + HIT_S, each.pitch, each.velocity) for each in hits)
    classes = {_CLASSES[name]: merged(each.start for each in notes.part(name)) for name in DRUM_PITCHES}
    known = replace(
        found.annotations,
        melody=tuple((start, end, round(pitch)) for start, end, pitch in monophonic(parts[LEAD])),  # type: ignore[arg-type]
        drums=DrumHits(
            tuple(merged(each.start for each in hits)), {name: tuple(times) for name, times in classes.items()}
        ),
    )
    return Heard(known, parts, "the note network", found.notices)


def _of_extractors(found: Extraction, whole: Recording) -> Heard:
    known = found.annotations
    bass = Melody(fmin_hz=BASS_HZ[0], fmax_hz=BASS_HZ[1], model="tiny").analyse(whole).notes
    hits = dict(known.drums.classes or {}) if known.drums is not None else {}
    pitches = {_CLASSES[name]: pitch for name, pitch in DRUM_PITCHES.items()}
    struck = sorted((time, pitches[name]) for name, times in hits.items() for time in times)
    parts = {
        LEAD: played(known.melody or ()),
        BASS: played(bass),
        CHORDS: spelled(known),
        DRUMS: tuple(Played(time, time + HIT_S, pitch, VELOCITY) for time, pitch in struck),
    }
    return Heard(known, parts, "extractors of melody, chords and drums", found.notices)


def played(notes: Sequence[tuple[float, float, int]]) -> tuple[Played, ...]:
    """Notes of annotations, all equally loud."""
    return tuple(Played(start, end, midi, VELOCITY) for start, end, midi in notes)


def spelled(known: Annotations) -> tuple[Played, ...]:
    """Chords as their names spell them, close together from C4 on."""
    return tuple(
        Played(start, end, 60 + each, VELOCITY)
        for start, end, label in known.chords or ()
        if label not in (NO_CHORD, UNKNOWN_CHORD)
        for each in sorted(pitch_classes(label).notes)
    )
