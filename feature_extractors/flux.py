"""Spectral flux over mel bands (Bock & Widmer 2013, without vibrato suppression): pure functions, no weights."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from feature_extractors import signals
from feature_extractors.rows import Rows

RATE = 44_100
HOP = 441
FPS = RATE / HOP
SIZE = 2048
BANDS = 80
LOW_BANDS = 5
THRESHOLD = 0.08
"""Of the normalised flux above its surroundings, chosen on drum stems of the validation corpus."""
_END_FRAMES = 3
OFFSET_S = -0.004
"""Peaks lie so much after the true attack (median on drum stems), and are moved by this."""


def strength(samples: Rows) -> np.ndarray:
    """Onset strength at 100 Hz, 1 at the recording's highest.  Shape: ``[N] at 44.1 kHz -> [ceil(N / 441)]``."""
    value = signals.frames_by_window(_flux, samples, HOP, window=6000 * HOP, context=10 * HOP)
    top = float(value.max(initial=0.0))
    return value / top if top > 0.0 else value


def low_strength(samples: Rows) -> np.ndarray:
    """As :func:`strength`, of the bands under about 200 Hz alone: what a kick or a bass note starts."""

    def low(part: np.ndarray) -> np.ndarray:
        return _rise(_log_mel(torch.from_numpy(part))[:, :LOW_BANDS])

    value = signals.frames_by_window(low, samples, HOP, window=6000 * HOP, context=10 * HOP)
    top = float(value.max(initial=0.0))
    return value / top if top > 0.0 else value


def peaks(strength: np.ndarray, threshold: float, combine_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Local maxima that stand above the mean around them.

    Args:
        strength: ``[F]`` at 100 Hz.
        threshold: least height above the mean of the 100 ms before and 70 ms after.
        combine_s: least distance; the earlier of two wins.

    Returns: times [s] and strengths, both ``[K]``.
    """
    if strength.size == 0:
        return np.zeros(0), np.zeros(0)
    padded = np.pad(strength, (10, 7))
    # Padded by 10 and 7, the window at n holds the frames n - 10 to n + 7.
    mean = np.lib.stride_tricks.sliding_window_view(padded, 18).mean(1)
    highest = np.lib.stride_tricks.sliding_window_view(np.pad(strength, 3), 7).max(1)
    candidates = np.flatnonzero((strength >= highest) & (strength >= mean + threshold))
    # A tone that is cut off at the end of the recording splashes over all bands.
    candidates = candidates[candidates < len(strength) - _END_FRAMES]
    kept: list[int] = []
    for n in candidates:
        if not kept or (n - kept[-1]) / FPS > combine_s:
            kept.append(int(n))
    times = np.clip(np.asarray(kept, float) / FPS + OFFSET_S, 0.0, len(strength) / FPS)
    return times, strength[kept]


def _flux(samples: np.ndarray) -> np.ndarray:
    return _rise(_log_mel(torch.from_numpy(samples)))


def _rise(log_mel: Tensor) -> np.ndarray:
    """Summed positive change over two frames; silence before the first.  Shape: ``[F, bands] -> [F]``."""
    # Neighbouring frames share four fifths of their samples, so one step holds little of a rise.  Falls are no onsets.
    before = torch.nn.functional.pad(log_mel, (0, 0, 2, 0))[:-2]
    return (log_mel - before).clamp(min=0.0).sum(1).numpy()


def _log_mel(samples: Tensor) -> Tensor:
    """``[n] -> [ceil(n / 441), 80]``; frame k is centred at sample ``441 k``."""
    frames = -(-len(samples) // HOP)
    padded = torch.nn.functional.pad(samples, (SIZE // 2, SIZE // 2 + HOP))
    window = torch.hann_window(SIZE)
    magnitude = torch.stft(padded, SIZE, HOP, window=window, center=False, return_complex=True).abs()[:, :frames]
    return torch.log10(1.0 + 10.0 * (mel_filters(RATE, SIZE, BANDS, 30.0, 16_000.0) @ magnitude).T)


@functools.cache
def mel_filters(rate: int, size: int, bands: int, low_hz: float, high_hz: float) -> Tensor:
    """Triangular filters, evenly spaced in mel, with a peak of 1.  Shape: ``[bands, size // 2 + 1]``."""
    # The mel scale of O'Shaughnessy (1987), and back.
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (low_hz, high_hz))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, bands + 2) / 2595.0) - 1.0)
    hz = np.arange(size // 2 + 1) * rate / size
    rising = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    return torch.from_numpy(np.clip(np.minimum(rising, falling), 0.0, None)).float()
