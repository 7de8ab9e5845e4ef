"""Beats, downbeats and tempo: madmom's recurrent and dynamic Bayesian networks, or a tracker without weights."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from feature_extractors import flux, pulse, signals, tempo
from feature_extractors.madmom import compat
from feature_extractors.madmom.bar_decoder import BarDecoder
from feature_extractors.madmom.recurrent import to_numpy
from feature_extractors.networks import drum_net
from feature_extractors.recording import Recording, levelled
from feature_extractors.rows import Rows
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.types import FrameGrid, Track

FPS = 100
_WINDOW_S, _OVERLAP_S = 60, 10
"""Decoded at once, so that what is decoded does not depend on how long a recording goes on."""


@dataclass(frozen=True)
class BeatAnalysis:
    """Beats of a whole recording: times in ascending seconds, downbeats among them, and the mean tempo.

    Beats that are too few, or over too short a time, are none (:mod:`feature_extractors.tempo`); ``bpm`` is None
    without beats, and where it is too unsure.  ``confidence`` is one number in 0..1 for each beat: madmom's
    probability of a beat there, or how well trackers of other onset strengths agree with flux; ``bpm_confidence`` is
    that of the tempo.
    """

    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    bpm: float | None
    confidence: tuple[float, ...] = ()
    bpm_confidence: float | None = None


@dataclass(frozen=True)
class Beats:
    """Where the beats fall.

    Args:
        detector: ``madmom`` (Bock, Krebs & Widmer 2016; models CC BY-NC-SA 4.0), ``flux`` (Ellis 2007; downbeats by the
            strongest low-band phase), or None for madmom where it is installed and flux elsewhere.
        beats_per_bar: bar lengths that are considered (flux takes the first).
        min_bpm, max_bpm: the range searched.
    """

    detector: str | None = None
    beats_per_bar: tuple[int, ...] = (4, 3)
    min_bpm: float = 55.0
    max_bpm: float = 215.0
    name: ClassVar[str] = "beats"
    version: ClassVar[str] = "4"

    def __post_init__(self) -> None:
        if self.detector not in (None, "madmom", "flux"):
            raise ValueError(f"unknown beat detector {self.detector!r}; choose madmom or flux")
        if not self.beats_per_bar or min(self.beats_per_bar) < 1:
            raise ValueError(f"beats_per_bar must hold positive numbers, got {self.beats_per_bar}")
        if not 0 < self.min_bpm < self.max_bpm:
            raise ValueError(f"the tempo range must ascend, got {self.min_bpm} to {self.max_bpm}")

    def analyse(self, audio: Audio | Recording) -> BeatAnalysis:
        """Track the beats of a recording.  Silence has none.

        Raises: MissingMadmom if madmom was asked for and is not installed.
        """
        samples = levelled(audio, compat.RATE)
        if signals.is_silent(samples):
            return BeatAnalysis((), (), None)
        chance = 0.0
        if self.resolved() == "madmom":
            compat.require("the beat detector 'madmom'", "choose detector='flux'")
            rows, sure = self._madmom(samples)
        else:
            rows, sure = self._flux(samples, levelled(audio, drum_net.RATE))
            chance = pulse.CHANCE
        return _analysis(rows, sure, tempo.sounding(samples, compat.RATE), chance)

    def __call__(self, audio: Audio, grid: FrameGrid) -> Track:
        """Beat and bar phase on a grid, unknown after the recording's end, and where no two beats were found.

        Shape: values ``[T, 4]``.
        """
        found = self.analyse(audio)
        return to_tracks(Annotations(audio.seconds, beats=found.beats, downbeats=found.downbeats), grid)["beats"]

    def resolved(self) -> str:
        """The detector that will run."""
        return self.detector or ("madmom" if compat.available() else "flux")

    def _madmom(self, samples: Rows) -> tuple[np.ndarray, np.ndarray]:
        hop = compat.RATE // FPS
        activation = signals.frames_by_window(_activation, samples, hop, window=60 * FPS * hop, context=5 * FPS * hop)
        decoder = _decoder(self.beats_per_bar, self.min_bpm, self.max_bpm)
        parts = []
        for read, _, keep in signals.windows(len(activation), _WINDOW_S * FPS, _OVERLAP_S * FPS):
            rows = np.asarray(decoder(activation[read]), float).reshape(-1, 2)
            rows[:, 0] += read.start / FPS
            parts.append(rows[(rows[:, 0] >= keep.start / FPS) & (rows[:, 0] < keep.stop / FPS)])
        rows = _without_doubles(np.concatenate(parts), 0.5 * 60.0 / self.max_bpm)
        # Beat or downbeat, at the frame that is surest of those within 40 ms.
        either = np.pad(activation.sum(1), 4)
        near = np.rint(rows[:, 0] * FPS).astype(int)[:, None] + np.arange(9)
        return rows, either[np.minimum(near, len(either) - 1)].max(1, initial=0.0).clip(0.0, 1.0)

    def _flux(self, samples: Rows, for_drums: Rows) -> tuple[np.ndarray, np.ndarray]:
        strength = flux.strength(samples)
        lag = pulse.period(strength, flux.FPS, self.min_bpm, self.max_bpm)
        if lag is None:
            return np.zeros((0, 2)), np.zeros(0)
        frames = pulse.beats(strength, lag)
        per_bar = self.beats_per_bar[0]
        low = flux.low_strength(samples)
        numbers = (np.arange(len(frames)) - pulse.bar_phase(low, frames, per_bar)) % per_bar + 1
        times = np.clip(frames / flux.FPS + flux.OFFSET_S, 0.0, len(samples) / flux.RATE)
        sure = pulse.agreement(frames / flux.FPS, [self._beats(other) for other in _other_strengths(for_drums, low)])
        return np.stack([times, numbers], axis=1), sure

    def _beats(self, strength: np.ndarray) -> np.ndarray:
        """Beat times [s] by one onset strength alone."""
        lag = pulse.period(strength, flux.FPS, self.min_bpm, self.max_bpm)
        return np.zeros(0) if lag is None else pulse.beats(strength, lag) / flux.FPS


def _other_strengths(samples: Rows, low: np.ndarray) -> list[np.ndarray]:
    """Onset strengths of the bass, of the drums as our network hears them, and of both.  Shape: ``[N]`` at 32 kHz."""
    heard = drum_net.probability(samples)
    drums = np.convolve(np.resize(heard, len(low)), [0.25, 0.5, 0.25], "same")
    return [low, drums, low / max(float(low.std()), 1e-9) + drums / max(float(drums.std()), 1e-9)]


def _analysis(rows: np.ndarray, sure: np.ndarray, sounding: tuple[float, float], chance: float) -> BeatAnalysis:
    """The beats where there is sound, if they are enough; rows ``(time, number in the bar)``."""
    inside = (rows[:, 0] >= sounding[0]) & (rows[:, 0] <= sounding[1])
    beats = tuple(round(float(time), 4) for time in rows[inside, 0])
    if not tempo.enough(beats):
        return BeatAnalysis((), (), None)
    downbeats = tuple(round(float(time), 4) for time, number in rows[inside] if number == 1)
    heard = tuple(round(float(each), 4) for each in sure[inside])
    certain = tempo.confidence(beats, heard, chance)
    bpm = tempo.tempo(beats) if certain >= tempo.LEAST_CONFIDENCE else None
    return BeatAnalysis(beats, downbeats, bpm, heard, None if bpm is None else certain)


def _without_doubles(rows: np.ndarray, nearest_s: float) -> np.ndarray:
    """Drop a beat that two windows both found at their seam."""
    kept = [n for n in range(len(rows)) if n == 0 or rows[n, 0] - rows[n - 1, 0] > nearest_s]
    return rows[kept]


@functools.cache
def _network() -> Any:
    processor = compat.module("features.downbeats").RNNDownBeatProcessor()
    features, ensemble, *rest = processor.processors
    networks = to_numpy(ensemble.processors[0].processors)
    return lambda samples: functools.reduce(lambda x, step: step(x), (features, networks, *rest), samples)


@functools.cache
def _decoder(beats_per_bar: tuple[int, ...], min_bpm: float, max_bpm: float) -> Any:
    decoder = compat.module("features.downbeats").DBNDownBeatTrackingProcessor(
        beats_per_bar=list(beats_per_bar), min_bpm=min_bpm, max_bpm=max_bpm, fps=FPS
    )
    decoder.hmms = [BarDecoder(each) for each in decoder.hmms]
    return decoder


def _activation(samples: np.ndarray) -> np.ndarray:
    """Beat and downbeat probability.  Shape: ``[N] at 44.1 kHz -> [frames at 100 Hz, 2]``."""
    return np.asarray(_network()(compat.signal(samples)), np.float32).reshape(-1, 2)
