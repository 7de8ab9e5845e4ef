"""Render a MIDI file's parts with a sound font: the mix, and the drums by themselves.

What is played: notes, velocities, programs, drum kits and each part's volume (its first controller 7).  What is not:
pitch bends, pedals and controllers that change on the way, so every note sounds at the pitch and time of its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmusic.annotations.midi import Part as Written
from flowmusic.annotations.midi import Score
from flowmusic.corpus.mix import active_rms
from flowmusic.corpus.piece import Note, Part, Room
from flowmusic.corpus.render import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowmusic.corpus.synth import FontSynth

ROOM = Room(size=0.4, damping=0.3, width=0.5, level=0.3, loudness_db=-20.0, peak=0.9)
TAIL_SECONDS = 1.0
REVERB, CHORUS = 24, 8
VOLUME = 100
"""Controller 7 where a file says nothing; General MIDI's."""
DRUMS = "drums"


@dataclass(frozen=True)
class Rendered:
    """16-bit mono audio: ``mix`` [N] and ``drums`` [N], None without a kit."""

    mix: NDArray[np.int16]
    drums: NDArray[np.int16] | None
    sample_rate: int = SAMPLE_RATE


def render(score: Score, synth: FontSynth, most_seconds: float) -> Rendered:
    """Render from the start of the file to the end of its last note and a little after, or to ``most_seconds``."""
    import numpy as np

    seconds = min(score.seconds + TAIL_SECONDS, most_seconds)
    length = round(seconds * SAMPLE_RATE)
    sums = {name: np.zeros(length, np.float64) for name in (DRUMS, "rest")}
    for part in score.parts:
        notes = within(part.notes, seconds)
        if notes:
            name = DRUMS if part.drums else f"program {part.program}"
            samples = synth.render(Part(name, part.program, notes, 0.0, REVERB, CHORUS), ROOM, 0.0, seconds)
            sums[DRUMS if part.drums else "rest"] += gain(part) * samples[:length]
    total = sums[DRUMS] + sums["rest"]
    peak, loudness = float(np.abs(total).max()), active_rms(total, SAMPLE_RATE)
    scale = min(ROOM.peak / peak, 10 ** (ROOM.loudness_db / 20) / loudness) if peak > 0 and loudness > 0 else 0.0
    # Drums may peak above the mix, where the rest cancels them, and both are to be on one scale.
    scale = min(scale, 0.99 / max(float(np.abs(each).max()) for each in sums.values())) if scale else 0.0
    mix = np.round(total * scale * 32767).astype(np.int16)
    if not any(part.drums for part in score.parts):
        return Rendered(mix, None)
    return Rendered(mix, np.round(sums[DRUMS] * scale * 32767).astype(np.int16))


def within(notes: Sequence[tuple[float, float, int, int]], seconds: float) -> tuple[Note, ...]:
    """Notes that begin before the end, cut there."""
    return tuple(
        Note(start, min(end, seconds), pitch, velocity) for start, end, pitch, velocity in notes if start < seconds
    )


def gain(part: Written) -> float:
    """Controller 7 as a factor, 1 at General MIDI's default: 40 log10(value / 127) dB."""
    return (part.volume / VOLUME) ** 2
