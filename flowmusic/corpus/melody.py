"""Melodies: motifs of rhythm and contour, set to the chords; strictly monophonic."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from flowmusic.corpus.rhythm import Meter, draw_rhythm
from flowmusic.corpus.theory import Chord, chord_scale

# A note of music before performance: start step, length in steps, pitch, strength 0-1.
Event = tuple[float, float, int, float]


@dataclass(frozen=True)
class MelodyStyle:
    """How a melody moves. `bond` is the probability that a strong beat takes a chord tone.

    `low` and `high` bound the MIDI pitch; `leap` is the share of wide steps; `legato` the share of
    the time to the next onset that a note sounds; `rests` the probability that a bar pauses.
    """

    low: int
    high: int
    density: float
    syncopation: float
    bond: float
    leap: float
    legato: float
    rests: float


def draw_style(rng: Random, low: int, high: int, free: bool) -> MelodyStyle:
    """Draw a style; a `free` melody hardly heeds the chords."""
    span = min(high - low, rng.choice((10, 12, 15, 19)))
    floor = rng.randint(low, max(low, high - span))
    return MelodyStyle(
        floor,
        floor + span,
        rng.choice((0.25, 0.4, 0.55, 0.7, 0.9)),
        rng.choice((0.1, 0.3, 0.5, 0.8)),
        rng.uniform(0.0, 0.3) if free else rng.uniform(0.75, 1.0),
        rng.choice((0.1, 0.2, 0.35, 0.5)),
        rng.choice((0.55, 0.75, 0.9, 0.97)),
        rng.choice((0.0, 0.05, 0.15, 0.3)),
    )


def _motif(rng: Random, meter: Meter, style: MelodyStyle) -> list[tuple[int, int]]:
    """One bar of (onset step, scale steps to move)."""
    onsets = draw_rhythm(rng, meter, style.density, style.syncopation)
    moves = []
    drift = rng.choice((-1, 0, 1))
    for _ in onsets:
        if rng.random() < style.leap:
            move = rng.choice((-5, -4, -3, -2, 2, 3, 4, 5))
        else:
            move = rng.choice((-1, -1, 0, 1, 1, drift))
        moves.append(move)
    return list(zip(onsets, moves, strict=True))


def _nearest(pitch: int, classes: tuple[int, ...], low: int, high: int, rng: Random) -> int:
    """Pitch of one of the classes nearest to `pitch`, within the range."""
    choices = [p for p in range(low, high + 1) if p % 12 in classes] or [pitch]
    return min(choices, key=lambda p: (abs(p - pitch), rng.random()))


def compose_melody(
    rng: Random,
    meter: Meter,
    style: MelodyStyle,
    bars: list[int],
    chord_at: list[Chord],
    tonic: int,
    mode: str,
) -> list[Event]:
    """Melody over the given bars (indices into the piece).

    `chord_at` holds the chord of every step of the piece.
    """
    motifs = [_motif(rng, meter, style) for _ in range(rng.choice((1, 2, 2, 3)))]
    form = rng.choice(((0, 0, 0, 1), (0, 1, 0, 1), (0, 1, 0, 2), (0, 0, 1, 2), (0, 1, 2, 3)))
    pitch = rng.randint(style.low + 2, style.high - 2)
    onsets: list[tuple[float, int, float]] = []
    for index, bar in enumerate(bars):
        motif = motifs[form[index % 4] % len(motifs)]
        if rng.random() < style.rests:
            motif = motif[: len(motif) // 2]
        elif rng.random() < 0.25:
            motif = _motif(rng, meter, style)
        for step, move in motif:
            at = bar * meter.steps + step
            chord = chord_at[at]
            scale = chord_scale(chord, tonic, mode)
            wanted = _step(pitch, move, scale, style)
            if step % meter.division == 0 or abs(move) > 2:
                if rng.random() < style.bond:
                    wanted = _nearest(wanted, chord.tones, style.low, style.high, rng)
            pitch = wanted
            strength = 0.8 if step == 0 else 0.72 if step % meter.division == 0 else 0.64
            onsets.append((at, pitch, strength))
    return _with_lengths(onsets, bars, meter, style)


def _step(pitch: int, move: int, scale: tuple[int, ...], style: MelodyStyle) -> int:
    """Move along the scale, reflected at the bounds of the range."""
    ladder = [p for p in range(style.low, style.high + 1) if p % 12 in scale]
    here = min(range(len(ladder)), key=lambda i: abs(ladder[i] - pitch))
    there = here + move
    top = len(ladder) - 1
    if there < 0 or there > top:
        there = here - move
    return ladder[max(0, min(top, there))]


def _with_lengths(
    onsets: list[tuple[float, int, float]], bars: list[int], meter: Meter, style: MelodyStyle
) -> list[Event]:
    ends = {bar for bar in bars if bar + 1 not in bars}
    events: list[Event] = []
    for index, (at, pitch, strength) in enumerate(onsets):
        limit = at + 2.0 * meter.steps
        for bar in ends:
            if bar * meter.steps <= at < (bar + 1) * meter.steps:
                limit = (bar + 1) * meter.steps
        following = onsets[index + 1][0] if index + 1 < len(onsets) else limit
        length = min(following, limit, at + 1.5 * meter.steps) - at
        events.append((at, max(0.4, length * style.legato), pitch, strength))
    return events
