"""Onset times: of everything (madmom's network, or spectral flux without weights), or of the drums in a mix (ours)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from feature_extractors import flux, signals
from feature_extractors.madmom import compat
from feature_extractors.networks import drum_net
from feature_extractors.recording import Recording, levelled
from feature_extractors.rows import Joined, Rows
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.types import FrameGrid, Track

DETECTORS = ("madmom", "flux", "drums")
FPS = 100
_LEAD_FRAMES = 20


@dataclass(frozen=True)
class OnsetAnalysis:
    """Onset times of a whole recording, in ascending seconds; strength is the detector's, on no common scale.

    ``classes`` holds the times of ``kick``, ``snare`` and ``hat``; None if the detector knows no classes.
    """

    times: tuple[float, ...]
    strengths: tuple[float, ...]
    classes: Mapping[str, tuple[float, ...]] | None = None


@dataclass(frozen=True)
class Onsets:
    """Where something begins.

    Args:
        detector: ``madmom`` (Schlueter & Bock 2014; models CC BY-NC-SA 4.0) and ``flux`` hear whatever begins;
            ``drums`` hears drums alone, in a mix as well as on a stem, and tells kick, snare and hat apart; None is
            madmom where it is installed, else flux.
        threshold: of the peak picking; None takes the detector's own.  Classes keep theirs.
        combine_s: onsets closer than this count once.
    """

    detector: str | None = None
    threshold: float | None = None
    combine_s: float = 0.03
    name: ClassVar[str] = "onsets"
    version: ClassVar[str] = "3"

    def __post_init__(self) -> None:
        if self.detector not in (None, *DETECTORS):
            raise ValueError(f"unknown onset detector {self.detector!r}; choose one of {', '.join(DETECTORS)}")

    def analyse(self, audio: Audio | Recording, within: Audio | Recording | None = None) -> OnsetAnalysis:
        """Detect the onsets of a recording.  Silence has none.

        ``within`` is the recording that this is a part of, such as its drums; its level counts.

        Raises: MissingMadmom if madmom was asked for and is not installed.
        """
        if self.resolved() == "madmom":
            compat.require("the onset detector 'madmom'", "choose detector='flux'")
            return self._madmom(levelled(audio, compat.RATE, within))
        if self.resolved() == "drums":
            return self._drums(levelled(audio, drum_net.RATE, within))
        return self._flux(levelled(audio, flux.RATE, within))

    def __call__(self, audio: Audio, grid: FrameGrid) -> Track:
        """Onsets as the drum control on a grid, unknown after the recording's end."""
        return to_tracks(Annotations(audio.seconds, drums=DrumHits(self.analyse(audio).times)), grid)["drums"]

    def resolved(self) -> str:
        """The detector that will run."""
        return self.detector or ("madmom" if compat.available() else "flux")

    def _madmom(self, samples: Rows) -> OnsetAnalysis:
        if signals.is_silent(samples):
            return OnsetAnalysis((), ())
        hop = compat.RATE // FPS
        # The network has seen nothing before the first frame; silence there lets it hear an onset at once.
        led = Joined([np.zeros(_LEAD_FRAMES * hop, np.float32), samples])
        activation = signals.frames_by_window(_activation, led, hop, window=6000 * hop, context=100 * hop)[
            _LEAD_FRAMES:
        ]
        threshold = 0.54 if self.threshold is None else self.threshold
        pick = compat.module("features.onsets").OnsetPeakPickingProcessor(
            threshold=threshold, combine=self.combine_s, fps=FPS
        )
        times = [round(float(t), 4) for t in pick.process(activation)]
        return OnsetAnalysis(tuple(times), tuple(float(activation[round(t * FPS)]) for t in times))

    def _drums(self, samples: Rows) -> OnsetAnalysis:
        if signals.is_silent(samples):
            return OnsetAnalysis((), (), dict.fromkeys(drum_net.CLASSES, ()))
        threshold = drum_net.THRESHOLD if self.threshold is None else self.threshold
        any_drum = _analysis(*drum_net.peaks(drum_net.probability(samples), threshold, self.combine_s))
        by_class = drum_net.probabilities(samples)
        return replace(any_drum, classes=drum_net.class_times(by_class, any_drum.times, self.combine_s))

    def _flux(self, samples: Rows) -> OnsetAnalysis:
        if signals.is_silent(samples):
            return OnsetAnalysis((), ())
        threshold = flux.THRESHOLD if self.threshold is None else self.threshold
        return _analysis(*flux.peaks(flux.strength(samples), threshold, self.combine_s))


def _analysis(times: np.ndarray, heights: np.ndarray) -> OnsetAnalysis:
    return OnsetAnalysis(tuple(round(float(t), 4) for t in times), tuple(heights.tolist()))


@functools.cache
def _network() -> Any:
    return compat.module("features.onsets").CNNOnsetProcessor()


def _activation(samples: np.ndarray) -> np.ndarray:
    """Onset probability per frame.  Shape: ``[N] at 44.1 kHz -> [frames at 100 Hz]``."""
    return np.asarray(_network()(compat.signal(samples)), np.float32).reshape(-1)
