"""Harmonic-to-noise ratio of a part that plays known notes one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.signal

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio

RATE, FINER = 32_000, 4
"""Hz at which a recording is heard, and lags between two samples: a period is no whole number of samples, and harmonics
of 15 kHz move by half a turn within one."""
PERIODS = 6
"""Periods of the note in a frame: few enough for vibrato, enough for the correlation at one period."""
EDGE_SECONDS = 0.04
"""Left out at both ends of a note, where two notes, or none, sound."""
TOLERANCE = 0.03
"""How far the period may be from the written note's: half a semitone."""
QUIET_DB = 50.0
"""Frames so far below the loudest one are not judged."""
MOST_DB = 60.0


def harmonic_to_noise(audio: Audio, notes: Sequence[Sequence[float]], above_hz: float = 0.0) -> float:
    """Mean harmonic-to-noise ratio in dB over the frames of the notes; nan if there are none.

    From the normalised correlation r of a frame with itself one period later (Boersma 1993): 10 log10(r / (1 - r)),
    with r the greatest within half a semitone of the written pitch, interpolated between samples.  Boersma divides
    by the window's autocorrelation; here both stretches are whole and have equal length, so there is none.

    Args:
        audio: one part, ``[C, N]`` at any rate.
        notes: ``(start, end, MIDI)`` in seconds.
        above_hz: judge what lies above this alone, where a codec may put noise in place of harmonics.

    >>> import torch
    >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(32_000) / 32_000)
    >>> noise = torch.randn(32_000, generator=torch.Generator().manual_seed(0))
    >>> [round(harmonic_to_noise(Audio((tone + gain * noise)[None], 32_000), [(0, 1, 69)])) for gain in (0.1, 0.01)]
    [17, 37]
    """
    samples = audio_tools.mono(audio_tools.resample(audio, RATE)).samples.reshape(-1).double().cpu().numpy()
    if above_hz > 0.0:
        samples = scipy.signal.sosfiltfilt(scipy.signal.butter(6, above_hz, "highpass", fs=RATE, output="sos"), samples)
    samples = scipy.signal.resample_poly(samples, FINER, 1)
    rate = RATE * FINER
    found = []
    for start, end, pitch in notes:
        period = rate / (440.0 * 2.0 ** ((float(pitch) - 69.0) / 12.0))
        size = round(PERIODS * period)
        reach = math.ceil(period * (1.0 + TOLERANCE)) + 2
        first, last = round((start + EDGE_SECONDS) * rate), round((end - EDGE_SECONDS) * rate)
        for at in range(first, min(last, len(samples)) - size - reach, size):
            found.append(_frame(samples[at : at + size + reach], size, period))
    if not found:
        return math.nan
    power, ratio = np.array(found).T
    heard = (power > 0.0) & (power >= power.max() * 10.0 ** (-QUIET_DB / 10.0))
    return float(ratio[heard].mean()) if heard.any() else math.nan


def _frame(samples: np.ndarray, size: int, period: float) -> tuple[float, float]:
    """Power of a frame and its ratio in dB."""
    lags = np.arange(math.floor(period * (1.0 - TOLERANCE)), math.ceil(period * (1.0 + TOLERANCE)) + 1)
    first = samples[:size]
    power = float(first @ first) / size
    if power <= 0.0:
        return 0.0, 0.0
    later = np.lib.stride_tricks.sliding_window_view(samples, size)[lags]
    norms = np.sqrt((first @ first) * (later**2).sum(1)) + 1e-30
    r = later @ first / norms
    best = int(r.argmax())
    value = float(r[best])
    if 0 < best < len(r) - 1:
        # A parabola through three lags finds the peak between samples.
        before, after = float(r[best - 1]), float(r[best + 1])
        bend = before - 2.0 * value + after
        if bend < 0.0:
            value -= (before - after) ** 2 / (8.0 * bend)
    value = min(max(value, 10.0 ** (-MOST_DB / 10.0)), 1.0 - 10.0 ** (-MOST_DB / 10.0))
    # Noise is not like itself a period later: r is the harmonics' share H / (H + N), and r / (1 - r) is H / N.
    return power, 10.0 * math.log10(value / (1.0 - value))
