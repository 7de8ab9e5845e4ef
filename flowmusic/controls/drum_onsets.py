"""Band-wise onset strength of a drum stem: where each hit begins to within 10 ms, and how strong it is per band.

Coarse to fine: the rise of log band energy above the maximum of the recent past (the idea of SuperFlux, Boeck & Widmer,
DAFx 2013, in three bands) finds the hits; the steepest energy rise of the waveform around each then fixes its time, so
that the analysis window adds no latency and the bands of one hit agree.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

STRENGTH_RATE = 100
"""Bins of onset strength per second."""

BANDS: tuple[tuple[float, float], ...] = ((20.0, 180.0), (180.0, 2500.0), (4000.0, 16000.0))
"""Low (kick), mid (snare, toms) and high (hats, cymbals) in Hz."""

_WINDOW_S = 0.032
_HOP_S = 0.005
_CHUNK = 8192
_FLOOR_DB = -55.0
"""Energy this far below the loudest moment of the band's reference counts as silence."""
_RISE_DB = (4.0, 3.5, 3.5)
_WEAK_DB = 7.0
"""Least rise per band, and how much more a hit of strength 0 needs: tails and echoes are weak and rise little."""
_LAG, _PAST = 3, 9
"""The rise is taken over the loudest of the moments 15 to 45 ms before."""
_RANGE_DB = 36.0
"""A hit this far below the strongest of its band has strength 0."""
_BAND_BELOW_DB = (24.0, 30.0, 40.0)
"""A band whose strongest hit is this far below the loudest band only holds leakage."""


def onset_strength(samples: Tensor, rate: int) -> Tensor:
    """Sparse onset strength of a drum stem.

    Args:
        samples: ``[N]`` mono waveform at any level.
        rate: Hz, at least 8000.

    Returns: ``[3, S]`` float32 in 0-1 with S = ceil(100 N / rate): the strength of a hit, relative to the strongest of
    its band, in the bin floor(100 s) of its beginning s; 0 elsewhere, and everywhere for silence.
    Raises: ValueError for other shapes, low rates, NaN or infinity.
    """
    if samples.ndim != 1:
        raise ValueError(f"onset strength needs mono samples [N], got shape {tuple(samples.shape)}")
    if rate < 8000:
        raise ValueError(f"onset strength needs a rate of at least 8000 Hz, got {rate}")
    if not bool(torch.isfinite(samples).all()):
        raise ValueError("onset strength got NaN or infinite samples")
    samples = samples.detach().cpu().float()
    bins = -(-samples.numel() * STRENGTH_RATE // rate)
    out = torch.zeros(len(BANDS), bins)
    peak = float(samples.abs().max()) if samples.numel() else 0.0
    if peak < 1e-6:
        return out
    samples = samples / peak
    level_db = _band_levels(samples, rate)
    strongest = level_db.amax(1)
    loudest = float(strongest.max())
    hits: list[tuple[float, int, int]] = []
    for band in range(len(BANDS)):
        reference = float(strongest[band])
        if reference < loudest - _BAND_BELOW_DB[band]:
            continue
        hits += _hits(level_db[band].clamp(min=reference + _FLOOR_DB), band, reference)
    for sample, group in _gather(hits, samples, rate):
        place = min(bins - 1, sample * STRENGTH_RATE // rate)
        for band, strength in group.items():
            out[band, place] = max(float(out[band, place]), strength)
    return out


def _band_levels(samples: Tensor, rate: int) -> Tensor:
    """Energy per band in dB, every 5 ms, of Hann windows centred on k * 5 ms.  Returns: ``[3, K]``."""
    size = 2 * round(_WINDOW_S * rate / 2)
    window = torch.hann_window(size, periodic=True)
    count = math.ceil(samples.numel() / (rate * _HOP_S)) + 1
    hz = torch.fft.rfftfreq(size, 1.0 / rate)
    masks = torch.stack([((hz >= low) & (hz < high)).float() for low, high in BANDS])
    padded = torch.nn.functional.pad(samples, (size // 2, size))
    levels = []
    for first in range(0, count, _CHUNK):
        hops = torch.arange(first, min(first + _CHUNK, count), dtype=torch.float64)
        centres = torch.round(hops * _HOP_S * rate).long().clamp(max=samples.numel())
        frames = padded[centres[:, None] + torch.arange(size)] * window
        levels.append(torch.fft.rfft(frames).abs().pow(2) @ masks.T)
    return 10.0 * torch.log10(torch.cat(levels).T + 1e-10)


def _hits(level_db: Tensor, band: int, reference: float) -> list[tuple[float, int, int]]:
    """Peaks of the rise above the recent past: ``(strength, hop index, band)``."""
    padded = torch.nn.functional.pad(level_db[None, None], (_PAST, 0), value=float(level_db.min()))
    past = torch.nn.functional.max_pool1d(padded, _PAST - _LAG + 1, stride=1)[0, 0, : level_db.numel()]
    rise = (level_db - past).clamp(min=0)
    reach = 4
    neighbourhood = torch.nn.functional.max_pool1d(rise[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0]
    hits: list[tuple[float, int, int]] = []
    for k in torch.nonzero(rise >= neighbourhood.clamp(min=_RISE_DB[band])).flatten().tolist():
        strength = min(1.0, 1.0 + (float(level_db[k : k + 8].max()) - reference) / _RANGE_DB)
        needed = _RISE_DB[band] + _WEAK_DB * (1.0 - strength)
        if strength > 0.0 and float(rise[k]) >= needed and (not hits or k - hits[-1][1] > 2):
            hits.append((strength, k, band))
    return hits


def _gather(hits: list[tuple[float, int, int]], samples: Tensor, rate: int) -> list[tuple[int, dict[int, float]]]:
    """Place each hit at its steepest rise, and join the bands of one hit: ``(sample, {band: strength})``."""
    placed = sorted((_begin(round(k * _HOP_S * rate), samples, rate), strength, band) for strength, k, band in hits)
    groups: list[tuple[int, dict[int, float]]] = []
    for sample, strength, band in placed:
        if groups and sample - groups[-1][0] < 0.02 * rate:
            groups[-1][1][band] = max(strength, groups[-1][1].get(band, 0.0))
        else:
            groups.append((sample, {band: strength}))
    return groups


def _begin(centre: int, samples: Tensor, rate: int) -> int:
    """The sample around a coarse position where the energy of the next 2 ms most exceeds that of the last 2 ms."""
    width = max(8, round(0.002 * rate))
    low = max(0, centre - round(0.022 * rate))
    high = min(samples.numel(), centre + round(0.022 * rate))
    piece = torch.nn.functional.pad(
        samples[max(0, low - width) : high + width], (max(0, width - low), max(0, high + width - samples.numel()))
    )
    energy = torch.cat([piece.new_zeros(1, dtype=torch.float64), piece.double().pow(2).cumsum(0)])
    spans = energy[width:] - energy[:-width]
    behind, ahead = spans[: high - low], spans[width : width + high - low]
    if not ahead.numel():
        return min(centre, samples.numel() - 1)
    floor = 1e-3 * float(ahead.max()) + 1e-12
    gain = torch.log((ahead + floor) / (behind + floor))
    # The last of the near-best: with a click the gain stays at its top until the click leaves the window ahead.
    best = torch.nonzero(gain >= gain.max() - 1e-3).flatten()
    return low + int(best[-1])
