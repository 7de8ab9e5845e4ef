"""An embedding for the Frechet distance that tells harmonics from noise, where ``mfcc_patches`` hears their level only.

Per band and frame: the level, and how far the strongest bins stand out of it.  Noise of exactly the right spectrum
has the right levels; its bins follow an exponential law whatever its spectrum is, and those of harmonics do not.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.metrics.fad import FLOOR_DB, PATCH_HOP_SECONDS, PATCH_SECONDS

EMBEDDING = "band_texture"
RATE, SIZE, HOP, BANDS = 32_000, 4096, 640, 16
"""Hz, samples of a frame (7.8 Hz a bin) and between frames, and bands from 60 Hz to 14 kHz."""


@functools.cache
def _member() -> Tensor:
    """Which bins a band is made of, of equal width on the mel scale, at least 8 bins.  Shape: ``[BANDS, F]``."""
    # The mel scale of O'Shaughnessy (1987), and back.
    low, high = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (60.0, 14_000.0))
    mel = np.linspace(low, high, BANDS + 1)
    edges = np.round(700.0 * (10.0 ** (mel / 2595.0) - 1.0) * SIZE / RATE).astype(int)
    member = torch.zeros(BANDS, SIZE // 2 + 1)
    for band in range(BANDS):
        member[band, edges[band] : edges[band + 1]] = 1.0
    return member


def band_texture(audio: Audio) -> np.ndarray:
    """Mean and deviation of level and peakiness of 16 bands over patches of 0.96 s, every 0.48 s.

    Level: mean power in dB over the recording's mean, at least 60 dB below its loudest band.  Peakiness: the ratio of
    the arithmetic to the geometric mean of the powers of the band's bins in dB (the inverse of spectral flatness,
    Johnston 1988): 2.5 dB for noise, 10 and more for tones.  All are dB over the root of their number, so a Frechet
    distance has the unit dB^2.

    Args: one recording, ``[C, N]`` at any rate.  Returns: ``[P, 64]``, P at least 1; zeros for silence.

    >>> noise = Audio(torch.randn(1, 64_000, generator=torch.Generator().manual_seed(0)), 32_000)
    >>> features = band_texture(noise)
    >>> features.shape, round(float(features[:, 20:31].mean() * np.sqrt(BANDS)), 1)  # mean peakiness, 2.5 dB
    ((3, 64), 2.5)
    """
    samples = audio_tools.mono(audio_tools.resample(audio, RATE)).samples.reshape(-1).float().cpu()
    samples = torch.nn.functional.pad(samples, (0, max(0, round(PATCH_SECONDS * RATE) - len(samples))))
    spectrum = torch.stft(samples, SIZE, HOP, window=torch.hann_window(SIZE), return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    member = _member()
    width = member.sum(1, keepdim=True)
    mean = (member @ power / width).numpy().astype(float)
    loudest = float(mean.max())
    frames, step = round(PATCH_SECONDS * RATE / HOP), round(PATCH_HOP_SECONDS * RATE / HOP)
    starts = range(0, mean.shape[1] - frames + 1, step)
    if loudest < 1e-10:
        return np.zeros((len(starts), 4 * BANDS))
    floor = loudest * 10.0 ** (-FLOOR_DB / 10.0)
    level = 10.0 * np.log10(mean.clip(min=floor) / mean.mean())
    # The floor is added before the logarithm, so that rounding under silence has no texture.
    log = 10.0 * torch.log10(power + floor * 0.1)
    geometric = (member @ log / width).numpy().astype(float)
    # Powers of noise are exponential, E ln P = ln E P - 0.577 (Euler's constant): 10 log10(e^0.577) = 2.5 dB.
    peaks = 10.0 * np.log10(mean + floor * 0.1) - geometric
    features = np.concatenate([level, peaks]) / np.sqrt(BANDS)
    patches = [features[:, start : start + frames] for start in starts]
    return np.stack([np.concatenate([patch.mean(1), patch.std(1)]) for patch in patches])
