"""Small MIDI files."""

from __future__ import annotations

import random
from pathlib import Path

import pretty_midi


def song(
    path: Path, seed: int = 0, bpm: float = 120.0, jitter: float = 0.0, parts: str = "lead bass keys drums"
) -> Path:
    """Eight beats of a lead called Melody, a bass, chords and drums; ``jitter`` is the deviation of every time, s."""
    rng, beat = random.Random(seed), 60 / bpm
    midi = pretty_midi.PrettyMIDI(initial_tempo=bpm)
    midi.time_signature_changes.append(pretty_midi.TimeSignature(4, 4, 0))
    made = {
        "lead": pretty_midi.Instrument(73, name="Melody"),
        "bass": pretty_midi.Instrument(33, name="Bass"),
        "keys": pretty_midi.Instrument(0, name="Keys"),
        "drums": pretty_midi.Instrument(0, is_drum=True, name="Kit"),
    }
    for place in range(8):
        at = max(0.0, place * beat + (rng.gauss(0, jitter) if jitter else 0.0))
        root = rng.choice([0, 5, 7])
        made["lead"].notes.append(pretty_midi.Note(90, 72 + rng.choice([0, 2, 4, 7]), at, at + 0.9 * beat))
        made["bass"].notes.append(pretty_midi.Note(90, 36 + root, at, at + 0.8 * beat))
        for third in (0, 4, 7):
            made["keys"].notes.append(pretty_midi.Note(70, 60 + root + third, at, at + 0.95 * beat))
        made["drums"].notes.append(pretty_midi.Note(100, 38 if place % 2 else 36, at, at + 0.1))
        made["drums"].notes.append(pretty_midi.Note(70, 42, at + beat / 2, at + beat / 2 + 0.1))
    midi.instruments += [made[name] for name in parts.split()]
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(str(path))
    return path
