"""The drum control of a recording: separate the drums, then measure onset strength in three bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch

from feature_extractors import rows, signals
from feature_extractors.networks import drum_net
from feature_extractors.onsets import Onsets
from feature_extractors.recording import Recording, levelled
from feature_extractors.stems import HarmonicPercussive, Separator, separated
from flowmusic.audio import Audio
from flowmusic.controls import drums as drum_control
from flowmusic.types import FrameGrid, Track

RATE = 44_100
_GATE_S = 0.04
_GATE_THRESHOLD, _COMBINE_S = 0.4, 0.03


@dataclass(frozen=True)
class DrumAnalysis:
    """Drums of a whole recording: onset times in ascending seconds, and strength ``[3, S]`` in 0..1 at 100 Hz.

    ``classes`` holds the onset times of ``kick``, ``snare`` and ``hat``; ``confidence [S]`` in 0..1 at 100 Hz says how
    sure it is that a drum is struck there or near, or none; 1 for drums alone.
    """

    onsets: tuple[float, ...]
    strength: np.ndarray
    classes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class Drums:
    """Onset strength of the drums, low, mid and high.

    Args:
        stems: how the drums are separated.
        separate: False for a recording of drums alone, which a separator would only harm.
        onsets: detector of the onset times (the control itself does not use them); None takes ``Onsets("drums")`` on
            a mix and :class:`Onsets`' default on drums alone.
        gate: where the separator leaks, keep strength only near a drum onset that our network hears in the mix.
        below_db: a drum stem this far below the recording holds no drums.
    """

    stems: Separator = field(default_factory=HarmonicPercussive)
    separate: bool = True
    onsets: Onsets | None = None
    gate: bool = True
    below_db: float = -40.0
    name: ClassVar[str] = "drums"
    version: ClassVar[str] = "4"

    def analyse(self, audio: Audio | Recording) -> DrumAnalysis:
        """Separate if asked, then measure.  A recording without drums gives no onset and zero strength."""
        return self.analyse_stem(self._drums(audio), audio if self.separate else None)

    def analyse_stem(self, drums: Audio | Recording, mix: Audio | Recording | None = None) -> DrumAnalysis:
        """Measure a drum stem, with the mix it was separated from, or None if it is a recording of drums alone."""
        strength = self.strength(drums, mix)
        sure = np.ones(strength.shape[1], np.float32) if mix is None else _confidence(mix, strength.shape[1])
        if not strength.any():
            return DrumAnalysis((), strength, dict.fromkeys(drum_net.CLASSES, ()), sure)
        detector = self.onsets or (Onsets() if mix is None else Onsets("drums"))
        in_mix = mix is not None and detector.resolved() == "drums"
        found = detector.analyse(mix if in_mix and mix is not None else drums, within=mix)
        # Only our network knows classes; another detector of onsets has it beside itself.
        classes = found.classes if found.classes is not None else Onsets("drums").analyse(mix or drums).classes
        return DrumAnalysis(found.times, strength, dict(classes or {}), sure)

    def strength(self, drums: Audio | Recording, mix: Audio | Recording | None = None) -> np.ndarray:
        """Onset strength alone, without the detector of onset times.  Shape: ``[3, S]`` at 100 Hz."""
        samples = levelled(drums, RATE, within=mix)
        bins = -(-len(samples) * drum_control.STRENGTH_RATE // RATE)
        if signals.is_silent(samples) or (mix is not None and self._lacks_drums(samples, mix)):
            return np.zeros((len(drum_control.BANDS), bins), np.float32)
        # A tenth of a second of silence after the end lets even the shortest recording be measured.
        padded = rows.Joined([samples, np.zeros(RATE // 10, np.float32)])
        strength = drum_control.onset_strength(padded, RATE)[:, :bins].numpy()
        if mix is not None and self.gate and getattr(self.stems, "leaks", False):
            times, _ = drum_net.peaks(drum_net.probability(levelled(mix, drum_net.RATE)), _GATE_THRESHOLD, _COMBINE_S)
            strength = strength * _near(times, bins)
        return strength

    def __call__(self, audio: Audio, grid: FrameGrid) -> Track:
        """The drum control on a grid, unknown after the recording's end.  Shape: values ``[T, subs * 3]``."""
        strength = torch.from_numpy(self.strength(self._drums(audio), audio if self.separate else None))
        return drum_control.strength_to_track(strength, grid)

    def _drums(self, audio: Audio | Recording) -> Audio | Recording:
        return separated(self.stems, audio).drums if self.separate else audio

    def _lacks_drums(self, samples: rows.Rows, mix: Audio | Recording) -> bool:
        return rows.peak(samples) < 10.0 ** (self.below_db / 20.0) * rows.peak(levelled(mix, RATE))


def _confidence(mix: Audio | Recording, bins: int) -> np.ndarray:
    """Near an onset that our network hears in the mix its probability, elsewhere that of none.  Shape: ``[bins]``."""
    samples = levelled(mix, drum_net.RATE)
    if signals.is_silent(samples):
        return np.ones(bins, np.float32)
    heard = drum_net.probability(samples)[:bins]
    heard = np.pad(heard, (0, bins - len(heard)), mode="edge")
    out = 1.0 - heard
    reach = round(_GATE_S * drum_net.FPS)
    times, heights = drum_net.peaks(heard, _GATE_THRESHOLD, _COMBINE_S)
    for time, height in zip(times, heights, strict=True):
        middle = round(time * drum_net.FPS)
        out[max(0, middle - reach) : middle + reach + 1] = height
    return np.asarray(out, np.float32)


def _near(times: np.ndarray, bins: int) -> np.ndarray:
    """1 in the bins within :data:`_GATE_S` of a time, else 0.  Shape: ``[bins]``."""
    centres = (np.arange(bins) + 0.5) / drum_control.STRENGTH_RATE
    if not len(times):
        return np.zeros(bins, np.float32)
    distance = np.abs(centres - drum_net.nearest_of(times, centres))
    return (distance <= _GATE_S).astype(np.float32)
