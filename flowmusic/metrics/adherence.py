"""How closely a recording follows what was asked: every control that was requested and can be heard.

This package knows no recogniser.  Whoever calls hands them in as :class:`Listeners`; the numbers are only as good as
those, so they are to be named beside the numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from flowmusic.annotations.annotation import Annotations
from flowmusic.metrics.beats import beat_f1
from flowmusic.metrics.chords import chord_acc
from flowmusic.metrics.melody import Pitches, melody_cos, melody_pc
from flowmusic.metrics.normalise import mean
from flowmusic.metrics.onsets import onset_f1
from flowmusic.types import Audio

Heard = TypeVar("Heard")
KEYS = ("chord_acc", "chord_iou", "onset_f1", "melody_pc", "melody_cos", "beat_f1")


@dataclass(frozen=True)
class Listeners:
    """Recognisers; None leaves the control's metrics out.

    chords: the whole recording -> changes; onsets: the recording -> onset times of its drums; melody: the recording
    -> pitch line of everything but its drums; beats: the recording -> beat times.
    """

    chords: Callable[[Audio], Sequence[Sequence]] | None = None
    onsets: Callable[[Audio], Sequence[float]] | None = None
    melody: Callable[[Audio], Pitches] | None = None
    beats: Callable[[Audio], Sequence[float]] | None = None


def remembering(audio: Audio, listeners: Listeners) -> Listeners:
    """The listeners, each of which listens to this one recording once, when it is first asked."""

    def answer(listener: Callable[[Audio], Heard] | None) -> Callable[[Audio], Heard] | None:
        if listener is None:
            return None
        heard = functools.cache(lambda: listener(audio))
        return lambda _: heard()

    return Listeners(
        answer(listeners.chords), answer(listeners.onsets), answer(listeners.melody), answer(listeners.beats)
    )


def measure(audio: Audio, requested: Annotations, listeners: Listeners) -> dict[str, float]:
    """Raw scores of one recording, in 0..1, a subset of :data:`KEYS`.

    A metric is present when its control was requested, in that something of it is to be heard, and its listener is
    given (``melody_cos`` needs none but comes with ``melody_pc``).  A value is nan where its module says so.
    """
    scores: dict[str, float] = {}
    if requested.chords and listeners.chords:
        agreement = chord_acc(requested.chords, listeners.chords(audio))
        scores["chord_acc"] = agreement
        scores["chord_iou"] = agreement / (2.0 - agreement)
    if requested.drums and requested.drums.onsets and listeners.onsets:
        scores["onset_f1"] = onset_f1(requested.drums.onsets, listeners.onsets(audio))
    if requested.melody and listeners.melody:
        scores["melody_pc"] = melody_pc(requested.melody, listeners.melody(audio))
        scores["melody_cos"] = melody_cos(requested.melody, audio)
    if requested.beats and listeners.beats:
        scores["beat_f1"] = beat_f1(requested.beats, listeners.beats(audio))
    return scores


def average(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of every metric over the clips that have it."""
    keys = [key for key in KEYS if any(key in clip for clip in scores)]
    others = sorted({key for clip in scores for key in clip} - set(keys))
    return {key: mean([clip.get(key, math.nan) for clip in scores]) for key in [*keys, *others]}
