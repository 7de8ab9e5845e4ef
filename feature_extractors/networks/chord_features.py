"""What our chord network reads: magnitudes on a logarithmic frequency axis, three bins a semitone, ten frames a second.

Two window lengths share the axis, as in a constant-Q transform: half a second below about 200 Hz, so that the semitones
of a bass line come apart, a quarter above 400 Hz, so that changes of harmony stay sharp; in between they cross-fade.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from feature_extractors.rows import Rows, power

RATE = 16_000
HOP = 1600
FPS = RATE // HOP
BINS_PER_SEMITONE = 3
OCTAVES = 7
SEMITONES = 12 * OCTAVES
BINS = BINS_PER_SEMITONE * SEMITONES
LOWEST_HZ = 440.0 * 2.0 ** (-45 / 12)
"""C1, the middle one of the first three bins."""
LEVEL = 0.1
"""RMS that every recording is brought to first, so that its level does not matter."""
LONG, SHORT = 8192, 4096
_FADE_HZ = (200.0, 400.0)
_GAIN = 1000.0


def scaled(samples: Rows) -> np.ndarray:
    """The recording at the level that the network expects.  Shape: ``[N] -> [N]``."""
    return samples[:] * np.float32(gain(samples))


def gain(samples: Rows) -> float:
    """What brings a recording to the level that the network expects."""
    return LEVEL / max(math.sqrt(power(samples)), 1e-6)


def magnitude(samples: Tensor) -> Tensor:
    """Amplitudes of the partials in each bin: a sine of amplitude A is A to 2 A where it lies.

    Shape: ``[N] at 16 kHz -> [ceil(N / 1600), 252]``; frame k is centred at sample ``1600 k``, beyond the ends is
    silence.
    """
    frames = -(-len(samples) // HOP)
    filters = _filters()
    total = torch.zeros(frames, BINS)
    for size in (LONG, SHORT):
        padded = F.pad(samples, (size // 2, size // 2 + HOP))
        window = torch.hann_window(size)
        spectrum = torch.stft(padded, size, HOP, window=window, center=False, return_complex=True)
        # A sine of amplitude A has a magnitude of A / 2 times the window's sum.
        total += (spectrum.abs()[:, :frames].T @ filters[size]) * (2.0 / float(window.sum()))
    return total


def compress(magnitudes: Tensor) -> Tensor:
    """``log(1 + 1000 m)``: 60 dB of dynamics below a partial of full scale."""
    return torch.log1p(_GAIN * magnitudes)


@functools.cache
def _filters() -> dict[int, Tensor]:
    """Shape: size -> ``[size/2+1, 252]``."""
    centres = LOWEST_HZ * 2.0 ** ((torch.arange(BINS, dtype=torch.float64) - 1.0) / (12 * BINS_PER_SEMITONE))
    low, high = (math.log(f) for f in _FADE_HZ)
    short_share = ((centres.log() - low) / (high - low)).clamp(0.0, 1.0)
    return {
        size: (triangles(centres, size) * share).float()
        for size, share in ((LONG, 1.0 - short_share), (SHORT, short_share))
    }


def triangles(centres: Tensor, size: int) -> Tensor:
    """Triangles around bins at ``centres`` Hz ``[K]``, at least one DFT bin to either side.

    Shape: ``[size / 2 + 1, K]`` in double precision.
    """
    spacing = RATE / size
    hz = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None] * spacing
    width = (centres * (2.0 ** (1.0 / (12 * BINS_PER_SEMITONE)) - 1.0)).clamp(min=spacing)
    return (1.0 - (hz - centres).abs() / width).clamp(min=0.0)
