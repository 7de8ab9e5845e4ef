"""Band-wise onset strength of a drum stem: where each hit begins to within 10 ms, and how strong it is per band.

Coarse to fine: the rise of log band energy above the maximum of the recent past (the idea of SuperFlux, Boeck & Widmer,
DAFx 2013, in three bands) finds the hits; the steepest energy rise of the waveform around each then fixes its time, so
that the analysis window adds no latency and the bands of one hit agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

STRENGTH_RATE = 100
"""Bins of onset strength per second."""

BANDS: tuple[tuple[float, float], ...] = ((20.0, 180.0), (180.0, 2500.0), (4000.0, 16000.0))
"""Low (kick), mid (snare, toms) and high (hats, cymbals) in Hz."""

_WINDOW_S = 0.032
_HOP_S = 0.005
_CHUNK = 8192
_BLOCK = 1 << 20
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


@dataclass(frozen=True)
class _Stem:
    """Samples that are read by slices, brought to a peak of 1, with silence before and after them.

    Only slices are asked for, so they may lie on disk.
    """

    samples: Any
    peak: float

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, which: slice) -> Tensor:
        """From ``start``, which may be negative, to ``stop``, which may lie beyond the end."""
        first, last = max(0, which.start), max(0, min(len(self), which.stop))
        inside = torch.as_tensor(self.samples[first:last]).detach().cpu().float() / self.peak
        before = min(max(0, -which.start), which.stop - which.start)
        return torch.nn.functional.pad(inside, (before, which.stop - which.start - before - len(inside)))


def _peak(samples: Any) -> float:
    """The largest magnitude.  Raises: ValueError for NaN or infinity."""
    highest = 0.0
    for start in range(0, len(samples), _BLOCK):
        block = torch.as_tensor(samples[start : start + _BLOCK])
        if not bool(torch.isfinite(block).all()):
            raise ValueError("onset strength got NaN or infinite samples")
        highest = max(highest, float(block.detach().abs().max()))
    return highest


def onset_strength(samples: Any, rate: int) -> Tensor:
    """Sparse onset strength of a drum stem.

    Args:
        samples: ``[N]`` mono waveform at any level: a tensor, an array, or what else gives one of them for a slice.
        rate: Hz, at least 8000.

    Returns: ``[3, S]`` float32 in 0-1 with S = ceil(100 N / rate): the strength of a hit, relative to the strongest of
    its band, in the bin floor(100 s) of its beginning s; 0 elsewhere, and everywhere for silence.
    Raises: ValueError for other shapes, low rates, NaN or infinity.

    >>> click = torch.zeros(8000)
    >>> click[4000:4040] = 1.0
    >>> onset_strength(click, rate=8000).nonzero()[:, 1].unique()  # half a second, in hundredths
    tensor([50])
    """
    if getattr(samples, "ndim", 1) != 1:
        raise ValueError(f"onset strength needs mono samples [N], got shape {tuple(samples.shape)}")
    if rate < 8000:
        raise ValueError(f"onset strength needs a rate of at least 8000 Hz, got {rate}")
    peak = _peak(samples)
    bins = -(-len(samples) * STRENGTH_RATE // rate)
    out = torch.zeros(len(BANDS), bins)
    if peak < 1e-6:
        return out
    stem = _Stem(samples, peak)
    level_db = torch.cat(list(_band_levels(stem, rate)), 1)
    strongest = level_db.amax(1)
    loudest = float(strongest.max())
    hits: list[tuple[float, int, int]] = []
    for band in range(len(BANDS)):
        reference = float(strongest[band])
        if reference < loudest - _BAND_BELOW_DB[band]:
            continue
        hits += _hits(level_db[band].clamp(min=reference + _FLOOR_DB), band, reference)
    for sample, group in _gather(hits, stem, rate):
        place = min(bins - 1, sample * STRENGTH_RATE // rate)
        for band, strength in group.items():
            out[band, place] = max(float(out[band, place]), strength)
    return out


def _band_levels(stem: _Stem, rate: int) -> Iterator[Tensor]:
    """Energy per band in dB, every 5 ms, of Hann windows centred on k * 5 ms.  Yields: ``[3, k]``, [3, K] in all."""
    size = 2 * round(_WINDOW_S * rate / 2)
    window = torch.hann_window(size, periodic=True)
    count = math.ceil(len(stem) / (rate * _HOP_S)) + 1
    hz = torch.fft.rfftfreq(size, 1.0 / rate)
    masks = torch.stack([((hz >= low) & (hz < high)).float() for low, high in BANDS])
    for first in range(0, count, _CHUNK):
        hops = torch.arange(first, min(first + _CHUNK, count), dtype=torch.float64)
        centres = torch.round(hops * _HOP_S * rate).long().clamp(max=len(stem))
        begin = int(centres[0]) - size // 2
        near = stem[begin : int(centres[-1]) - size // 2 + size]
        frames = near[(centres - centres[0])[:, None] + torch.arange(size)] * window
        yield 10.0 * torch.log10((torch.fft.rfft(frames).abs().pow(2) @ masks.T).T + 1e-10)


def _hits(level_db: Tensor, band: int, reference: float) -> list[tuple[float, int, int]]:
    """Peaks of the rise above the recent past: ``(strength, hop index, band)``."""
    padded = torch.nn.functional.pad(level_db[None, None], (_PAST, 0), value=float(level_db.min()))
    # Padded by _PAST on the left, the window at k holds the moments k - _PAST to k - _LAG.
    past = torch.nn.functional.max_pool1d(padded, _PAST - _LAG + 1, stride=1)[0, 0, : level_db.numel()]
    rise = (level_db - past).clamp(min=0)
    reach = 4
    neighbourhood = torch.nn.functional.max_pool1d(rise[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0]
    hits: list[tuple[float, int, int]] = []
    for k in torch.nonzero(rise >= neighbourhood.clamp(min=_RISE_DB[band])).flatten().tolist():
        # The level is highest only after the rise is steepest; 40 ms hold it.
        strength = min(1.0, 1.0 + (float(level_db[k : k + 8].max()) - reference) / _RANGE_DB)
        needed = _RISE_DB[band] + _WEAK_DB * (1.0 - strength)
        if strength > 0.0 and float(rise[k]) >= needed and (not hits or k - hits[-1][1] > 2):
            hits.append((strength, k, band))
    return hits


def _gather(hits: list[tuple[float, int, int]], stem: _Stem, rate: int) -> list[tuple[int, dict[int, float]]]:
    """Place each hit at its steepest rise, and join the bands of one hit: ``(sample, {band: strength})``."""
    placed = sorted((_begin(round(k * _HOP_S * rate), stem, rate), strength, band) for strength, k, band in hits)
    groups: list[tuple[int, dict[int, float]]] = []
    for sample, strength, band in placed:
        if groups and sample - groups[-1][0] < 0.02 * rate:
            groups[-1][1][band] = max(strength, groups[-1][1].get(band, 0.0))
        else:
            groups.append((sample, {band: strength}))
    return groups


def _begin(centre: int, stem: _Stem, rate: int) -> int:
    """The sample around a coarse position where the energy of the next 2 ms most exceeds that of the last 2 ms."""
    width = max(8, round(0.002 * rate))
    low = max(0, centre - round(0.022 * rate))
    high = min(len(stem), centre + round(0.022 * rate))
    piece = stem[low - width : high + width]
    # Running sums, whose differences are the energies of all spans at once.
    energy = torch.cat([piece.new_zeros(1, dtype=torch.float64), piece.double().pow(2).cumsum(0)])
    spans = energy[width:] - energy[:-width]
    behind, ahead = spans[: high - low], spans[width : width + high - low]
    if not ahead.numel():
        return min(centre, len(stem) - 1)
    floor = 1e-3 * float(ahead.max()) + 1e-12
    gain = torch.log((ahead + floor) / (behind + floor))
    # The last of the near-best: with a click the gain stays at its top until the click leaves the window ahead.
    best = torch.nonzero(gain >= gain.max() - 1e-3).flatten()
    return low + int(best[-1])
