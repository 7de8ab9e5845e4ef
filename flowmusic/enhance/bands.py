"""Bands of the short-time spectrum in which energy and tonality are read, predicted and painted.

Letters: C channels (or batch), S frames of :data:`HOP` samples, K bands, H of them high ones that can be painted.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from flowmusic.codec.energy import band_edges
from flowmusic.codec.stft import stft

RATE, SIZE, HOP = 32_000, 1024, 256
"""Hz; samples of a frame (Hann window) and between frames."""
LEAST_HZ, MOST_HZ = 2500.0, 14_000.0
"""Cuts that are worked with: a telephone's 3400 Hz lies above the least, and above the most there is little to add."""
FROM_HZ, BANDS = 80.0, 60
FLOOR = 1e-6
"""Mean power of a bin that counts as silence, of a recording at :data:`LEVEL`: 104 dB under a full-scale sine."""
LEVEL = 0.1
"""RMS that recordings are brought to before anything is read from their bands."""
EDGES = tuple(band_edges(RATE, SIZE, FROM_HZ, BANDS))
"""First bin of each band, and the end of the last."""
HIGH = next(band for band, first in enumerate(EDGES) if first * RATE / SIZE > LEAST_HZ) - 1
"""The first band that is painted for the lowest cut."""


def first_bin(cut_hz: float) -> int:
    """The first bin above a cut: what lies below stays as it is."""
    return min(SIZE // 2, -int(-cut_hz * SIZE // RATE))


def known_bands(cut_hz: float) -> int:
    """How many bands lie below a cut altogether."""
    return sum(end * RATE / SIZE <= cut_hz for end in EDGES[1:])


@functools.cache
def band_of_bin() -> Tensor:
    """The band of each bin, ``[SIZE / 2 + 1]``; those below the first band count to it."""
    bins = torch.arange(SIZE // 2 + 1)
    return (torch.bucketize(bins, torch.tensor(EDGES), right=True) - 1).clamp(0, BANDS - 1)


def transform(samples: Tensor) -> Tensor:
    """Short-time spectrum.  Shape: ``[C, N] -> [C, SIZE / 2 + 1, N / HOP]``; N is a multiple of HOP, at least SIZE."""
    return stft(samples, SIZE, HOP)


def power(spectrum: Tensor) -> Tensor:
    return spectrum.real.square() + spectrum.imag.square()


def band_means(values: Tensor, first: int = 0) -> Tensor:
    """Mean over the bins of each band, of those from bin ``first`` on; 0 where a band has none.

    Shape: ``[C, SIZE / 2 + 1, S] -> [C, S, K]``.
    """
    bins = torch.arange(SIZE // 2 + 1, device=values.device)
    bands = band_of_bin().to(values.device)
    member = torch.zeros(BANDS, len(bins), device=values.device, dtype=values.dtype)
    member[bands, bins] = (bins >= max(first, EDGES[0])).to(values.dtype)
    member = member / member.sum(1, keepdim=True).clamp_min(1.0)
    return torch.einsum("kf,cfs->csk", member, values)


def measured(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """Log energy and tonality of every band.  Shape: ``[C, SIZE / 2 + 1, S] -> [C, S, K], [C, S, K]``.

    Energy is the natural logarithm of the mean power of a band's bins.  Tonality is that less the mean of their
    logarithms (the logarithm of spectral flatness, Johnston 1988, with its sign turned): 0.58 for Gaussian noise
    (Euler's constant), more where few bins hold the power, and 0 for a band of one bin.
    """
    heard = power(spectrum) + FLOOR
    energy = torch.log(band_means(heard))
    return energy, energy - band_means(torch.log(heard))
