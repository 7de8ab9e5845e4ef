"""The JSON record of a clip: the labels that other tools read. Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowmusic.annotations.midi_labels import merged
from flowmusic.corpus import COMPOSER_VERSION
from flowmusic.corpus.drums import CLASSES, INSTRUMENTS
from flowmusic.corpus.fonts import Font
from flowmusic.corpus.instruments import KITS, PROGRAMS
from flowmusic.corpus.piece import Note, Part, Piece

# A hit this little before the clip still has most of its attack inside.
_EARLY_S = 0.02
_CLASS_OF = {note: kind for notes, kind in INSTRUMENTS.values() for note in notes}


def _clipped(part: Part, seconds: float) -> list[Note]:
    """Notes inside the clip, cut at its bounds; cut-off remnants under 30 ms are dropped."""
    kept = []
    for note in part.notes:
        start, end = max(0.0, note.start), min(seconds, note.end)
        if end - start >= 0.03:
            kept.append(note._replace(start=start, end=end))
    return kept


def drum_labels(part: Part | None, seconds: float) -> dict[str, Any]:
    classes: dict[str, list[float]] = {name: [] for name in CLASSES}
    for note in part.notes if part else ():
        if -_EARLY_S <= note.start < seconds - 0.005:
            classes[_CLASS_OF[note.pitch]].append(max(0.0, note.start))
    return {
        "onsets": merged(time for times in classes.values() for time in times),
        "classes": {name: merged(times) for name, times in classes.items()},
    }


def to_record(identity: str, piece: Piece, font: Font, rms: Mapping[str, float]) -> dict[str, Any]:
    """The content of `ID.json`."""
    melody = piece.part("melody")
    return {
        "id": identity,
        "split": piece.split,
        "seed": piece.seed,
        "composer_version": COMPOSER_VERSION,
        "seconds": piece.seconds,
        "sample_rate": 32_000,
        "bpm": piece.bpm,
        "meter": piece.meter,
        "beats": [round(t, 4) for t in piece.beats],
        "downbeats": [round(t, 4) for t in piece.downbeats],
        "key": piece.key,
        "mode": piece.mode,
        "chords": [[round(a, 4), round(b, 4), label] for a, b, label in piece.chords],
        "melody": [
            [round(n.start, 4), round(n.end, 4), n.pitch] for n in (_clipped(melody, piece.seconds) if melody else ())
        ],
        "notes": {
            part.name: [
                [round(n.start, 4), round(n.end, 4), n.pitch, n.velocity] for n in _clipped(part, piece.seconds)
            ]
            for part in piece.parts
        },
        "drums": drum_labels(piece.part("drums"), piece.seconds),
        "programs": {
            part.name: {
                "program": part.program,
                "name": (KITS if part.name == "drums" else PROGRAMS)[part.program][0],
            }
            for part in piece.parts
        },
        "captions": list(piece.captions),
        "tags": dict(piece.tags),
        "font": {"name": font.name, "sha256": font.sha256},
        "rms": dict(rms),
        "material": {name: list(items) for name, items in piece.material.items()},
    }
