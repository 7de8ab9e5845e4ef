"""What our note network reads: two spectrograms on one logarithmic frequency axis, at 50 frames a second.

There are three bins a semitone.  The first is sharp in pitch (windows of half a second below about 200 Hz, a quarter
above 400 Hz), the second in time (an eighth below 300 Hz, a sixteenth above 600 Hz).  The axis begins at A0, so that
the key p of a piano has the bins 3 p to 3 p + 2 for its fundamental, and every partial a fixed number of bins above.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from feature_extractors.networks.chord_features import BINS_PER_SEMITONE, RATE, compress, gain, triangles

__all__ = ["BINS", "FPS", "HOP", "LOWEST", "PITCHES", "RATE", "compress", "gain", "magnitude"]

HOP = 320
FPS = RATE // HOP
LOWEST, PITCHES = 21, 88
"""MIDI numbers from A0, the keys of a piano."""
SEMITONES = 99
BINS = BINS_PER_SEMITONE * SEMITONES
"""Up to 8 kHz, half the sample rate."""
MAPS = (((8192, 4096), (200.0, 400.0)), ((2048, 1024), (300.0, 600.0)))
"""Of each spectrogram: windows in samples, the long and the short, and Hz between which they cross-fade."""


def magnitude(samples: Tensor) -> Tensor:
    """Amplitudes of the partials in each bin: a sine of amplitude A is A to 2 A where it lies.

    Shape: ``[N] at 16 kHz -> [ceil(N / 320), 2, 297]``; frame k is centred at sample ``320 k``, beyond the ends is
    silence.
    """
    frames = -(-len(samples) // HOP)
    maps = torch.zeros(len(MAPS), frames, BINS)
    for found, (sizes, _), filters in zip(maps, MAPS, _filters(), strict=True):
        for size, (rows, columns, weights) in zip(sizes, filters, strict=True):
            padded = F.pad(samples, (size // 2, size // 2 + HOP))
            window = torch.hann_window(size)
            spectrum = torch.stft(padded, size, HOP, window=window, center=False, return_complex=True)
            # A sine of amplitude A has a magnitude of A / 2 times the window's sum.
            heard = spectrum[rows, :frames].abs().T @ weights
            found[:, columns] += heard * (2.0 / float(window.sum()))
    return maps.transpose(0, 1)


@functools.cache
def _filters() -> tuple[tuple[tuple[slice, slice, Tensor], ...], ...]:
    """Of each map and window: DFT bins read, bins filled, and triangles from the ones to the others."""
    lowest_hz = 440.0 * 2.0 ** ((LOWEST - 69) / 12)
    centres = lowest_hz * 2.0 ** ((torch.arange(BINS, dtype=torch.float64) - 1.0) / (12 * BINS_PER_SEMITONE))
    out = []
    for sizes, (low, high) in MAPS:
        short = ((centres.log() - math.log(low)) / (math.log(high) - math.log(low))).clamp(0.0, 1.0)
        row = []
        for size, share in zip(sizes, (1.0 - short, short), strict=True):
            weights = triangles(centres, size) * share
            rows, columns = (weights.any(axis).nonzero()[:, 0] for axis in (1, 0))
            read, filled = (slice(int(each[0]), int(each[-1]) + 1) for each in (rows, columns))
            row.append((read, filled, weights[read, filled].float()))
        out.append(tuple(row))
    return tuple(out)
