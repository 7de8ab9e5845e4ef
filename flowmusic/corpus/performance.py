"""How players bring a piece to life: push and pull, chords that are not quite together, dynamics.

Onsets deviate from the grid by about 8 ms (standard deviation) within a part: a constant lead or lag of the player, a
drift that lasts several beats, and an error of each stroke. Expressive timing is correlated over beats, independent
noise sounds drunk (Hennig et al., PLoS ONE 6(10), 2011).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random

from flowmusic.corpus.piece import Note, Part, Piece
from flowmusic.corpus.splits import stream

LAY_S, DRIFT_S, STROKE_S = 0.004, 0.005, 0.005
# Of the drift, from one beat to the next.
_MEMORY = 0.85
_SPREAD_S = 0.018
_PHRASE_BARS = 4


def without_overlaps(notes: Iterable[Note], monophonic: bool) -> tuple[Note, ...]:
    """Notes, sorted, none of which lasts into the next of its own pitch (`monophonic`: into the next of all)."""
    following: dict[int, float] = {}
    trimmed = []
    for note in sorted(notes, reverse=True):
        voice = -1 if monophonic else note.pitch
        limit = following.get(voice, math.inf)
        following[voice] = note.start
        if limit - note.start > 0.03:
            trimmed.append(note._replace(end=min(note.end, limit - 0.002)))
    return tuple(reversed(trimmed))


def perform(piece: Piece) -> Piece:
    """The piece with its notes as they are played. Beats and chords stay where the grid has them."""
    return replace(piece, parts=tuple(replace(part, notes=_played(piece, part)) for part in piece.parts))


def _normal(rng: Random, deviation: float) -> float:
    return max(-2.5 * deviation, min(2.5 * deviation, rng.gauss(0.0, deviation)))


def _drift(rng: Random, beats: int) -> list[float]:
    """Seconds at every beat: an autoregressive process with deviation `DRIFT_S`."""
    values = [_normal(rng, DRIFT_S)]
    for _ in range(beats):
        values.append(_MEMORY * values[-1] + math.sqrt(1 - _MEMORY**2) * _normal(rng, DRIFT_S))
    return values


def _at(values: Sequence[float], place: float) -> float:
    """Linear interpolation at a place from 0 to the last index."""
    place = max(0.0, min(len(values) - 1.0, place))
    low = min(int(place), len(values) - 2)
    return values[low] + (place - low) * (values[low + 1] - values[low])


def _played(piece: Piece, part: Part) -> tuple[Note, ...]:
    rng = stream(piece.seed, "performance", part.name)
    beat_s = 60.0 / piece.bpm
    origin = piece.downbeats[0] if piece.downbeats else 0.0
    bar_s = beat_s * {"4/4": 4, "3/4": 3, "6/8": 2}[piece.meter]
    drums = part.name == "drums"
    lay = _normal(rng, LAY_S / 2 if drums else LAY_S)
    first = min(note.start for note in part.notes)
    drift = _drift(rng, max(2, math.ceil((piece.seconds - first) / beat_s) + 1))
    depth, accent = rng.uniform(0.0, 0.14), rng.uniform(0.0, 0.1)
    rolled = rng.random() < 0.7
    middle = sum(note.pitch for note in part.notes) / len(part.notes)
    result = []
    for start, chord in groupby(part.notes, key=lambda note: note.start):
        together = sorted(chord, key=lambda note: note.pitch, reverse=not rolled)
        stroke = _normal(rng, STROKE_S)
        gap = rng.uniform(0.0, _SPREAD_S) / len(together) if len(together) > 1 and not drums else 0.0
        place = (start - origin) / bar_s
        swell = 1.0 + depth * (math.sin(math.pi * ((place / _PHRASE_BARS) % 1.0)) - 0.6)
        swell *= 1.0 + (accent if abs(place - round(place)) < 0.01 else 0.0)
        for order, note in enumerate(together):
            shift = lay + _at(drift, (start - first) / beat_s) + (order - (len(together) - 1) / 2) * gap
            shift += _normal(rng, STROKE_S) if drums else stroke
            louder = swell * (1.0 if drums else 1.0 + 0.004 * (note.pitch - middle))
            velocity = max(25, min(122, round(note.velocity * louder)))
            result.append(Note(note.start + shift, note.end + shift, note.pitch, velocity))
    if drums:
        return tuple(sorted(result))
    return without_overlaps(result, part.name == "melody")


def deviations(before: Sequence[Note], after: Sequence[Note]) -> list[float]:
    """Seconds by which each played note lies from the nearest composed one of its pitch; for tests and tables."""
    by_pitch: dict[int, list[float]] = {}
    for note in sorted(before):
        by_pitch.setdefault(note.pitch, []).append(note.start)
    found = []
    for note in after:
        starts = by_pitch[note.pitch]
        index = bisect_right(starts, note.start)
        near = starts[max(0, index - 1) : index + 1]
        found.append(min((note.start - start for start in near), key=abs))
    return found
