"""From what lies below a cut to the sound that is added above it."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from flowmusic.codec.stft import istft
from flowmusic.enhance import excitation
from flowmusic.enhance.bands import (
    BANDS,
    FLOOR,
    HIGH,
    HOP,
    SIZE,
    band_means,
    band_of_bin,
    first_bin,
    known_bands,
    measured,
    power,
    transform,
)
from flowmusic.enhance.net import EnhanceNet

Method = Literal["copied", "rectified", "mixed", "both"]
MOST_GAIN = 1e3
"""Greatest gain of an excitation, +60 dB: what is next to nothing is not made into something."""
NOISE_TONALITY = 0.5772
"""Of Gaussian noise: Euler's constant."""
GUARD = 4
"""Bins above the cut that fade in: the main lobe of the window."""


def context_frames(net: EnhanceNet) -> int:
    """Frames on either side that a painted frame depends on: the network's, and those of three transforms."""
    return net.reach + 3 * (SIZE // HOP)


def predicted(net: EnhanceNet, spectrum: Tensor, cut_hz: float) -> tuple[Tensor, Tensor]:
    """Log energy and tonality of the high bands.  Shape: ``[C, SIZE / 2 + 1, S] -> [C, S, H], [C, S, H]``."""
    energy, tonality = measured(spectrum)
    known = torch.full((len(spectrum),), known_bands(cut_hz))
    with torch.inference_mode():
        found: tuple[Tensor, Tensor] = net(energy, tonality, known)
    return found


def added(
    samples: Tensor,
    cut_hz: float,
    wanted: tuple[Tensor, Tensor] | EnhanceNet,
    start: int = 0,
    method: Method = "rectified",
) -> Tensor:
    """What belongs above the cut, to be added to a recording that has nothing there.

    Args:
        samples: ``[C, N]`` at :data:`RATE` and about :data:`LEVEL`; N is a multiple of HOP and at least SIZE.
        cut_hz: from here on is painted.
        wanted: log energy and tonality of the high bands, ``[C, S, H]`` each, or the network that predicts them.
        start: frames of the recording before these samples.
        method: ``copied`` lower bands, ``rectified`` ones, copied ones ``mixed`` with noise, or ``both`` and noise.

    Shape: ``[C, N]``.
    """
    spectrum = transform(samples)
    first = first_bin(cut_hz)
    energy, tonality = predicted(wanted, spectrum, cut_hz) if isinstance(wanted, EnhanceNet) else wanted
    # Tonality is common to the channels, lest one side hisses and the other rings.
    tonality = tonality.mean(0, keepdim=True)
    there = band_means(power(spectrum), first)[..., HIGH:]
    # Sounds that are not related add up by their powers: what is missing is the difference.
    missing = (torch.exp(energy) - FLOOR - there).clamp_min(0.0)
    if method in ("copied", "mixed"):
        made = _unit(excitation.copied(spectrum, first), first)
    else:
        made = _unit(excitation.rectified(spectrum, first), first)
    if method == "both":
        made = _unit((made + _unit(excitation.copied(spectrum, first), first)) * math.sqrt(0.5), first)
    if method in ("mixed", "both"):
        hiss = _unit(excitation.noise(len(samples), start, spectrum.shape[-1]), first)
        share = noise_share(measured_tonality(made, first), tonality)
        made = made * _by_bin((1.0 - share).sqrt()) + hiss * _by_bin(share.sqrt())
    painted = made * _by_bin(missing.sqrt()) * _fade(first)[:, None]
    return istft(painted, SIZE, HOP)


def measured_tonality(spectrum: Tensor, first: int) -> Tensor:
    """Tonality of the high bands from bin ``first`` on.  Shape: ``[C, SIZE / 2 + 1, S] -> [C, S, H]``."""
    heard = power(spectrum) + 1e-4  # of unit energy, so 40 dB lower
    return (torch.log(band_means(heard, first).clamp_min(1e-4)) - band_means(torch.log(heard), first))[..., HIGH:]


def noise_share(own: Tensor, wanted: Tensor) -> Tensor:
    """Share of noise in the energy that takes a band from its own tonality down to the wanted one.

    A band of tonality t with noise in it, to a share w, has about w n + (1 - w) t, n being noise's: exact at both ends.
    Where more is wanted than there is, no noise is added; where less than noise's, it is all noise.
    """
    return ((own - wanted) / (own - NOISE_TONALITY).clamp_min(1e-3)).clamp(0.0, 1.0) * (own > NOISE_TONALITY)


def _unit(spectrum: Tensor, first: int) -> Tensor:
    """The bins from ``first`` on, each band at a mean power of 1; nothing below."""
    gain = band_means(power(spectrum), first)[..., HIGH:].clamp_min(MOST_GAIN**-2).rsqrt()
    return spectrum * _by_bin(gain) * (torch.arange(SIZE // 2 + 1) >= first)[:, None]


def _by_bin(values: Tensor) -> Tensor:
    """Values of the high bands for every bin; below, the lowest's.  Shape: ``[C, S, H] -> [C, SIZE / 2 + 1, S]``."""
    return values[..., (band_of_bin() - HIGH).clamp(0, BANDS - HIGH - 1)].transpose(1, 2)


def _fade(first: int) -> Tensor:
    """0 below the cut, 1 from :data:`GUARD` bins above it on.  Shape: ``[SIZE / 2 + 1]``."""
    return ((torch.arange(SIZE // 2 + 1) - first) / GUARD).clamp(0.0, 1.0)
