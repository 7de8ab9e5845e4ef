"""Scales, chord types and chord labels.

Pitch classes are integers 0-11 with C = 0; pitches are MIDI numbers. A label is one of the 192
chord names of the JASCO vocabulary: 12 roots times 16 types, where an inversion is a type.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
NO_CHORD = "N"

_LETTERS = "CDEFGAB"
_LETTER_PC = (0, 2, 4, 5, 7, 9, 11)

# type: (suffix of the label, intervals above the root, bass interval, letters from root to bass)
_TYPES: dict[str, tuple[str, tuple[int, ...], int, int]] = {
    "maj": ("", (0, 4, 7), 0, 0),
    "m": ("m", (0, 3, 7), 0, 0),
    "7": ("7", (0, 4, 7, 10), 0, 0),
    "maj7": ("maj7", (0, 4, 7, 11), 0, 0),
    "m7": ("m7", (0, 3, 7, 10), 0, 0),
    "m7b5": ("m7b5", (0, 3, 6, 10), 0, 0),
    "6": ("6", (0, 4, 7, 9), 0, 0),
    "m6": ("m6", (0, 3, 7, 9), 0, 0),
    "dim": ("dim", (0, 3, 6), 0, 0),
    "aug": ("aug", (0, 4, 8), 0, 0),
    "maj/2": ("", (0, 4, 7), 2, 1),
    "maj/3": ("", (0, 4, 7), 4, 2),
    "maj/5": ("", (0, 4, 7), 7, 4),
    "maj/b7": ("", (0, 4, 7), 10, 6),
    "7/3": ("7", (0, 4, 7, 10), 4, 2),
    "m7b5/b7": ("m7b5", (0, 3, 6, 10), 10, 6),
}
CHORD_TYPES = tuple(_TYPES)

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}


def _spell(letter: int, pc: int) -> str:
    """Name of pitch class `pc` written with the given letter (0 = C)."""
    shift = (pc - _LETTER_PC[letter % 7] + 6) % 12 - 6
    return _LETTERS[letter % 7] + ("#" * shift if shift > 0 else "b" * -shift)


@dataclass(frozen=True)
class Chord:
    """A chord: `root` pitch class and `kind`, one of `CHORD_TYPES`."""

    root: int
    kind: str

    @cached_property
    def label(self) -> str:
        """Vocabulary label, such as "C#/E#" or "Bm7b5/A"."""
        suffix, _, bass, letters = _TYPES[self.kind]
        name = ROOTS[self.root] + suffix
        if not bass:
            return name
        return f"{name}/{_spell(_LETTERS.index(ROOTS[self.root][0]) + letters, self.bass)}"

    @cached_property
    def tones(self) -> tuple[int, ...]:
        """Pitch classes above the root, without a foreign bass note."""
        return tuple((self.root + i) % 12 for i in _TYPES[self.kind][1])

    @cached_property
    def bass(self) -> int:
        """Pitch class of the lowest note."""
        return (self.root + _TYPES[self.kind][2]) % 12

    @cached_property
    def core(self) -> tuple[int, ...]:
        """Pitch classes that the harmony must sound for the label to be true, bass excluded."""
        return tuple(pc for pc in self.tones if pc != self.bass)

    def up(self, semitones: int) -> Chord:
        """The chord transposed."""
        return Chord((self.root + semitones) % 12, self.kind)


@lru_cache(maxsize=1)
def label_table() -> dict[str, Chord]:
    """All 192 chord labels and the chords they name."""
    chords = (Chord(root, kind) for root in range(12) for kind in CHORD_TYPES)
    return {chord.label: chord for chord in chords}


def diatonic(mode: str, degree: int, seventh: bool) -> Chord:
    """Chord on a scale degree (0-6) of `mode` in C, by stacking thirds.

    Qualities outside the vocabulary reduce: a diminished seventh to its triad, a minor chord with
    a major seventh to m6, an augmented one to its triad.
    """
    scale = SCALES[mode]
    root = scale[degree % 7]
    stack = tuple((scale[(degree + 2 * k) % 7] - root) % 12 for k in range(4 if seventh else 3))
    for kind in ("maj", "m", "dim", "aug", "7", "maj7", "m7", "m7b5"):
        if _TYPES[kind][1] == stack:
            return Chord(root, kind)
    return Chord(root, {(3, 6): "dim", (3, 7): "m6", (4, 8): "aug"}[stack[1], stack[2]])


def chord_scale(chord: Chord, tonic: int, mode: str) -> tuple[int, ...]:
    """Scale (pitch classes, ascending from 0) to play over `chord`: the key, bent to the chord.

    Scale notes a semitone from a chord tone that is not in the key give way to that tone.
    """
    key = {(tonic + s) % 12 for s in SCALES[mode]}
    foreign = set(chord.tones) - key
    for tone in foreign:
        near = {(tone + 1) % 12, (tone - 1) % 12} - set(chord.tones)
        key -= near
        key.add(tone)
    return tuple(sorted(key))
