"""Bach chorales with chord labels, rendered with our synth: test items for chord recognisers.

The notes come with music21 (extra ``benchmarks``), which also finds roots, qualities and inversions.  They are for
testing only: nothing is trained on them.

Labels, beat by beat, from what sounds together (music21's ``chordify``):

- a beat is what its first triad or seventh chord is (the fifth may be missing), from there to the beat's end;
- other notes in it are passing notes, neighbours or suspensions, and change nothing;
- what comes before that chord in its beat, a chord on another root later in the beat, and beats without any such chord
  are ``X``, which is not scored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmusic.audio import Audio
from flowmusic.corpus.fonts import wheel_font
from flowmusic.corpus.piece import Note, Part, Piece, Room

PROGRAMS = (("piano", 0), ("church organ", 19), ("string ensemble", 48), ("choir", 52))
BPM = (72.0, 84.0, 96.0)
BEATS = 36
_QUALITY = {
    "major triad": "maj",
    "minor triad": "min",
    "diminished triad": "dim",
    "augmented triad": "aug",
    "dominant seventh chord": "7",
    "major seventh chord": "maj7",
    "minor seventh chord": "min7",
    "half-diminished seventh chord": "hdim7",
    "diminished seventh chord": "dim7",
    "Major Third": "maj",
    "Minor Third": "min",
    "incomplete dominant-seventh chord": "7",
    "incomplete major-seventh chord": "maj7",
    "incomplete minor-seventh chord": "min7",
}
"""music21's ``commonName``, without what it says of doublings -> quality in Harte's notation."""
_ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")


@dataclass(frozen=True)
class Chorale:
    """The beginning of a chorale.

    voices: of each the notes ``(start [quarters], end, MIDI)``.
    chords: ``(start [quarters], end, label)``, gapless, in Harte's notation, ``X`` where there is none.
    """

    name: str
    voices: tuple[tuple[tuple[float, float, int], ...], ...]
    chords: tuple[tuple[float, float, str], ...]
    quarters: float


def chorales(count: int, folder: Path) -> list[Chorale]:
    """``count`` chorales, evenly spread over Riemenschneider's 371; what was read is kept in a folder.

    Raises: SystemExit if music21 is not installed.
    """
    file = folder / f"chorales-{count}.json"
    if not file.exists():
        try:
            from music21 import corpus
        except ImportError:
            message = "error: the chorales need music21; install it with `uv pip install '.[benchmarks]'`"
            raise SystemExit(message) from None
        names = list(corpus.chorales.Iterator(numberingSystem="riemenschneider", returnType="filename"))
        found = [vars(_read(name)) for name in names[:: max(1, len(names) // count)][:count]]
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found), encoding="utf-8")
    return [Chorale(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]


def render(chorale: Chorale, index: int, synth: Any) -> tuple[Audio, list[tuple[float, float, str]]]:
    """Audio ``[1, N]`` and labels in seconds; instrument and tempo go round with the index."""
    from flowmusic.corpus.render import render as render_piece

    quarter_s = 60.0 / BPM[index % len(BPM)]
    program = PROGRAMS[index % len(PROGRAMS)][1]
    seconds = chorale.quarters * quarter_s
    notes = [
        Note(start * quarter_s, end * quarter_s, pitch, 80) for voice in chorale.voices for start, end, pitch in voice
    ]
    room = Room(size=0.5, damping=0.3, width=0.5, level=0.4, loudness_db=-20.0, peak=0.9)
    part = Part("chords", program, tuple(sorted(notes)), reverb=60)
    piece = Piece(
        seed=0, split="test", seconds=seconds, bpm=60.0 / quarter_s, meter="4/4", beats=(), downbeats=(), key="none",
        mode="none", chords=(), parts=(part,), room=room, tags={}, captions=(),
    )  # fmt: skip
    import torch

    rendering = render_piece(piece, synth)
    audio = Audio(torch.from_numpy(rendering.mix).float()[None] / 32768.0, rendering.sample_rate)
    return audio, [(start * quarter_s, end * quarter_s, label) for start, end, label in chorale.chords]


def unseen_font() -> Path:
    """A soundfont that nothing was trained on.  Raises: SystemExit without the package that carries it."""
    font = wheel_font()
    if font is None:
        raise SystemExit("error: TimGM6mb.sf2 comes with pretty_midi, which is not installed; run `make setup`")
    return font


def _read(name: str) -> Chorale:
    from music21 import corpus

    score = corpus.parse(name)
    quarters = min(float(BEATS), float(score.highestTime))
    voices = []
    for part in list(score.parts)[:4]:
        notes = []
        for note in part.stripTies().flatten().notes:
            start, end = float(note.offset), min(float(note.offset + note.quarterLength), quarters)
            notes += [(start, end, int(pitch.midi)) for pitch in note.pitches if end > start]
        voices.append(tuple(notes))
    sounding = [
        (float(c.offset), min(float(c.offset + c.quarterLength), quarters), _label(c))
        for c in score.chordify().flatten().getElementsByClass("Chord")
        if float(c.offset) < quarters
    ]
    return Chorale(name, tuple(voices), tuple(_by_beat(sounding, quarters)), quarters)


def _label(chord: Any) -> str | None:
    """Harte's label of a sonority; None for one that is neither a triad nor a seventh chord."""
    quality = _QUALITY.get(chord.commonName.removesuffix(" with octave doublings"))
    if quality is None:
        return None
    root, bass = chord.root().pitchClass, chord.bass().pitchClass
    interval = (bass - root) % 12
    return f"{_ROOTS[root]}:{quality}" + (f"/{_DEGREES[interval]}" if interval else "")


def _by_beat(sounding: list[tuple[float, float, str | None]], quarters: float) -> Iterator[tuple[float, float, str]]:
    """The rules of the module's head.  Gapless spans, each within one beat."""
    beat = 0.0
    while beat < quarters:
        end = min(beat + 1.0, quarters)
        inside = [(max(s, beat), min(e, end), label) for s, e, label in sounding if s < end - 1e-6 and e > beat + 1e-6]
        chosen: str | None = None
        at = beat
        for start, stop, label in inside:
            if chosen is None and label is None:
                continue
            if chosen is None and label is not None:
                chosen = label
                if start > at:
                    yield (at, start, "X")
                at = start
            elif label is not None and chosen is not None and label.partition(":")[0] != chosen.partition(":")[0]:
                yield (at, start, chosen)
                yield (start, stop, "X")
                at = stop
        if at < end - 1e-6:
            yield (at, end, chosen or "X")
        beat = end
