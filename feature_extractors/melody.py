"""The most prominent melody: pitch salience by CREPE or by harmonic summation, decoded and cut into notes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from feature_extractors import pitch, signals
from feature_extractors.pitch import Note
from feature_extractors.recording import Recording, levelled
from feature_extractors.rows import Rows, Scaled, gathered
from flowmusic import caches
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.controls import melody as melody_control
from flowmusic.types import FrameGrid, Track

_MODELS = {"harmonic": 0.3, "tiny": 0.25, "full": 0.25}
"""Salience models and the confidence below which a frame is unvoiced."""
_SILENT_DB = -60.0
_BLOCK_FRAMES = 1000
"""Frames analysed at once: bounds the memory of a long file."""


@dataclass(frozen=True)
class MelodyAnalysis:
    """Melody of a whole recording.

    Shape: times ``[F]`` s, frame centres; salience ``[F, 53]`` in 0..1, semitones 43..95; midi ``[F]`` fractional
    MIDI number, -1 where unvoiced; pitch ``[F]`` the same without the voicing decision, -1 only where nothing sounds;
    notes ``(start [s], end [s], MIDI)`` ascending and without overlap; confidence ``[F]`` in 0..1, that this pitch
    sounds, or none where unvoiced.
    """

    times: np.ndarray
    salience: np.ndarray
    midi: np.ndarray
    pitch: np.ndarray
    notes: tuple[Note, ...]
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class Melody:
    """One pitch at a time.

    Args:
        fmin_hz, fmax_hz: the range searched.  200 to 1300 Hz finds the lead in a mix; see :meth:`monophonic`.
        model: ``harmonic`` (summation, no weights; in a mix as good as CREPE or better, at a third of the cost), or
            ``tiny`` or ``full`` (CREPE, Kim et al. 2018, MIT-licensed weights; best for a voice alone).
        threshold: confidence in 0..1 under which a frame is unvoiced; None takes the model's own.
        hop_s: seconds between frames.
        level_db: frames this far below the loudest are unvoiced, because tails and reverberation keep a pitch.
        tune: shift the result by the recording's mistuning before rounding to semitones (people do not hum at 440 Hz).
    """

    fmin_hz: float = 200.0
    fmax_hz: float = 1300.0
    model: str = "harmonic"
    threshold: float | None = None
    hop_s: float = 0.02
    level_db: float = -35.0
    tune: bool = False
    name: ClassVar[str] = "melody"
    version: ClassVar[str] = "3"

    def __post_init__(self) -> None:
        if self.model not in _MODELS:
            raise ValueError(f"unknown melody model {self.model!r}; choose one of {', '.join(_MODELS)}")
        if self.hop_s * pitch.RATE < 1:
            raise ValueError(f"hop_s must be at least one sample at {pitch.RATE} Hz, got {self.hop_s}")
        pitch.range_mask(self.fmin_hz, self.fmax_hz)

    @staticmethod
    def monophonic() -> Melody:
        """For a voice or an instrument alone: 65 to 1300 Hz, tuned to the singer."""
        return Melody(fmin_hz=65.0, model="tiny", tune=True)

    def analyse(self, audio: Audio | Recording, within: Audio | Recording | None = None) -> MelodyAnalysis:
        """Find the melody of a recording.  Silence has no voiced frame.

        ``within`` is the recording that this is a part of, such as all but the drums; its level counts.
        """
        samples = levelled(audio, pitch.RATE, within)
        hop = round(self.hop_s * pitch.RATE)
        count = 1 + len(samples) // hop
        times = np.arange(count) * hop / pitch.RATE
        if signals.is_silent(samples):
            empty = np.zeros((count, melody_control.NUM_BINS), np.float32)
            sure = np.ones(count, np.float32)
            return MelodyAnalysis(times, empty, np.full(count, -1.0), np.full(count, -1.0), (), sure)
        salience = self._salience(samples, hop, audio.scratch if isinstance(audio, Recording) else None)
        inside = np.flatnonzero(pitch.range_mask(self.fmin_hz, self.fmax_hz))
        path = inside[pitch.viterbi(_Columns(salience, inside))]
        level = pitch.level_db(samples, hop)
        threshold = _MODELS[self.model] if self.threshold is None else self.threshold
        heard = level >= _SILENT_DB
        loud = heard & (level >= level.max() + self.level_db)
        line, voiced, confidence = np.empty(count), np.empty(count, bool), np.empty(count, np.float32)
        semitones = np.empty((count, melody_control.NUM_BINS), np.float32)
        for _, _, block in signals.windows(count, _BLOCK_FRAMES, 0):
            part, chosen = salience[block], path[block]
            voiced[block] = loud[block] & (part[np.arange(len(part)), chosen] >= threshold)
            line[block] = np.where(heard[block], _refine(part, chosen), -1.0)
            confidence[block] = np.where(heard[block], _confidence(part, chosen, voiced[block]), 1.0)
            semitones[block] = _semitones(part)
        if self.tune and voiced.any():
            line[heard] -= pitch.tuning(line[voiced])
        midi = np.where(voiced, line, -1.0)
        notes = pitch.notes_of(np.rint(midi).astype(np.int64), hop / pitch.RATE, audio.seconds)
        return MelodyAnalysis(times, semitones, midi, line, notes, confidence)

    def __call__(self, audio: Audio, grid: FrameGrid) -> Track:
        """The melody control on a grid, unknown after the recording's end.  Shape: values ``[T, 53]``."""
        return to_tracks(Annotations(audio.seconds, melody=self.analyse(audio).notes), grid)["melody"]

    def _salience(self, samples: Rows, hop: int, scratch: Path | None) -> Rows:
        """Salience of every bin, none outside the range.  Shape: ``[N] -> [F, 360]``."""
        size = 2048 if self.model == "harmonic" else 1024
        mask = pitch.range_mask(self.fmin_hz, self.fmax_hz)
        highest = 0.0

        def parts() -> Iterator[np.ndarray]:
            nonlocal highest
            for _, _, block in signals.windows(1 + len(samples) // hop, _BLOCK_FRAMES, 0):
                frames = pitch.frames_of(samples, hop, size, block.start, block.stop)
                with torch.inference_mode():
                    part = pitch.harmonic_salience(frames) if self.model == "harmonic" else _crepe(frames, self.model)
                highest = max(highest, float(part.max()))
                yield part.numpy() * mask

        salience = gathered(parts(), scratch)
        return Scaled(salience, 1.0 / max(highest, 1e-9)) if self.model == "harmonic" else salience


class _Columns:
    """Some columns of rows."""

    def __init__(self, rows: Rows, columns: np.ndarray) -> None:
        self._rows, self._columns = rows, columns

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice, /) -> np.ndarray:
        return self._rows[which][:, self._columns]


