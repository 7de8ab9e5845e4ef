"""What the notes of a MIDI file say: which beats are to be believed, when drums are struck, and a caption.

:mod:`flowmusic.annotations.of_midi` makes annotations of it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from flowmusic.annotations.midi import Score

MERGE_S = 0.03
"""Drum hits of one stroke: those within this of the first count once."""
ON_GRID, ON_GRID_SHARE = 0.03, 0.7
"""Beats are believed if this share of all notes begins this near (in beats) to a quarter or a third of a beat.

Chance gives a share of 0.36; performances that were recorded without a click stay there.
"""
CLASSES = {
    "kick": frozenset({35, 36}),
    "snare": frozenset({37, 38, 39, 40}),
    "hat": frozenset({42, 44, 46, 49, 51, 52, 53, 54, 55, 57, 59, 69, 70, 82}),
}
"""General-MIDI percussion by class of drum; toms and the rest belong to none."""


def on_grid(score: Score) -> float:
    """Share of notes that begin on a quarter or a third of their beat."""
    beats = np.array(score.beats)
    if len(beats) < 2:
        return 0.0
    starts = np.array([note.start for part in score.parts for note in part.notes])
    starts = starts[(starts >= beats[0]) & (starts <= beats[-1])]
    if not len(starts):
        return 0.0
    index = np.clip(np.searchsorted(beats, starts, side="right") - 1, 0, len(beats) - 2)
    phase = (starts - beats[index]) / (beats[index + 1] - beats[index])
    # The nearest quarter and the nearest third, of which the last is the next beat.
    away = np.minimum(np.abs(phase - np.rint(4 * phase) / 4), np.abs(phase - np.rint(3 * phase) / 3))
    return float(np.mean(away <= ON_GRID))


def drum_onsets(score: Score) -> tuple[list[float], dict[str, list[float]]]:
    """Onsets of all kits together and by class, in seconds; empty lists where none plays."""
    hits = [note for part in score.parts if part.drums for note in part.notes]
    classes = {
        name: merged([note.start for note in hits if note.pitch in pitches]) for name, pitches in CLASSES.items()
    }
    return merged([note.start for note in hits]), classes


def merged(times: Iterable[float], window_s: float = MERGE_S) -> list[float]:
    """Ascending times; those within the window of the first of a group count once."""
    kept: list[float] = []
    for time in sorted(times):
        if not kept or time - kept[-1] > window_s:
            kept.append(time)
    return [round(time, 4) for time in kept]


def tempo(beats: Sequence[float]) -> float | None:
    """Median beats a minute."""
    steps = [right - left for left, right in zip(beats, beats[1:])]
    return round(60 / statistics.median(steps), 1) if steps else None


def instruments(score: Score, most: int = 5) -> list[str]:
    """Names of the instruments by how much they play, each once, in lower case."""
    import pretty_midi

    played: dict[str, float] = {}
    for part in score.parts:
        name = "drums" if part.drums else _plain(pretty_midi.program_to_instrument_name(part.program))
        played[name] = played.get(name, 0.0) + sum(note.end - note.start for note in part.notes)
    return sorted(played, key=lambda name: (-played[name], name))[:most]


def _plain(name: str) -> str:
    """``Electric Guitar (clean)`` -> ``clean electric guitar``; ``Lead 1 (square)`` -> ``square synth lead``."""
    head, _, kind = name.lower().rstrip(")").partition(" (")
    words = [word for word in head.split() if not word.isdigit()]
    if words and words[0] in ("lead", "pad", "fx"):
        words = ["synth", *words]
    return " ".join([*([kind] if kind else []), *words])


def caption(score: Score, found: Mapping[str, Any]) -> str:
    """What the notes say: the instruments and, where it is known, the tempo."""
    names = instruments(score)
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    speed = f", {found['bpm']:.0f} bpm" if found.get("bpm") else ""
    return f"music with {listed}{speed}"
