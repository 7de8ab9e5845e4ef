"""Melody adherence: how often the requested pitch class is heard while a note is requested.

Conventions: notes are ``(start [s], end [s], MIDI)``; pitch classes fold octaves.  ``melody_pc`` compares with a pitch
tracker's output; ``melody_cos`` needs none and is kept for comparison with published figures.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from flowmusic import audio as audio_io
from flowmusic import caches
from flowmusic.audio import Audio

CHROMA_RATE, CHROMA_FFT, CHROMA_HOP = 32_000, 1 << 14, 4096


@dataclass(frozen=True)
class Pitches:
    """A pitch line: times ``[F]`` s ascending, midi ``[F]`` fractional MIDI number, -1 where there is none."""

    times: np.ndarray
    midi: np.ndarray


def melody_pc(notes: Iterable[Sequence[float]], heard: Pitches) -> float:
    """Share of frames inside requested notes whose heard pitch class is the requested one, in 0..1.

    Frames without a pitch count as wrong.  Returns nan, with a warning, if no frame lies inside a note.

    >>> heard = Pitches(times=np.arange(4) / 2, midi=np.array([60.0, 72.2, 61.0, -1.0]))
    >>> melody_pc([(0.0, 2.0, 60)], heard), melody_rpa([(0.0, 2.0, 60)], heard)
    (0.5, 0.25)
    """
    wanted = pitches_at(notes, heard.times)
    inside = wanted >= 0
    if not inside.any():
        warnings.warn("melody_pc: no frame lies inside a requested note; the score is nan", stacklevel=2)
        return math.nan
    same = (np.rint(heard.midi[inside]).astype(int) - wanted[inside]) % 12 == 0
    return float(np.mean(same & (heard.midi[inside] >= 0)))


def melody_rpa(notes: Iterable[Sequence[float]], heard: Pitches, cents: float = 50.0) -> float:
    """Raw pitch accuracy: as :func:`melody_pc`, within ``cents`` of the requested pitch, octaves told apart.

    Meant for a melody alone; on a mix an octave is often ambiguous.
    """
    wanted = pitches_at(notes, heard.times)
    inside = wanted >= 0
    if not inside.any():
        warnings.warn("melody_rpa: no frame lies inside a requested note; the score is nan", stacklevel=2)
        return math.nan
    return float(np.mean(np.abs(heard.midi[inside] - wanted[inside]) <= cents / 100.0))


def melody_cos(notes: Iterable[Sequence[float]], audio: Audio) -> float:
    """Agreement of the strongest chroma of the audio with the requested pitch class, in 0..1.

    audiocraft's chroma cosine with one-hot (argmax) chroma: window 2^14 at 32 kHz, hop 4096, all octaves, no tuning.
    The cosine of one-hot vectors is 1 or 0.  On a full mix even perfect adherence scores about 0.43.
    Returns nan, with a warning, if no frame lies inside a note.
    """
    strongest = chroma_argmax(audio)
    times = np.arange(len(strongest)) * CHROMA_HOP / CHROMA_RATE
    return melody_pc(notes, Pitches(times, strongest.astype(float)))


def chroma_cos(reference: Audio, audio: Audio) -> float:
    """As published: agreement of the strongest chroma of two recordings, over the frames both have; nan if none."""
    first, second = chroma_argmax(reference), chroma_argmax(audio)
    count = min(len(first), len(second))
    both = (first[:count] >= 0) & (second[:count] >= 0)
    if not both.any():
        warnings.warn("chroma_cos: no frame is heard in both recordings; the score is nan", stacklevel=2)
        return math.nan
    return float(np.mean(first[:count][both] == second[:count][both]))


def pitches_at(notes: Iterable[Sequence[float]], times: np.ndarray) -> np.ndarray:
    """The requested MIDI number at each instant, -1 where none; of notes at once the highest.  Shape: ``[F]`` int."""
    out = np.full(len(times), -1)
    for start, end, midi in notes:
        inside = (times >= start) & (times < end)
        out[inside] = np.maximum(out[inside], round(midi))
    return out


def chroma_argmax(audio: Audio) -> np.ndarray:
    """The strongest pitch class (C = 0) of every frame, -1 in silence.  Shape: ``[1 + N // 4096]`` int at 32 kHz."""
    samples = audio_io.resample(audio_io.mono(audio), CHROMA_RATE).samples.reshape(-1).float().cpu()
    # Silence beyond the ends: to be reflected there, a recording would have to be longer than half a window, 0.26 s.
    padded = torch.nn.functional.pad(samples, (CHROMA_FFT // 2, CHROMA_FFT // 2))
    window = torch.hann_window(CHROMA_FFT)
    power = torch.stft(padded, CHROMA_FFT, CHROMA_HOP, window=window, center=False, return_complex=True).abs() ** 2
    chroma = (_chroma_filters() @ power).T.numpy()
    return np.where(chroma.max(1) > 1e-9, chroma.argmax(1), -1)


@functools.cache
def _chroma_filters() -> torch.Tensor:
    librosa = caches.librosa()

    return torch.from_numpy(librosa.filters.chroma(sr=CHROMA_RATE, n_fft=CHROMA_FFT, tuning=0.0, n_chroma=12)).float()
