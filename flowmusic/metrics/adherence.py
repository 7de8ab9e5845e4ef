"""How closely a recording follows what was asked: every control that was requested and can be heard.

This package knows no recogniser.  Whoever calls hands them in as :class:`Detectors`; the numbers are only as good as
those, so they are to be named beside the numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from flowmusic.annotations.annotation import Annotations, Chord, DrumHits
from flowmusic.audio import Audio
from flowmusic.metrics.beats import beat_f1
from flowmusic.metrics.chords import chord_acc
from flowmusic.metrics.melody import Pitches, melody_cos, melody_pc, pitches_at
from flowmusic.metrics.normalise import mean
from flowmusic.metrics.onsets import onset_f1

Answer = TypeVar("Answer")
PITCH_STEP_S = 0.01
"""Notes are compared at instants this far apart."""
KEYS = ("chord_acc", "chord_iou", "onset_f1", "melody_pc", "melody_cos", "beat_f1")


@dataclass(frozen=True)
class Detectors:
    """Recognisers; None leaves the control's metrics out.

    chords: the whole recording -> changes; onsets: the recording -> onset times of its drums; melody: the recording
    -> pitch line of everything but its drums; beats: the recording -> beat times.
    """

    chords: Callable[[Audio], Sequence[Chord]] | None = None
    onsets: Callable[[Audio], Sequence[float]] | None = None
    melody: Callable[[Audio], Pitches] | None = None
    beats: Callable[[Audio], Sequence[float]] | None = None


def remembering(audio: Audio, listeners: Detectors, begin: Callable[[], object] = lambda: None) -> Detectors:
    """The listeners, each of which listens to this one recording once, when it is first asked.

    Args:
        begin: called before each listens; what it raises ends the work there.
    """

    def answer(listener: Callable[[Audio], Answer] | None) -> Callable[[Audio], Answer] | None:
        if listener is None:
            return None

        @functools.cache
        def heard() -> Answer:
            begin()
            return listener(audio)

        return lambda _: heard()

    return Detectors(
        answer(listeners.chords), answer(listeners.onsets), answer(listeners.melody), answer(listeners.beats)
    )


def score(requested: Annotations, recognised: Annotations) -> dict[str, float]:
    """Raw scores of what was recognised in a recording, in 0..1, a subset of :data:`KEYS`.

    A metric is present when its control was requested, in that something of it is to be heard, and somebody listened
    for it.  A value is nan where its module says so.  ``melody_cos`` needs the sound, see :func:`measure`.
    """
    scores: dict[str, float] = {}
    if requested.chords and recognised.chords is not None:
        agreement = chord_acc(requested.chords, recognised.chords)
        scores["chord_acc"] = agreement
        scores["chord_iou"] = agreement / (2.0 - agreement)
    if requested.drums and requested.drums.onsets and recognised.drums is not None:
        scores["onset_f1"] = onset_f1(requested.drums.onsets, recognised.drums.onsets)
    if requested.melody and recognised.melody is not None:
        times = np.arange(0.0, max(end for _, end, _ in requested.melody), PITCH_STEP_S)
        scores["melody_pc"] = melody_pc(requested.melody, Pitches(times, pitches_at(recognised.melody, times)))
    if requested.beats and recognised.beats is not None:
        scores["beat_f1"] = beat_f1(requested.beats, recognised.beats)
    return scores


def measure(audio: Audio, requested: Annotations, listeners: Detectors) -> dict[str, float]:
    """As :func:`score`, of what the listeners hear in a recording; nobody listens for what was not requested.

    The melody is compared with the pitch line, which is finer than notes; ``melody_cos`` comes with it.
    """
    drums = DrumHits(tuple(listeners.onsets(audio))) if requested.events("drums") and listeners.onsets else None
    recognised = Annotations(
        chords=tuple(listeners.chords(audio)) if requested.chords and listeners.chords else None,
        drums=drums,
        beats=tuple(listeners.beats(audio)) if requested.beats and listeners.beats else None,
    )
    scores = score(requested, recognised)
    if requested.melody and listeners.melody:
        scores["melody_pc"] = melody_pc(requested.melody, listeners.melody(audio))
        scores["melody_cos"] = melody_cos(requested.melody, audio)
    return {key: scores[key] for key in KEYS if key in scores}


def measure_parts(
    audio: Audio, requested: Annotations, listeners: Detectors, parts: Sequence[tuple[float, float]]
) -> dict[str, float]:
    """As :func:`measure`, of some parts alone: the mean over them, by their lengths.

    Recognisers hear the whole, since they judge the edges of a part by what is around it; what they heard is cut.

    Args:
        parts: start and end in seconds.
    """
    sums: dict[str, tuple[float, float]] = {}
    for start, end in parts:
        seconds = end - start
        first, last = round(start * audio.rate), round(end * audio.rate)
        sound = Audio(audio.samples[..., first:last], audio.rate)
        for key, value in measure(sound, requested.part(start, seconds), _within(audio, listeners, start, end)).items():
            if not math.isnan(value):
                total, weight = sums.get(key, (0.0, 0.0))
                sums[key] = (total + seconds * value, weight + seconds)
    return {key: sums[key][0] / sums[key][1] for key in KEYS if key in sums}


def _within(audio: Audio, listeners: Detectors, start: float, end: float) -> Detectors:
    """Listeners who tell of a part what they hear in the whole."""
    chords, onsets, melody, beats = listeners.chords, listeners.onsets, listeners.melody, listeners.beats

    def pitches(hear: Callable[[Audio], Pitches]) -> Pitches:
        line = hear(audio)
        times = np.asarray(line.times)
        here = (times >= start) & (times < end)
        return Pitches(times[here] - start, np.asarray(line.midi)[here])

    def part(annotations: Annotations) -> Annotations:
        return annotations.part(start, end - start)

    return Detectors(
        chords and (lambda _: part(Annotations(chords=tuple(chords(audio)))).chords or ()),
        onsets and (lambda _: part(Annotations(beats=tuple(onsets(audio)))).beats or ()),
        melody and (lambda _: pitches(melody)),
        beats and (lambda _: part(Annotations(beats=tuple(beats(audio)))).beats or ()),
    )


def average(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of every metric over the clips that have it."""
    keys = [key for key in KEYS if any(key in clip for clip in scores)]
    others = sorted({key for clip in scores for key in clip} - set(keys))
    return {key: mean([clip.get(key, math.nan) for clip in scores]) for key in [*keys, *others]}
