"""How well a take follows its controls: extractors and metrics meet here, and only here."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flowmusic import progress
from flowmusic.controls import TRACKS
from flowmusic.errors import UsageError

if TYPE_CHECKING:
    from feature_extractors.chords import Chords
    from flowmusic.annotations.annotation import Annotations
    from flowmusic.audio import Audio
    from flowmusic.metrics.adherence import Detectors
    from flowmusic.metrics.bars import Bar

CONTROL_OF = {
    "chord_acc": "chords",
    "chord_iou": "chords",
    "onset_f1": "drums",
    "melody_pc": "melody",
    "melody_cos": "melody",
    "beat_f1": "beats",
}
"""The control that each metric listens to."""
_LISTENER_OF = {"chords": "chords", "drums": "onsets", "melody": "melody", "beats": "beats"}


@dataclass(frozen=True)
class Adherence:
    """Scores in 0..1 by metric, None where a requested control could not be judged; ``reasons`` says why not.

    ``detectors`` names what listened, by control; ``bars`` tells where the chords were kept; ``parts`` holds start, end
    (s) and scores of each part of a long recording.
    """

    scores: Mapping[str, float | None]
    reasons: Mapping[str, str]
    detectors: Mapping[str, str]
    bars: Sequence[Bar] = ()
    parts: Sequence[tuple[float, float, Mapping[str, float | None]]] = ()


PART_SECONDS = 60.0
"""A longer recording is judged part by part: recognisers need memory by the length of what they hear."""


def chord_recogniser(detector: str | None = None) -> Chords:
    """Who is to recognise chords: ``ours``, ``madmom``, or None for the default.

    Raises: UsageError if madmom was asked for and is not installed.
    """
    from feature_extractors.chords import Chords
    from feature_extractors.madmom import compat

    chords = Chords(detector)
    if chords.resolved() == "madmom":
        try:
            compat.require("the chord detector 'madmom'", "choose 'ours'")
        except compat.MissingMadmom as missing:
            raise UsageError(str(missing)) from None
    return chords


def listeners(chords: Chords | None = None) -> Detectors:
    """The default recognisers, or with another one of chords."""
    from flowmusic.evaluate.detectors import default_listeners
    from flowmusic.metrics.adherence import Detectors

    return Detectors(**default_listeners(chords=chords))


def judge(audio: Audio, requested: Annotations, parts: Sequence[tuple[float, float]] | None = None) -> Adherence:
    """Listen to a take, mono or ``[C, N]``, for everything that was requested; downbeats begin the bars.

    Where nothing was requested, nobody who could listen is loaded.  Whoever is told of progress hears of each control,
    and may end the work there.

    Args:
        parts: start and end in seconds of what alone is judged, though all is listened to; a score is then the mean
            over the parts, by their lengths.
    """
    asked = {control: bool(requested.events(control)) for control in TRACKS}
    if not any(asked.values()):
        return Adherence({}, {}, {})
    from flowmusic.evaluate.detectors import describe
    from flowmusic.metrics.adherence import measure, measure_parts, remembering
    from flowmusic.metrics.bars import by_bar, within

    heard = progress.Bar("judging", "control", sum(asked.values()), shown=False)
    ears = remembering(audio, listeners(), heard.update)
    with warnings.catch_warnings():
        # A score that is nan explains itself below.
        warnings.simplefilter("ignore", UserWarning)
        raw = measure(audio, requested, ears) if parts is None else measure_parts(audio, requested, ears, parts)
    scores: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for metric, control in CONTROL_OF.items():
        if not asked[control]:
            continue
        value = raw.get(metric, math.nan)
        scores[metric] = None if math.isnan(value) else round(value, 4)
        if getattr(ears, _LISTENER_OF[control]) is None:
            reasons[metric] = f"nothing was there to recognise {control} with"
        elif math.isnan(value):
            reasons[metric] = f"the requested {control} leave nothing to compare"
    words = describe()
    detectors = {control: words[_LISTENER_OF[control]] for control, present in asked.items() if present}
    bars: Sequence[Bar] = ()
    if requested.chords and requested.downbeats and ears.chords is not None:
        chords = requested.chords if parts is None else [c for p in parts for c in within(requested.chords, *p)]
        bars = by_bar(chords, ears.chords(audio), requested.downbeats, audio.seconds)
    return Adherence(scores, reasons, detectors, bars)


def judge_long(read: Callable[[float, float], Audio], requested: Annotations, seconds: float) -> Adherence:
    """As :func:`judge`, of a recording that is listened to part by part, each of about :data:`PART_SECONDS`.

    A score is the mean over the parts that have it, by their lengths.  Parts begin on downbeats where they are known.

    Args:
        read: the audio ``[C, N]`` from a time on, for some seconds.
        seconds: the length of the recording.
    """
    found: list[tuple[float, float, Adherence]] = []
    for start, end in zip(edges := part_edges(requested.downbeats or (), seconds), edges[1:], strict=False):
        found.append((start, end, judge(read(start, end - start), requested.part(start, end - start))))
    keys = dict.fromkeys(key for _, _, each in found for key in each.scores)
    scores: dict[str, float | None] = {}
    for key in keys:
        heard = [(value, end - start) for start, end, each in found if (value := each.scores.get(key)) is not None]
        weight = sum(length for _, length in heard)
        scores[key] = round(sum(value * length for value, length in heard) / weight, 4) if heard else None
    reasons = {
        key: each.reasons[key] for _, _, each in reversed(found) for key in each.reasons if scores.get(key) is None
    }
    detectors = {control: words for _, _, each in found for control, words in each.detectors.items()}
    bars = [replace(bar, start=bar.start + start, end=bar.end + start) for start, _, each in found for bar in each.bars]
    return Adherence(scores, reasons, detectors, bars, [(start, end, each.scores) for start, end, each in found])


def part_edges(downbeats: Sequence[float], seconds: float) -> list[float]:
    """Where the parts of a recording begin, and its end: on the last downbeat within :data:`PART_SECONDS`.

    >>> part_edges([0.0, 40.0, 80.0, 119.0], 140.0), part_edges([], 140.0)
    ([0.0, 40.0, 80.0, 140.0], [0.0, 60.0, 140.0])
    """
    edges = [0.0]
    # What would leave less than half a part over is judged with the part before.
    while seconds - edges[-1] > 1.5 * PART_SECONDS:
        most = edges[-1] + PART_SECONDS
        lines = [time for time in downbeats if edges[-1] + PART_SECONDS / 2 < time <= most]
        edges.append(lines[-1] if lines else most)
    return [*edges, seconds]
