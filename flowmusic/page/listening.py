"""What a person sings, beats and taps, as notes and hits on the timeline.

>>> tempo_of((0.0, 0.5, 1.01, 1.5))
120.0
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowmusic import limits
from flowmusic.annotations.annotation import DRUM_CLASSES, DrumHits, Note
from flowmusic.errors import reading_input

LEAST_TAPS = 4
STEPS = 4
"""Steps to a beat that tapped hits are moved to: sixteenth notes in 4/4."""


@dataclass(frozen=True)
class Tune:
    """Notes that were found in a recording, and what a person should know of it."""

    notes: tuple[Note, ...]
    notices: tuple[str, ...]


def tune(path: Path, seconds: float) -> Tune:
    """The notes of one voice that sings, hums or whistles; no more than ``seconds`` of it.

    Raises: UsageError naming what cannot be read, or holds no tune.
    """
    with reading_input():
        from feature_extractors.melody import Melody
        from flowmusic import audio

        reading = audio.read_mono(path, seconds=seconds + 1.0)
        found = Melody.monophonic().analyse(reading.audio).notes
        notes = tuple((start, min(end, seconds), midi) for start, end, midi in found if start < seconds)
        if not notes:
            raise ValueError(
                "no tune was found in the recording: hum or whistle one voice alone, nearer to the microphone"
            )
    return Tune(notes, reading.notices)


def beatbox(path: Path, seconds: float) -> tuple[DrumHits, tuple[str, ...]]:
    """The hits of a voice or a table that is beaten, by class.  Raises: UsageError as :func:`tune`."""
    with reading_input():
        from feature_extractors.drums import Drums
        from flowmusic import audio

        reading = audio.read_mono(path, seconds=seconds)
        found = Drums(separate=False).analyse(reading.audio)
        if not found.onsets:
            raise ValueError("no hits were found in the recording: beat louder, or tap the pads instead")
    classes = {name: tuple(t for t in found.classes.get(name, ()) if t < seconds) for name in DRUM_CLASSES}
    return DrumHits(tuple(t for t in found.onsets if t < seconds), classes), reading.notices


def tempo_of(taps: Sequence[float]) -> float:
    """Beats a minute of taps in seconds: by the median of what lies between them, so that one slip counts little.

    Raises: ValueError for fewer than :data:`LEAST_TAPS`, and for a tempo that is not allowed.
    """
    times = sorted(limits.number("time", time, "a tap") for time in taps)
    if len(times) < LEAST_TAPS:
        raise ValueError(f"tap at least {LEAST_TAPS} beats for a tempo; there are {len(times)}")
    gap = statistics.median(later - earlier for earlier, later in zip(times, times[1:], strict=False))
    if gap <= 0.0:
        raise ValueError("the taps fall on one moment; tap a beat at a time")
    return limits.number("bpm", round(60.0 / gap, 1), "the tempo of the taps")


def pattern(
    hits: Iterable[tuple[float, str]], bpm: float, beats_per_bar: int, seconds: float, swing: float = 0.0
) -> DrumHits:
    """Tapped hits as a pattern of whole bars that repeats until the end.

    The first hit is the beginning of a bar.  Every hit is moved to the nearest step, :data:`STEPS` to a beat.

    Args:
        hits: seconds, and class of drum.
        swing: how far every second step is late, as a share of a step.

    Raises: ValueError for no hits, or a class that there is not.
    """
    given = sorted((limits.number("time", time, "a hit"), kind) for time, kind in hits)
    if not given:
        raise ValueError("no hits: tap the pads, or the keys F, J and K")
    for _, kind in given:
        if kind not in DRUM_CLASSES:
            raise ValueError(f"a hit is of {', '.join(DRUM_CLASSES)}, not {kind!r}")
    step_s = 60.0 / bpm / STEPS
    steps = {(round((time - given[0][0]) / step_s), kind) for time, kind in given}
    in_bar = STEPS * beats_per_bar
    length = in_bar * (max(step for step, _ in steps) // in_bar + 1)
    found: dict[str, list[float]] = {name: [] for name in DRUM_CLASSES}
    for start in range(0, int(seconds / step_s) + 1, length):
        for step, kind in sorted(steps):
            late = swing * step_s if step % 2 else 0.0
            time = (start + step) * step_s + late
            if time < seconds:
                found[kind].append(round(time, 4))
    onsets = sorted({time for times in found.values() for time in times})
    return DrumHits(tuple(onsets), {name: tuple(times) for name, times in found.items()})
