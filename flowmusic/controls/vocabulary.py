"""The chord vocabulary of the JASCO models: 194 labels, whose order is the id space, and one null id.

Id 0 is ``N`` (no chord), 193 is ``UNK``, and 194 (:data:`NULL_ID`, not a label) stands for an absent control.  The
other 192 are 12 roots x 16 types, in the first-seen order of the data the models were trained on.  Each root has one
spelling; the spelling of a bass depends on its root (``C#/E#`` but ``Ab7/C``).

>>> len(LABELS), label_id("C/E"), transpose("C/E", 2)
(194, 51, 'D/F#')
>>> sorted(pitch_classes("Am7").notes)
[0, 4, 7, 9]
"""

from __future__ import annotations

import re
from typing import NamedTuple

LABELS: tuple[str, ...] = tuple(
    """
    N F C Bb Gm6 Dm A7/C# Bm7b5 Am G7 Dm7 Em7b5 A C#aug G Bbmaj7 F6 Gm7b5/F Bbm D6 D G6 Em Cmaj7 Gmaj7 C6 Am7 Bm7 B
    B/D# Em7 D7 B7/D# Fm E7 F/C C/G A7 Aaug Bbaug Cm6 Bb/F Gm C7 Fm6 Bb6 Cm F/A F#m7 F#m7b5 D/F# C/E Dmaj7 D/A A6 Bm
    Bb/C Fmaj7 F/G Adim F7 Eb7 Dm7b5/C C#7 Cdim Ab Ab7/C Cm7 Ab/C Abm Abm7 Bbm7b5/Ab E F#7 Eb Emaj7 F#6 C#m Caug
    Abm7b5/Gb F#m E6 Abaug B6 F#/A# C#6 A/B Ab6 Abmaj7 Gm7 Eb6 Fm7 Bbm6 Eb/Bb F# Abm7b5 Dm6 G7/B F#m7b5/E Ebm F#/E
    G/D Abm6 Ebm7 C#/G# F#/G# Bbm7 C#/D# Amaj7 Am6 D/E C#m7 Cm7b5/Bb B/F# Bm7b5/A C#m7b5/B F#maj7 G/A C/D Bbdim
    Gm7b5 C7/E Edim Em6 A/E Gaug B7 F#aug Gdim Em7b5/D G/B A/C# A/G Bdim E/B Bbm7b5 C#m6 C#/E# Faug Bb7 F#dim Dm7b5
    F#m6 Ebm7b5 Ebm6 Ebm7b5/Db Fm7b5/Eb Ab/Eb G/F Am7b5 Fdim C# Ab7 Am7b5/G F7/A Ebmaj7 Eb/F Ab/Bb C#maj7 Abdim
    F#7/A# E7/G# Bm6 Baug D/C Cm7b5 Fm7b5 F/Eb D7/F# Bmaj7 Ebaug C/Bb Eb7/G B/C# Bb7/D E/G# Ab/Gb F#/C# Ebdim C#m7b5
    Eaug Bb/D C#dim Daug Eb/Db C#7/E# Ddim E/F# E/D B/A Bb/Ab Eb/G C#/B UNK
    """.split()
)
NULL_ID = 194
NO_CHORD = "N"
UNKNOWN_CHORD = "UNK"

ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""The spelling of each root, by pitch class."""

INTERVALS: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "m7b5": (0, 3, 6, 10),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
}
"""Semitones above the root of each chord type (the empty suffix is a major triad)."""

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_LABEL = re.compile(r"([A-G][#b]?)(maj7|m7b5|m7|m6|m|7|6|dim|aug|)(?:/([A-G][#b]?))?")
_IDS = {label: index for index, label in enumerate(LABELS)}


class PitchClasses(NamedTuple):
    """What sounds in a chord, as pitch classes 0-11 (C = 0); ``notes`` holds the bass too."""

    root: int | None
    bass: int | None
    notes: frozenset[int]


class Chord(NamedTuple):
    """A label taken apart: root pitch class, type suffix, and the bass in semitones above the root."""

    root: int
    suffix: str
    bass_interval: int


def note_pitch_class(name: str) -> int:
    """Pitch class of a letter with any number of ``#`` and ``b``: ``Cb`` is 11, ``E#`` is 5."""
    return (_LETTERS[name[0]] + name.count("#") - name[1:].count("b")) % 12


def _split(label: str) -> Chord:
    match = _LABEL.fullmatch(label)
    if match is None:
        raise AssertionError(f"the vocabulary holds an unreadable label {label!r}")
    root = note_pitch_class(match[1])
    return Chord(root, match[2], (note_pitch_class(match[3] or match[1]) - root) % 12)


_CHORDS = {label: _split(label) for label in LABELS if label not in (NO_CHORD, UNKNOWN_CHORD)}
_BY_CHORD = {chord: label for label, chord in _CHORDS.items()}


def label_id(label: str) -> int:
    """Index of a vocabulary label.

    Raises: ValueError for any other spelling; :func:`flowmusic.controls.chords.canonical` turns those into labels.
    """
    if label not in _IDS:
        raise ValueError(
            f"{label!r} is not one of the {len(LABELS)} chord labels (such as C, Cm7, F#7/A#, N); "
            "use flowmusic.controls.chords.canonical for other spellings"
        )
    return _IDS[label]


def split(label: str) -> Chord | None:
    """Root, type and bass of a vocabulary label; None for ``N`` and ``UNK``."""
    label_id(label)
    return _CHORDS.get(label)


def join(chord: Chord) -> str | None:
    """The label of a chord, or None where the vocabulary has no such bass."""
    return _BY_CHORD.get(chord)


def pitch_classes(label: str) -> PitchClasses:
    """Root, bass and every sounding pitch class of a vocabulary label; ``N`` and ``UNK`` have none."""
    chord = split(label)
    if chord is None:
        return PitchClasses(None, None, frozenset())
    bass = (chord.root + chord.bass_interval) % 12
    notes = {(chord.root + interval) % 12 for interval in INTERVALS[chord.suffix]}
    return PitchClasses(chord.root, bass, frozenset(notes | {bass}))


def transpose(label: str, semitones: int) -> str:
    """The label moved up by ``semitones`` (any integer); ``N`` and ``UNK`` stay."""
    chord = split(label)
    if chord is None:
        return label
    return _BY_CHORD[chord._replace(root=(chord.root + semitones) % 12)]
