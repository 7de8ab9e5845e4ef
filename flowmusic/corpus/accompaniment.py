"""Voicings and the parts that carry the harmony: comping, strumming, arpeggios, pads."""

from __future__ import annotations

from itertools import product
from random import Random

from flowmusic.corpus.melody import Event
from flowmusic.corpus.rhythm import Meter, draw_rhythm
from flowmusic.corpus.theory import Chord

Span = tuple[int, int, Chord, Chord]

COMP_STYLES = (
    "held", "held", "quarters", "eighths", "offbeat", "charleston", "pattern", "pattern",
    "up", "down", "up-down", "random arpeggio", "alberti", "oom-pah", "strum", "sixteenth arpeggio",
)  # fmt: skip
ARPEGGIOS = ("up", "down", "up-down", "random arpeggio", "alberti", "sixteenth arpeggio")


def voice(chord: Chord, previous: list[int] | None, centre: float, bass_below: bool) -> list[int]:
    """Pitches, ascending, of a voicing near `previous` (or `centre`), within about an octave.

    With `bass_below` another part plays the bass, and a foreign bass note is left to it; without
    it, the chord's bass note is the lowest.
    """
    classes = list(chord.tones)
    options = [[p for p in range(int(centre) - 9, int(centre) + 10) if p % 12 == c] for c in classes]
    best, best_cost = [], 1e9
    for choice in product(*options):
        pitches = sorted(choice)
        span = pitches[-1] - pitches[0]
        mean = sum(pitches) / len(pitches)
        cost = 0.35 * abs(mean - centre) + max(0, span - 12) * 2.0
        if previous:
            cost += sum(min(abs(p - q) for q in previous) for p in pitches)
        cost += sum(3.0 for a, b in zip(pitches, pitches[1:], strict=False) if b - a < 2)
        if cost < best_cost:
            best, best_cost = pitches, cost
    if not bass_below:
        low = best[0] - 1
        upper = [p for p in best if p % 12 != chord.bass] or best
        root = next(p for p in range(low, low - 14, -1) if p % 12 == chord.bass and p < upper[0])
        best = [root, *upper]
    return best


def _hits(rng: Random, style: str, meter: Meter, start: int, end: int, rhythm: list[int]) -> list[int]:
    beat = meter.division
    half = beat // 2
    if style == "held":
        return [start]
    if style == "quarters":
        return list(range(start, end, beat))
    if style == "eighths":
        return list(range(start, end, 2))
    if style == "offbeat":
        return [s for s in range(start, end) if s % beat == half]
    if style == "charleston":
        return sorted({start, *(s for s in range(start, end) if s % meter.steps in (0, 6))})
    return sorted({start, *(s for s in range(start, end) if s % meter.steps in rhythm)})


def compose_comp(
    rng: Random, meter: Meter, style: str, spans: list[Span], centre: float, bass_below: bool
) -> list[Event]:
    """The main chord part over `spans` of (start step, end step, chord, next chord)."""
    events: list[Event] = []
    rhythm = draw_rhythm(rng, meter, rng.uniform(0.35, 0.8), rng.uniform(0.1, 0.9))
    legato = rng.choice((0.35, 0.6, 0.85, 0.98))
    previous: list[int] | None = None
    for start, end, chord, _ in spans:
        pitches = voice(chord, previous, centre, bass_below)
        previous = [p for p in pitches if p % 12 != chord.bass] or pitches
        if style in ARPEGGIOS:
            events += _arpeggio(rng, style, meter, start, end, pitches, legato)
            continue
        if style == "oom-pah":
            events.append((start, meter.division * 0.9, pitches[0], 0.75))
            beats = [s for s in range(start + 1, end) if s % meter.division == 0]
            for at in beats or [min(start + 2, end - 1)]:
                events += [(at, meter.division * 0.6, p, 0.6) for p in pitches[1:]]
            continue
        onsets = _hits(rng, style, meter, start, end, rhythm) or [start]
        for index, at in enumerate(onsets):
            upto = onsets[index + 1] if index + 1 < len(onsets) else end
            length = max(0.6, (upto - at) * (0.97 if style == "held" else legato))
            strength = 0.72 if at % meter.division == 0 else 0.62
            spread = 0.12 if style == "strum" else 0.0
            order = pitches if index % 2 == 0 else pitches[::-1]
            for k, pitch in enumerate(order):
                events.append((at + spread * k, max(0.4, length - spread * k), pitch, strength))
    return events


def _arpeggio(
    rng: Random, style: str, meter: Meter, start: int, end: int, pitches: list[int], legato: float
) -> list[Event]:
    unit = 1 if style == "sixteenth arpeggio" else 2
    if end - start < unit * len(pitches):
        unit = 1
    # Every ladder opens with all chord tones, the lowest first, so that short chords are complete.
    first, *rest = pitches
    above = [p + 12 for p in pitches[:2]]
    if style == "down":
        ladder = [first, *above[::-1], *rest[::-1]] if len(pitches) < 4 else [first, *rest[::-1]]
    elif style == "up-down":
        ladder = [*pitches, above[0], *rest[::-1]]
    elif style == "alberti":
        ladder = [first, pitches[-1], pitches[1], pitches[-1 if len(pitches) == 3 else 2]]
    elif style == "random arpeggio":
        rng.shuffle(rest)
        ladder = [first, *rest, *above]
    else:
        ladder = [*pitches, *above]
    events: list[Event] = []
    for index, at in enumerate(range(start, end, unit)):
        ring = unit if legato < 0.9 else min(3 * unit, end - at)
        strength = 0.74 if at % meter.division == 0 else 0.62
        events.append((at, max(0.5, ring * 0.95), ladder[index % len(ladder)], strength))
    return events


def compose_pad(rng: Random, meter: Meter, spans: list[Span], centre: float, bass_below: bool) -> list[Event]:
    """Held chords, voice-led."""
    events: list[Event] = []
    previous: list[int] | None = None
    for start, end, chord, _ in spans:
        pitches = voice(chord, previous, centre, bass_below)
        previous = pitches
        events += [(start, (end - start) * 0.98, pitch, 0.6) for pitch in pitches]
    return events
