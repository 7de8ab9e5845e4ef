"""Bass lines. Whatever the style, the bass note of the chord sounds when the chord begins."""

from __future__ import annotations

from random import Random

from flowmusic.corpus.melody import Event
from flowmusic.corpus.rhythm import Meter, draw_rhythm
from flowmusic.corpus.theory import Chord

BASS_STYLES = (
    "whole", "pulse", "eighths", "root fifth", "octaves", "walking", "syncopated", "arpeggio",
    "dotted", "offbeat", "sparse", "running",
)  # fmt: skip


def _place(pc: int, near: int, low: int = 31, high: int = 52) -> int:
    """Pitch of class `pc` nearest to `near` within the bass range."""
    return min((p for p in range(low, high + 1) if p % 12 == pc), key=lambda p: abs(p - near))


def _onsets(rng: Random, style: str, meter: Meter, start: int, end: int, rhythm: list[int]) -> list[int]:
    beat, half = meter.division, meter.division // 2
    if style in ("whole", "sparse"):
        return [start]
    if style == "pulse":
        return list(range(start, end, beat))
    if style in ("eighths", "octaves"):
        return list(range(start, end, half if beat == 4 else 2))
    if style == "root fifth":
        return list(range(start, end, 2 * beat if meter.beats == 4 else beat))
    if style in ("walking", "arpeggio"):
        return list(range(start, end, beat if beat == 4 else 2))
    if style == "dotted":
        return [s for s in range(start, end) if (s % meter.steps) % 8 in (0, 3, 6) or s == start]
    if style == "offbeat":
        return [start, *(s for s in range(start + 1, end) if s % beat == half)]
    if style == "running":
        return list(range(start, end, 2))
    inside = [s for s in range(start + 1, end) if s % meter.steps in rhythm]
    return [start, *inside]


def compose_bass(rng: Random, meter: Meter, style: str, spans: list[tuple[int, int, Chord, Chord]]) -> list[Event]:
    """Bass over `spans` of (start step, end step, chord, next chord)."""
    rhythm = draw_rhythm(rng, meter, rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.8))
    near = rng.randint(34, 44)
    events: list[Event] = []
    legato = rng.choice((0.5, 0.8, 0.95))
    for start, end, chord, following in spans:
        root = _place(chord.bass, near)
        near = (root + 40) // 2
        fifth = next((pc for pc in chord.tones if (pc - chord.root) % 12 in (6, 7, 8)), chord.root)
        onsets = _onsets(rng, style, meter, start, end, rhythm)
        for index, at in enumerate(onsets):
            last = index == len(onsets) - 1
            pitch = root
            if index and style == "root fifth":
                pitch = _place(fifth, root) if index % 2 else root
            elif index and style == "octaves":
                pitch = root + 12 * (index % 2)
            elif index and style in ("arpeggio", "running"):
                tones = (chord.bass, *chord.core)
                pitch = _place(tones[index % len(tones)], root + 5, 31, 57)
            elif index and style == "walking":
                if last:
                    goal = _place(following.bass, root)
                    pitch = goal + rng.choice((-1, 1, 2, -2))
                else:
                    pitch = _place(rng.choice(chord.tones), events[-1][2] + rng.choice((-3, 3)))
            elif index and style == "syncopated" and rng.random() < 0.35:
                pitch = rng.choice((root + 12, _place(fifth, root), root))
            length = (end if last else onsets[index + 1]) - at
            if style == "sparse":
                length = min(length, 2 * meter.division)
            strength = 0.8 if index == 0 else 0.68
            events.append((at, max(0.5, length * (0.97 if style == "whole" else legato)), pitch, strength))
    return events
