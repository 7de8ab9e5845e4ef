"""How sure the extractors are, on the frames of a grid: ``[T]`` in 0..1 for every control.

Each analysis tells its confidence on its own clock; benchmarks/confidence.py measures how well it tells right from
wrong.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from feature_extractors.beats import BeatAnalysis
from feature_extractors.chords import ChordAnalysis
from feature_extractors.drums import DrumAnalysis
from feature_extractors.melody import MelodyAnalysis
from feature_extractors.networks import chord_features
from flowmusic.controls import melody as melody_control
from flowmusic.controls.drum_onsets import STRENGTH_RATE
from flowmusic.types import FrameGrid


def on_grid(
    chords: ChordAnalysis | None,
    melody: MelodyAnalysis | None,
    drums: DrumAnalysis | None,
    beats: BeatAnalysis | None,
    grid: FrameGrid,
) -> dict[str, Tensor]:
    """Confidence by control; what is None is left out.  Shape: ``[T]`` float32."""
    found: dict[str, np.ndarray] = {}
    if chords is not None:
        found["chords"] = _nearest(chords.confidence, centres(grid) * chord_features.FPS)
    if melody is not None:
        found["melody"] = of_melody(melody, grid)
    if drums is not None:
        found["drums"] = of_drums(drums, grid)
    if beats is not None:
        found["beats"] = of_beats(beats, grid)
    return {name: torch.from_numpy(value.astype(np.float32).clip(0.0, 1.0)) for name, value in found.items()}


def centres(grid: FrameGrid) -> np.ndarray:
    """Seconds of the middle of every frame.  Shape: ``[T]``."""
    return (np.arange(grid.length) + 0.5) / float(grid.frame_rate)


def of_melody(found: MelodyAnalysis, grid: FrameGrid) -> np.ndarray:
    """Of the notes, which leave out what is too short: there it is the chance that the frame's pitch is wrong."""
    sounding = melody_control.to_track(found.notes, grid).values.sum(1).numpy() > 0
    if len(found.times) < 2:
        return np.zeros(grid.length)
    at = centres(grid) / float(found.times[1] - found.times[0])
    same = (_nearest(found.midi, at) >= 0) == sounding
    sure = _nearest(found.confidence, at)
    return np.where(same, sure, 1.0 - sure)


def of_drums(found: DrumAnalysis, grid: FrameGrid) -> np.ndarray:
    """The least sure hundredth of a second of each frame."""
    edges = np.arange(grid.length + 1) / float(grid.frame_rate) * STRENGTH_RATE
    first = np.minimum(np.floor(edges[:-1] + 1e-6).astype(int), max(len(found.confidence) - 1, 0))
    if len(found.confidence) == 0:
        return np.zeros(grid.length)
    return np.minimum.reduceat(found.confidence, first)


def of_beats(found: BeatAnalysis, grid: FrameGrid) -> np.ndarray:
    """Between two beats a mixture of both."""
    if len(found.beats) < 2:
        return np.zeros(grid.length)
    return np.interp(centres(grid), found.beats, found.confidence)


def _nearest(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values at the nearest places, the last one beyond the end."""
    if len(values) == 0:
        return np.zeros(len(at))
    return values[np.clip(np.rint(at).astype(int), 0, len(values) - 1)]
