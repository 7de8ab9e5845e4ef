"""The information bottleneck between a recording and a control: pure functions over tensors.

Letters: T frames, F features, S sub-bins in time, N samples, D latent size, K codebook entries, ``*`` any leading
dims.  What passes is meant to be enough to steer by and too little to copy: a pitch range, a blur in time, few levels.

>>> ramp = torch.arange(6.0)[:, None]
>>> block_blur(ramp, 3).flatten(), quantise_levels(torch.tensor([0.1, 0.2, 0.9]))
(tensor([1., 1., 1., 4., 4., 4.]), tensor([0.0000, 0.3333, 1.0000]))
>>> one_hot(torch.tensor([0.1, 0.7, 0.2]), threshold=0.5)
tensor([0., 1., 0.])
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from flowmusic.types import FrameGrid
from flowmusic.units import hz_to_midi

LOWEST = 43
NUM_BINS = 53
"""The semitones of the melody control: MIDI 43-95 (G2-B6), as in JASCO."""

_CREPE_BINS = 360
_CREPE_FIRST_MIDI = hz_to_midi(10.0 * 2.0 ** (1997.3794084376191 / 1200.0))
"""CREPE's bins are 20 cents apart and begin 1997.379 cents above 10 Hz (Kim et al., ICASSP 2018)."""


# Pitch


def pitch_bandpass(
    salience: Tensor, low_midi: float, high_midi: float, lowest: float = LOWEST, step: float = 1.0
) -> Tensor:
    """Silence the pitches outside ``low_midi``-``high_midi`` (both kept).

    Shape: ``[*, T, bins] -> [*, T, bins]``, where bin k is MIDI ``lowest + k * step``.
    """
    if low_midi > high_midi:
        raise ValueError(f"the pitch range must ascend, got MIDI {low_midi} to {high_midi}")
    midi = lowest + step * torch.arange(salience.shape[-1], device=salience.device, dtype=torch.float64)
    keep = (midi >= low_midi - 1e-6) & (midi <= high_midi + 1e-6)
    return salience * keep.to(salience.dtype)


def salience_to_semitones(salience: Tensor) -> Tensor:
    """CREPE salience to the melody's semitones, the highest of the five bins around each.

    Shape: ``[*, 360] -> [*, 53]``; 53 bins pass unchanged.
    """
    bins = salience.shape[-1]
    if bins == NUM_BINS:
        return salience
    if bins != _CREPE_BINS:
        raise ValueError(f"salience must have {_CREPE_BINS} CREPE bins or {NUM_BINS} semitones, got {bins}")
    first = next(k for k in range(bins) if round(_CREPE_FIRST_MIDI + 0.2 * k) == LOWEST)
    # CREPE ends 26 cents above B6, one bin short of its five.
    wanted = torch.nn.functional.pad(salience, (0, first + 5 * NUM_BINS - bins))[..., first:]
    return wanted.unflatten(-1, (NUM_BINS, 5)).amax(-1)


def one_hot(salience: Tensor, threshold: float = 0.0) -> Tensor:
    """One at the highest bin where it exceeds zero and reaches the threshold, else all zeros.

    Shape: ``[*, bins] -> [*, bins]``; of equal bins the lowest wins.
    """
    peak, index = salience.max(-1, keepdim=True)
    kept = (peak > 0) & (peak >= threshold)
    return torch.zeros_like(salience).scatter(-1, index, kept.to(salience.dtype))


def salience_to_bins(salience: Tensor, threshold: float = 0.5) -> Tensor:
    """CREPE salience to the one-hot melody.  Shape: ``[*, 360] -> [*, 53]``."""
    return one_hot(salience_to_semitones(salience), threshold)


def pool_frames(values: Tensor, rate: float, grid: FrameGrid, first_time_s: float = 0.0) -> Tensor:
    """Mean of the rows centred within each frame; of a frame that holds none, the nearest row.

    Shape: ``[F_in, F] -> [T, F]``; row i is centred at ``first_time_s + i / rate``.
    """
    times = first_time_s + torch.arange(values.shape[0], dtype=torch.float64) / rate
    frames = torch.floor(times * float(grid.frame_rate) + 1e-6).long()
    inside = (frames >= 0) & (frames < grid.length)
    total = torch.zeros(grid.length, values.shape[1], dtype=values.dtype)
    total.index_add_(0, frames[inside], values[inside])
    count = torch.bincount(frames[inside], minlength=grid.length)
    centres = (torch.arange(grid.length, dtype=torch.float64) + 0.5) / float(grid.frame_rate)
    nearest = torch.round((centres - first_time_s) * rate).long().clamp(0, values.shape[0] - 1)
    return torch.where(count[:, None] > 0, total / count.clamp(min=1)[:, None], values[nearest])


def jasco_melody(salience: Tensor, offset_s: float = 0.0, seconds: float = 10.0, frame_rate: int = 50) -> Tensor:
    """A segment of stored salience on the latent grid, as the JASCO models were trained (arXiv 2406.10970).

    Shape: ``[53, n]`` at nominally 86 columns a second ``-> [53, seconds * frame_rate]``, interpolated along time
    with half-pixel centres, zeros after the end.  ``one_hot(x.T).T`` makes it the model's input.
    """
    per_second = 86
    columns = salience[:, int(offset_s * per_second) : int((offset_s + seconds) * per_second)]
    out = salience.new_zeros(salience.shape[0], int(seconds * frame_rate))
    # Less than one frame: interpolate would refuse an output of length 0.
    if columns.shape[1] <= per_second / frame_rate:
        return out
    # torch's own interpolation, since ties between semitones hang on its float32 source coordinates.
    scale = frame_rate / per_second
    mixed = torch.nn.functional.interpolate(columns[None], scale_factor=scale, mode="linear", align_corners=False)[0]
    kept = min(mixed.shape[1], out.shape[1])
    out[:, :kept] = mixed[:, :kept]
    return out


