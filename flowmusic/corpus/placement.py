"""Where the parts of a mix sit between the loudspeakers: a table of usual places, from the listener's seat.

Mixing practice (Owsinski, "The Mixing Engineer's Handbook"; Senior, "Mixing Secrets for the Small Studio"): what
carries the weight and the tune is in the middle, timekeepers to one side, comping instruments to opposite sides;
ensembles are as wide as they sit, a keyboard as wide as its keys.  The same part is on the same side in every clip, up
to a small error: which side that is, is a convention, and only what is a convention can be told from a mono recording.

Places go from -1 (left) to 1 (right).  docs/corpus.md shows the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from flowmusic.corpus.kits import NAME_OF, PLACES
from flowmusic.corpus.piece import Note, Part, Piece
from flowmusic.facts import instrument_of

# The kit as the audience sees it: hi-hat to the right, toms from right to left as they get lower.
_DRUMS = {**PLACES, "bell": -0.4, "tamb": 0.4, "shaker": -0.4, "agogo": 0.35, "agogolo": 0.25, "mute": -0.3}

# instrument: (place, how far its notes are spread: lowest to one side, highest to the other) where it accompanies.
ACCOMPANIMENT: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("acoustic guitar", "electric guitar", "clavinet"), (-0.5, 0.0)),
    **dict.fromkeys(("distorted guitar",), (-0.4, 0.0)),
    **dict.fromkeys(("banjo", "koto", "sitar", "dulcimer"), (-0.45, 0.1)),
    **dict.fromkeys(("piano", "electric piano"), (0.4, 0.25)),
    **dict.fromkeys(("harpsichord",), (0.35, 0.25)),
    **dict.fromkeys(("organ", "church organ"), (0.3, 0.2)),
    **dict.fromkeys(("accordion", "harmonica"), (-0.35, 0.1)),
    **dict.fromkeys(("vibraphone", "marimba", "bells", "kalimba"), (0.45, 0.3)),
    **dict.fromkeys(("harp",), (-0.4, 0.2)),
    # As an orchestra and a choir stand: high voices to the left, low ones to the right; horns left, brass right.
    **dict.fromkeys(("strings", "pizzicato strings", "synth strings"), (0.0, -0.6)),
    **dict.fromkeys(("brass", "trumpet", "trombone"), (0.4, 0.1)),
    **dict.fromkeys(("french horn",), (-0.35, 0.0)),
    **dict.fromkeys(("choir",), (0.0, -0.5)),
    **dict.fromkeys(("synth pad", "synth lead"), (0.0, -0.55)),
}
_OTHERS = (0.3, 0.0)
# What plays alone is in the middle and as wide as its keys; a pad is at least so wide; of its place a lead has so much.
_ALONE_SPREAD, _PAD, _LEAD = 0.5, 0.5, 0.35
# How much of the side that a soundfont's own samples have is kept.
OWN_SIDE = 0.5
_ERROR, _WIDTH = 0.05, (0.85, 1.1)
_MIDDLE_PITCH, _REACH = 60.0, 12.0
# Notes are spread in steps: four registers of a part.
_STEPS = 4


@dataclass(frozen=True)
class Seat:
    """The place of a part, and how far its notes are spread around it: `spread` at an octave above middle C."""

    place: float
    spread: float = 0.0

    def of(self, note: Note, drums: bool) -> float:
        """The place of one note, -1 to 1."""
        if drums:
            own = _DRUMS.get(NAME_OF.get(note.pitch, ""), 0.0) * self.spread
        else:
            height = max(-1.0, min(1.0, (note.pitch - _MIDDLE_PITCH) / _REACH))
            # The middle of the register that the note falls into.
            step = min(_STEPS - 1, int((height + 1) / 2 * _STEPS))
            own = self.spread * ((2 * step + 1) / _STEPS - 1)
        return max(-1.0, min(1.0, self.place + own))

    def groups(self, part: Part) -> list[tuple[float, tuple[Note, ...]]]:
        """The notes of a part by their places, from left to right."""
        found: dict[float, list[Note]] = {}
        for note in part.notes:
            found.setdefault(self.of(note, part.name == "drums"), []).append(note)
        return [(place, tuple(notes)) for place, notes in sorted(found.items())]


def seats(rng: Random, piece: Piece) -> dict[str, Seat]:
    """The seat of every part: that of the table, a little wider or narrower in each clip, each a little beside it."""
    width = rng.uniform(*_WIDTH)
    errors = [max(-2.0, min(2.0, rng.gauss(0.0, 1.0))) * _ERROR for _ in piece.parts]
    return {part.name: _seat(part, piece.parts, width, error) for part, error in zip(piece.parts, errors, strict=True)}


def _seat(part: Part, parts: Sequence[Part], width: float, error: float) -> Seat:
    if part.name == "drums":
        # Kick and snare stay in the middle; the spread is that of the kit around them.
        return Seat(error / 2, width)
    if part.name == "bass":
        return Seat(error / 2)
    place, spread = ACCOMPANIMENT.get(instrument_of(part.program) or "", _OTHERS)
    if part.name == "melody":
        # Near the middle, on the side of its section.
        return Seat(width * _LEAD * place + error)
    if part.name == "pad":
        # What lies under everything is on both sides, as a choir stands.
        return Seat(error, width * min(spread, -_PAD))
    if len(parts) == 1:
        return Seat(error, width * _ALONE_SPREAD)
    return Seat(width * place + error, width * spread)
