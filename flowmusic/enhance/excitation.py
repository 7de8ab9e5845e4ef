"""What is brought to the wanted energies above a cut: lower bands copied up, harmonics of them, and noise."""

from __future__ import annotations

import torch
from torch import Tensor

from flowmusic.codec.stft import istft, stft
from flowmusic.enhance.bands import HOP, SIZE, transform

STEP = 8
"""Bins by whose multiples a spectrum is shifted: a frame begins a multiple of 1/8 of its length after sample 0, so that
the shifted spectrum belongs to one continuous signal without any turn of its phases."""
SEGMENT = 1 << 15
NOISE_SEED = 20_260_101


def sources(first: int) -> Tensor:
    """For each bin, the bin below ``first`` that is copied there; bins below ``first`` are their own.

    The upper half of what is known is copied again and again, each time a whole number of its widths higher (spectral
    band replication, Dietz et al. 2002).  Shape: ``[SIZE / 2 + 1]``.
    """
    width = max(STEP, first // 2 // STEP * STEP)
    bins = torch.arange(SIZE // 2 + 1)
    copies = ((bins - first) // width + 1).clamp_min(0)
    return bins - copies * width


def copied(spectrum: Tensor, first: int) -> Tensor:
    """The spectrum with what is below ``first`` copied above it: shifted in frequency, in place in time.

    Shape: ``[C, SIZE / 2 + 1, S]``, the same.
    """
    return spectrum[:, sources(first).to(spectrum.device)]


def rectified(spectrum: Tensor, first: int) -> Tensor:
    """Spectrum of the magnitude of the octave below ``first``, whose products are multiples of a note's frequency.

    Where the lines k f and l f of a note meet, a rectifier makes k f + l f and all further sums, which are lines of
    that note again; a copied band has their distances, but not their places (Larsen & Aarts 2004, chapter 5).
    It works at twice the rate, for its highest products would fold back otherwise.  Shape: ``[C, SIZE / 2 + 1, S]``.
    """
    band = torch.zeros_like(spectrum)
    band[:, first // 2 : first] = spectrum[:, first // 2 : first]
    twice = istft(torch.nn.functional.pad(band, (0, 0, 0, SIZE // 2)), 2 * SIZE, 2 * HOP).abs()
    # Back to the rate by leaving out the upper half of the spectrum of frames of twice the length.
    return stft(twice, 2 * SIZE, 2 * HOP)[:, : SIZE // 2 + 1]


def noise(channels: int, start: int, count: int) -> Tensor:
    """Spectrum of white noise that depends on the place in the recording alone, and is the same in all channels.

    So blocks of a recording join, and what is the same in both channels stays so.

    Args:
        channels: C.
        start, count: frames; the first and how many.

    Shape: ``[C, SIZE / 2 + 1, count]``.
    """
    first, end = start * HOP, (start + count) * HOP
    parts = []
    for segment in range(first // SEGMENT, -(-end // SEGMENT)):
        generator = torch.Generator().manual_seed(NOISE_SEED + segment)
        whole = torch.randn(SEGMENT, generator=generator)
        parts.append(whole[max(0, first - segment * SEGMENT) : end - segment * SEGMENT])
    return transform(torch.cat(parts)[None]).expand(channels, -1, -1)
