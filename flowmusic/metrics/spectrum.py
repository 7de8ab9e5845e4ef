"""How far a recording's spectrum is from another's of the same music: bin by bin, and band by band.

Both are for pairs (a recording and its round trip through a codec, or after bandwidth extension).  Of recordings that
only share what was asked for, the balance of bands may be compared, and single bins may not.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.metrics.signal import si_sdr

RATE, SIZE, HOP = 32_000, 2048, 512
"""Hz, samples of a frame (Hann) and between frames."""
FLOOR = 1e-6
"""Least power of a bin, of a transform that is not normalised: 104 dB under a full-scale sine."""
BANDS_HZ = (60, 250, 500, 1000, 2000, 4000, 6000, 8000, 10_000, 12_000, 14_000)
"""Edges of the bands whose energies are compared."""
SILENT_DB = -75.0
"""A band with less of its recording's energy is not compared: what is there is rounding."""
HIGH_HZ = 4000.0


def power(audio: Audio) -> Tensor:
    """Power spectra of the channels' mean at 32 kHz.  Shape: ``[C, N] -> [SIZE / 2 + 1, frames]``."""
    samples = audio_tools.mono(audio_tools.resample(audio, RATE)).samples.reshape(-1).float().cpu()
    samples = torch.nn.functional.pad(samples, (0, max(0, SIZE - len(samples))))
    spectrum = torch.stft(samples, SIZE, HOP, window=torch.hann_window(SIZE), return_complex=True)
    return spectrum.real.square() + spectrum.imag.square()


def _pair(estimate: Audio, reference: Audio) -> tuple[Tensor, Tensor]:
    one, other = power(estimate), power(reference)
    frames = min(one.shape[1], other.shape[1])
    return one[:, :frames], other[:, :frames]


def log_spectral_distance(estimate: Tensor, reference: Tensor, above_hz: float = 0.0) -> float:
    """Log-spectral distance in dB (Gray & Markel 1976): root mean square over bins, mean over frames.

    ``mean_t sqrt(mean_f (10 log10 P - 10 log10 Q)^2)``, powers at least 1e-6.  Two independent noises of one spectrum
    are 7.9 dB apart (their log powers have a deviation of 5.57 dB each), a gain of 6 dB is 6 dB.

    Args:
        estimate, reference: power spectra of :func:`power`, of equal shape.
        above_hz: only bins from here on.

    >>> spectrum = torch.ones(SIZE // 2 + 1, 3)
    >>> round(log_spectral_distance(4.0 * spectrum, spectrum), 2)
    6.02
    """
    first = math.ceil(above_hz * SIZE / RATE)
    one, other = (10.0 * torch.log10(each[first:].double().clamp_min(FLOOR)) for each in (estimate, reference))
    return float((one - other).square().mean(0).sqrt().mean())


def band_levels(spectrum: Tensor) -> dict[str, float]:
    """Energy of each band of :data:`BANDS_HZ` in dB of the whole; -inf for none.  Shape: of :func:`power`."""
    by_bin = spectrum.double().sum(1)
    whole = float(by_bin.sum())
    found = {}
    for low, high in itertools.pairwise(BANDS_HZ):
        inside = float(by_bin[math.ceil(low * SIZE / RATE) : math.ceil(high * SIZE / RATE)].sum())
        found[f"{low}-{high}"] = 10.0 * math.log10(inside / whole) if inside > 0.0 and whole > 0.0 else -math.inf
    return found


def band_errors(estimate: Tensor, reference: Tensor) -> dict[str, float]:
    """Energy of each band against the reference's, in dB; nan where the reference is silent.

    Shape: power spectra of :func:`power`.
    """
    # Levels are relative to each recording's whole; with the ratio of the wholes they are relative to each other.
    gain = 10.0 * math.log10(max(float(estimate.double().sum()), 1e-30) / max(float(reference.double().sum()), 1e-30))
    ours, theirs = band_levels(estimate), band_levels(reference)
    return {
        band: math.nan if theirs[band] < SILENT_DB else max(-100.0, ours[band] + gain - theirs[band]) for band in ours
    }


def fidelity(estimate: Audio, reference: Audio) -> dict[str, float]:
    """How near a recording is to its original: ``si_sdr`` and ``lsd``, ``lsd_high`` (above 4 kHz), ``band_*``, in dB.

    Args: recordings ``[C, N]``; the longer one is cut.
    """
    one, other = _pair(estimate, reference)
    scores = {
        "si_sdr": si_sdr(estimate.samples, reference.samples),
        "lsd": log_spectral_distance(one, other),
        "lsd_high": log_spectral_distance(one, other, HIGH_HZ),
    }
    return {**scores, **{f"band_{band}": error for band, error in band_errors(one, other).items()}}


def balance(take: Audio, reference: Audio) -> dict[str, float]:
    """Each band's share of a take's energy against its share in another recording, ``balance_*`` in dB.

    What remains of :func:`band_errors` where the two share neither loudness nor notes; nan where either is silent.
    """
    ours, theirs = band_levels(power(take)), band_levels(power(reference))
    return {
        f"balance_{band}": ours[band] - theirs[band] if min(ours[band], theirs[band]) > SILENT_DB else math.nan
        for band in ours
    }