# Frequency


def frequency_bandpass(samples: Tensor, rate: int, low_hz: float | None, high_hz: float | None) -> Tensor:
    """Zero-phase band-pass with edges a third of an octave wide, -6 dB at the named frequencies.

    Shape: ``[*, N] -> [*, N]``; None leaves a side open.
    """
    if low_hz is not None and high_hz is not None and low_hz >= high_hz:
        raise ValueError(f"the band must ascend, got {low_hz} to {high_hz} Hz")
    length = samples.shape[-1]
    # Padding keeps the end of the clip from ringing into its start.
    padded = 1 << max(1, (length + rate // 10 - 1).bit_length())
    spectrum = torch.fft.rfft(samples, n=padded)
    hz = torch.fft.rfftfreq(padded, 1.0 / rate).to(samples.device)
    octaves = torch.log2(hz.clamp(min=1e-3))
    gain = torch.ones_like(hz)
    for edge, sign in ((low_hz, 1.0), (high_hz, -1.0)):
        if edge is not None:
            # From -1/2 to 1/2 across a third of an octave: a sine's rise from 0 to 1, 1/2 (-6 dB) at the edge.
            across = (sign * (octaves - math.log2(edge)) * 3.0).clamp(-0.5, 0.5)
            gain = gain * (0.5 + 0.5 * torch.sin(math.pi * across))
    return torch.fft.irfft(spectrum * gain.to(spectrum.dtype), n=padded)[..., :length].to(samples.dtype)


# Time


def block_blur(values: Tensor, width: int) -> Tensor:
    """Replace each group of ``width`` frames by its mean (JASCO's blur has width 3).

    Shape: ``[*, T, F] -> [*, T, F]``.  A last group that is short is filled by reflection without the edge, then cut.
    """
    _check_width(width)
    length = values.shape[-2]
    blocks = -(-length // width)
    index = _reflect(torch.arange(blocks * width, device=values.device), length)
    groups = values.index_select(-2, index).unflatten(-2, (blocks, width))
    return groups.mean(-2).repeat_interleave(width, dim=-2)[..., :length, :]


def smooth_blur(values: Tensor, width: int) -> Tensor:
    """Hann-weighted moving mean whose half-height width is ``width`` frames; the mean over time stays.

    Shape: ``[*, T, F] -> [*, T, F]``.  Mirrored with the edge at both ends, which is what keeps the mean.
    """
    _check_width(width)
    length = values.shape[-2]
    reach = width - 1
    # Hann of half-height width `width`: zero at distance `width`, so `width - 1` taps to each side.
    offsets = torch.arange(-reach, reach + 1, device=values.device)
    kernel = (0.5 + 0.5 * torch.cos(math.pi * offsets / width)).to(values.dtype)
    kernel = kernel / kernel.sum()
    frames = torch.arange(length, device=values.device)
    out = torch.zeros_like(values)
    for offset, weight in zip(offsets.tolist(), kernel, strict=True):
        # So mirrored, a symmetric kernel acts as a symmetric matrix: its columns sum to 1 as its rows do.
        position = (frames + offset) % (2 * length)
        mirrored = torch.where(position < length, position, 2 * length - 1 - position)
        out = out + weight * values.index_select(-2, mirrored)
    return out


def temporal_blur(values: Tensor, seconds: float, rate: float, smooth: bool = False) -> Tensor:
    """Blur by a stated time, rounded to whole frames of ``rate`` per second; below 1.5 frames nothing changes.

    Shape: ``[*, T, F] -> [*, T, F]``.  Blocks (:func:`block_blur`) unless ``smooth`` (:func:`smooth_blur`).
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"a blur must last 0 or more seconds, got {seconds}")
    width = max(1, math.floor(seconds * rate + 0.5))
    return smooth_blur(values, width) if smooth else block_blur(values, width)


def _check_width(width: int) -> None:
    if width < 1:
        raise ValueError(f"a blur must be at least 1 frame wide, got {width}")


def _reflect(index: Tensor, length: int) -> Tensor:
    """Mirror positions past the end, without repeating the edge."""
    if length == 1:
        return torch.zeros_like(index)
    period = 2 * (length - 1)
    index = index % period
    return torch.where(index < length, index, period - index)


# Levels and codes


def quantise_levels(values: Tensor, levels: int = 4) -> Tensor:
    """The nearest of ``levels`` even steps from 0 to 1 (4: 0, 1/3, 2/3, 1); what lies outside is clamped."""
    if levels < 2:
        raise ValueError(f"quantising needs at least 2 levels, got {levels}")
    steps = levels - 1
    # Halves always go up; torch.round would take them to the even step.
    return torch.floor(values.clamp(0.0, 1.0) * steps + 0.5) / steps


class Codes(NamedTuple):
    """Indices ``[*, T]`` int64 of the nearest codebook entries, and the entries ``[*, T, D]``."""

    ids: Tensor
    vectors: Tensor


def first_codebook(latents: Tensor, codebook: Tensor) -> Codes:
    """Nearest entries by squared Euclidean distance (JASCO's drum control is this, blurred).

    Shape: latents ``[*, T, D]``, codebook ``[K, D]``.
    """
    if latents.shape[-1] != codebook.shape[-1]:
        raise ValueError(f"latents have {latents.shape[-1]} dimensions, the codebook {codebook.shape[-1]}")
    # |x|^2 is the same for every entry and drops out.
    ids = (codebook.pow(2).sum(-1) - 2.0 * latents @ codebook.T).argmin(-1)
    return Codes(ids, codebook[ids])