@functools.cache
def _network(model: str) -> Any:
    caches.librosa()  # which torchcrepe imports by itself
    import torchcrepe

    torchcrepe.load.model("cpu", model)
    return torchcrepe.infer.model


def _crepe(frames: torch.Tensor, model: str) -> torch.Tensor:
    """CREPE's confidence per bin.  Shape: ``[F, 1024] at 16 kHz -> [F, 360]``."""
    centred = frames - frames.mean(1, keepdim=True)
    return _network(model)(centred / centred.std(1, keepdim=True).clamp(min=1e-10)).reshape(len(frames), pitch.BINS)


def _confidence(salience: np.ndarray, path: np.ndarray, voiced: np.ndarray, reach: int = 3) -> np.ndarray:
    """Salience of the chosen pitch times its share beside the strongest other one; 1 minus that where unvoiced.

    Of several such products this tells right from wrong frames best (benchmarks/confidence.py).

    Args:
        reach: bins to either side that count as the same pitch.
    """
    frames = np.arange(len(path))
    chosen, others = salience[frames, path], salience.copy()
    for step in range(-reach, reach + 1):
        others[frames, np.clip(path + step, 0, pitch.BINS - 1)] = 0.0
    sounds = np.clip(chosen, 0.0, 1.0) * chosen / (chosen + others.max(1) + 1e-9)
    return np.where(voiced, sounds, 1.0 - sounds)


def _refine(salience: np.ndarray, path: np.ndarray, reach: int = 4) -> np.ndarray:
    """Salience-weighted mean pitch around the path, in fractional MIDI numbers (CREPE, section 2.1)."""
    near = np.clip(path[:, None] + np.arange(-reach, reach + 1), 0, pitch.BINS - 1)
    weight = np.take_along_axis(salience, near, 1) + 1e-9
    return (weight * pitch.BIN_MIDI[near]).sum(1) / weight.sum(1)


def _semitones(salience: np.ndarray) -> np.ndarray:
    """The strongest bin of every semitone of the control.  Shape: ``[F, 360] -> [F, 53]``."""
    nearest = np.rint(pitch.BIN_MIDI) - melody_control.LOWEST
    columns = [salience[:, nearest == semitone].max(1) for semitone in range(melody_control.NUM_BINS)]
    return np.stack(columns, axis=1).astype(np.float32)
