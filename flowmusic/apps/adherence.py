"""How well a take follows its controls: extractors and metrics meet here, and only here."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowmusic.apps.errors import UsageError

if TYPE_CHECKING:
    from feature_extractors.chords import Chords
    from flowmusic.metrics.adherence import Listeners, Requested
    from flowmusic.metrics.bars import Bar
    from flowmusic.types import Audio, Controls

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

    ``detectors`` names what listened, by control; ``bars`` tells where the chords were kept.
    """

    scores: Mapping[str, float | None]
    reasons: Mapping[str, str]
    detectors: Mapping[str, str]
    bars: Sequence[Bar] = ()


def requested_of(controls: Controls, seconds: float) -> Requested:
    """What one item of controls asks of the first ``seconds``, as the model was given it."""
    from flowmusic.controls import beats, chords, drums, melody
    from flowmusic.metrics.adherence import Requested

    tracks = controls.tracks
    return Requested(
        chords=spans_until(chords.from_track(tracks["chords"]), seconds) if "chords" in tracks else None,
        onsets=times_until(drums.onsets_from_track(tracks["drums"]), seconds) if "drums" in tracks else None,
        melody=spans_until(melody.from_track(tracks["melody"]), seconds) if "melody" in tracks else None,
        beats=times_until(beats.from_track(tracks["beats"]).beats, seconds) if "beats" in tracks else None,
    )


def spans_until(spans: Iterable[Sequence[Any]], end_s: float) -> list[tuple[float, float, Any]]:
    """``(start, end, what)`` that begin before ``end_s``, cut there."""
    return [(float(start), min(float(end), end_s), what) for start, end, what in spans if start < end_s]


def times_until(times: Iterable[float], end_s: float) -> list[float]:
    """Times before ``end_s``; less than a millisecond before it is the end itself."""
    return [float(time) for time in times if time < end_s - 1e-3]


def chord_recogniser(detector: str | None = None) -> Chords:
    """Who is to recognise chords: ``ours``, ``madmom``, or None for the default.

    Raises: UsageError if madmom was asked for and is not installed.
    """
    from feature_extractors import madmom_compat
    from feature_extractors.chords import Chords

    chords = Chords(detector)
    if chords.resolved() == "madmom":
        try:
            madmom_compat.require("the chord detector 'madmom'", "choose 'ours'")
        except madmom_compat.MissingMadmom as missing:
            raise UsageError(str(missing)) from None
    return chords


def listeners(chords: Chords | None = None) -> Listeners:
    """The default recognisers, or with another one of chords."""
    from feature_extractors.listeners import default_listeners
    from flowmusic.metrics.adherence import Listeners

    return Listeners(**default_listeners(chords=chords))


def judge(audio: Audio, requested: Requested, downbeats: Sequence[float] = ()) -> Adherence:
    """Listen to a take, mono or ``[C, N]``, for everything that was requested; ``downbeats`` in s begin its bars.

    Where nothing was requested, nobody who could listen is loaded.
    """
    asked = {
        "chords": bool(requested.chords),
        "drums": bool(requested.onsets),
        "melody": bool(requested.melody),
        "beats": bool(requested.beats),
    }
    if not any(asked.values()):
        return Adherence({}, {}, {})
    from feature_extractors.listeners import describe
    from flowmusic.metrics.adherence import measure, remembering
    from flowmusic.metrics.bars import by_bar

    ears = remembering(audio, listeners())
    with warnings.catch_warnings():
        # A score that is nan explains itself below.
        warnings.simplefilter("ignore", UserWarning)
        raw = measure(audio, requested, ears)
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
    if requested.chords and downbeats and ears.chords is not None:
        bars = by_bar(requested.chords, ears.chords(audio), downbeats, audio.seconds)
    return Adherence(scores, reasons, detectors, bars)


def downbeats_of(controls: Controls, seconds: float) -> list[float]:
    """Where the bars of one item of controls begin, in the first ``seconds``; empty without a beat grid."""
    from flowmusic.controls import beats

    if "beats" not in controls.tracks:
        return []
    return times_until(beats.from_track(controls.tracks["beats"]).downbeats, seconds)
