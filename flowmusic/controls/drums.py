"""The drum control: onset strength in three bands on 10 ms sub-bins, in four levels; a person can draw it.

A frame of a grid at ``frame_rate`` holds ``subs = 100 / frame_rate`` sub-bins (rounded, at least 1): four at 25 Hz,
two at 50 Hz.  Values are ``[T, subs * 3]`` with feature ``3 * sub + band``: time first, then low, mid, high, so that
``values.reshape(T * subs, 3)`` is the control as a drawing.  Levels are 0, 1/3, 2/3 and 1; zeros are known silence.

>>> track = onsets_to_track([0.0, 0.5], FrameGrid.of_seconds(1, 25), levels=[1.0, 0.4], classes={"kick": [0.0]})
>>> to_drawing(track)[:, [0, 50]]  # low, mid, high; sub-bins of 10 ms
tensor([[1.0000, 0.3333],
        [0.0000, 0.3333],
        [0.0000, 0.3333]])
>>> loop_length(2.05, last_onset_s=1.75, bpm=120)
2.0
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from flowmusic import limits
from flowmusic.controls.bottleneck import quantise_levels
from flowmusic.controls.drum_onsets import BANDS, STRENGTH_RATE, onset_strength
from flowmusic.controls.tracks import single
from flowmusic.types import FrameGrid, Track
from flowmusic.units import seconds_to_frame

__all__ = [
    "BANDS",
    "BAND_OF_CLASS",
    "DEFAULT_LEVEL",
    "LEVELS",
    "STRENGTH_RATE",
    "codes_to_track",
    "from_drawing",
    "loop_audio",
    "loop_drums",
    "onset_strength",
    "onsets_from_track",
    "onsets_to_track",
    "strength_to_track",
    "sub_bins",
    "to_drawing",
]

LEVELS = 4
DEFAULT_LEVEL = 2.0 / 3.0
MERGE_S = 0.03
BAND_OF_CLASS = {"kick": 0, "snare": 1, "hat": 2}
"""The band of :data:`BANDS` that a class of drum sounds in."""
_SILENT = 0.02
"""Below this a sub-bin holds no onset; a single weak hit blurred over 160 ms is still above."""


def sub_bins(grid: FrameGrid) -> int:
    """Sub-bins of about 10 ms in a frame."""
    return max(1, round(STRENGTH_RATE / float(grid.frame_rate)))


def _sub_rate(grid: FrameGrid) -> float:
    return float(grid.frame_rate * sub_bins(grid))


def to_drawing(track: Track) -> Tensor:
    """The control as a picture.  Returns: ``[3, T * subs]`` of an unbatched (or batch of one) track, low band first."""
    values = single(track).values
    return values.reshape(-1, len(BANDS)).T


def from_drawing(drawing: Tensor, grid: FrameGrid, known: Tensor | None = None) -> Track:
    """Inverse of :func:`to_drawing`.  Shape: ``[3, T * subs]``, known ``[T]`` (None: all)."""
    expected = (len(BANDS), grid.length * sub_bins(grid))
    if tuple(drawing.shape) != expected:
        raise ValueError(f"a drum drawing for this grid must be {expected}, got {tuple(drawing.shape)}")
    if known is None:
        known = torch.ones(grid.length, dtype=torch.bool)
    return Track(drawing.T.reshape(grid.length, -1) * known[:, None], known, grid)


def strength_to_track(strength: Tensor, grid: FrameGrid) -> Track:
    """Onset strength to the control.

    Args:
        strength: ``[3, S]`` at 100 Hz, 0-1, sparse; frames whose start lies after its end are unknown.

    Returns: Track with values ``[T, subs * 3]``.
    """
    if strength.ndim != 2 or strength.shape[0] != len(BANDS):
        raise ValueError(f"drum strength must be [{len(BANDS)}, S], got {tuple(strength.shape)}")
    if not bool(torch.isfinite(strength).all()):
        raise ValueError("drum strength holds NaN or infinite values")
    strength = strength.detach().float().cpu()
    rate = _sub_rate(grid)
    total = grid.length * sub_bins(grid)
    # Middles of the bins: their edges lie on those of sub-bins, where rounding would decide.
    times = (torch.arange(strength.shape[1], dtype=torch.float64) + 0.5) / STRENGTH_RATE
    place = torch.floor(times * rate + 1e-6).long()
    inside = place < total
    drawing = torch.zeros(len(BANDS), total)
    # Where the sub-bins are wider than 10 ms the strongest of a sub-bin counts.
    drawing.scatter_reduce_(
        1, place[inside].expand(len(BANDS), -1), quantise_levels(strength[:, inside], LEVELS), reduce="amax"
    )
    starts = torch.arange(grid.length, dtype=torch.float64) / float(grid.frame_rate)
    known = starts < strength.shape[1] / STRENGTH_RATE - 1e-9
    return from_drawing(drawing, grid, known)


def onsets_to_track(
    onsets_s: Sequence[float],
    grid: FrameGrid,
    levels: Sequence[float] | None = None,
    classes: Mapping[str, Sequence[float]] | None = None,
) -> Track:
    """Onset times to the control, all frames known: every band alike, or the bands of an onset's classes.

    Args:
        onsets_s: seconds in any order; those outside the grid are left out.
        levels: a level 0-1 per onset; None is 2/3 for all.
        classes: times of ``kick``, ``snare`` and ``hat``; an onset within 30 ms of one sounds in its band alone, in
            several bands if several were struck, and in all if none was.

    Raises: ValueError if a time is not finite or the numbers of times and levels differ.
    """
    if levels is None:
        levels = [DEFAULT_LEVEL] * len(onsets_s)
    if len(levels) != len(onsets_s):
        raise ValueError(f"{len(onsets_s)} drum onsets need as many levels, got {len(levels)}")
    rate = _sub_rate(grid)
    drawing = torch.zeros(len(BANDS), grid.length * sub_bins(grid))
    ascending = {name: sorted(times) for name, times in (classes or {}).items()}
    for index, (onset, level) in enumerate(zip(onsets_s, levels, strict=True)):
        if not limits.moments(onset):
            raise ValueError(f"drum onset {index} must be a finite number of seconds within a recording, got {onset:g}")
        place = math.floor(onset * rate + 1e-6)
        if 0 <= place < drawing.shape[1]:
            bands = _bands_at(onset, ascending)
            drawing[bands, place] = drawing[bands, place].clamp(min=float(level))
    return from_drawing(quantise_levels(drawing, LEVELS), grid)


def _bands_at(onset: float, classes: Mapping[str, Sequence[float]]) -> list[int]:
    """The bands of the classes that are struck within :data:`MERGE_S` of an onset; all bands if none is.

    Times ascend, so that the nearest one of each class is a neighbour of the onset's place among them.
    """
    near = []
    for name, times in classes.items():
        place = bisect_left(times, onset)
        if any(abs(time - onset) <= MERGE_S for time in times[max(0, place - 1) : place + 1]):
            near.append(BAND_OF_CLASS[name])
    return near or list(range(len(BANDS)))


def onsets_from_track(track: Track, merge_s: float = MERGE_S) -> tuple[float, ...]:
    """Onset times in seconds, at the centre of their sub-bin (or of a plateau, as a blur leaves).

    Maxima of the strongest band; of two closer than ``merge_s`` the stronger stays.  Unknown frames hold none.
    """
    track = single(track)
    drawing = to_drawing(track) * track.known.repeat_interleave(sub_bins(track.grid))
    envelope = drawing.amax(0)
    steps = torch.nonzero(envelope[1:] != envelope[:-1]).flatten() + 1
    bounds = [0, *steps.tolist(), envelope.numel()]
    levels = [0.0, *(float(envelope[first]) for first in bounds[:-1]), 0.0]
    rate = _sub_rate(track.grid)
    peaks = [
        (levels[k], (bounds[k - 1] + bounds[k]) / 2 / rate)
        for k in range(1, len(levels) - 1)
        if levels[k] > _SILENT and levels[k] > levels[k - 1] and levels[k] > levels[k + 1]
    ]
    kept: list[float] = []
    for _, time in sorted(peaks, key=lambda peak: (-peak[0], peak[1])):
        # What is kept ascends, so that only its neighbours can be too near.
        place = bisect_left(kept, time)
        if all(abs(time - other) >= merge_s - 1e-9 for other in kept[max(0, place - 1) : place + 1]):
            kept.insert(place, time)
    return tuple(kept)


def codes_to_track(ids: Tensor, grid: FrameGrid) -> Track:
    """JASCO's drum control: ids ``[T']`` int64 of a codec's first codebook.

    They are cut to the grid, or unknown after their end.  Returns: Track with values ``[T]`` int64.
    """
    kept = ids[: grid.length].cpu()
    known = torch.arange(grid.length) < len(kept)
    return Track(torch.nn.functional.pad(kept, (0, grid.length - len(kept))), known, grid)


def loop_drums(
    drums: Track | Sequence[float],
    loop_seconds: float,
    grid: FrameGrid,
    bpm: float | None = None,
    beats_per_bar: int = 4,
) -> Track:
    """Repeat a drum loop to fill a grid.

    Args:
        drums: the loop as a track (at the grid's frame rate) or as onset times.
        loop_seconds: length of the recording it came from.
        bpm: with a tempo, the loop lasts a whole number of beats where that is near, see :func:`loop_length`.

    Returns: Track on ``grid``, all frames known.
    """
    if isinstance(drums, Track):
        if drums.grid.frame_rate != grid.frame_rate:
            raise ValueError(
                f"the drum loop has {drums.grid.frame_rate} frames per second, the grid {grid.frame_rate}; "
                "make the loop's track on this grid's frame rate"
            )
        track = single(drums)
        source = to_drawing(track) * track.known.repeat_interleave(sub_bins(grid))
    else:
        source_grid = FrameGrid.of_seconds(max(loop_seconds, 1.0 / STRENGTH_RATE), grid.frame_rate)
        source = to_drawing(onsets_to_track(drums, source_grid))
    rate = _sub_rate(grid)
    struck = torch.nonzero(source.amax(0) > 0).flatten()
    last_onset_s = float(struck[-1]) / rate if struck.numel() else 0.0
    length_s = loop_length(loop_seconds, last_onset_s, bpm, beats_per_bar)
    total = grid.length * sub_bins(grid)
    out = torch.zeros(len(BANDS), total)
    for repeat in range(math.ceil(total / rate / length_s - 1e-9)):
        # Each repeat is placed anew from seconds, so that rounding does not add up.
        # Half a sub-bin makes the nearest one of the one that holds the instant.
        first = seconds_to_frame(repeat * length_s + 0.5 / rate, grid.frame_rate * sub_bins(grid))
        end = seconds_to_frame((repeat + 1) * length_s + 0.5 / rate, grid.frame_rate * sub_bins(grid))
        width = min(end, total) - first
        part = source[:, : max(0, width)]
        out[:, first : first + part.shape[1]] = part
    return from_drawing(out, grid)


def loop_audio(samples: Tensor, rate: int, length_s: float, seconds: float) -> Tensor:
    """Repeat a recording of drums every ``length_s``, cut at the next repeat, to fill ``seconds``.

    Shape: ``[*, N] -> [*, seconds * rate]``.
    """
    total = round(seconds * rate)
    out = samples.new_zeros(*samples.shape[:-1], total)
    for repeat in range(math.ceil(seconds / length_s - 1e-9)):
        first, end = round(repeat * length_s * rate), min(total, round((repeat + 1) * length_s * rate))
        part = samples[..., : max(0, end - first)]
        out[..., first : first + part.shape[-1]] = part
    return out


def loop_length(loop_seconds: float, last_onset_s: float, bpm: float | None, beats_per_bar: int = 4) -> float:
    """How long one turn of a loop lasts.

    Without a tempo, ``loop_seconds``.  With one, in this order: the nearest whole number of beats if it is within
    6 % of a beat; the longest whole number of bars that ends after the last onset and within the recording (what
    follows is trailing silence); the nearest whole number of beats within 6 % of the length; ``loop_seconds``.
    """
    if not (math.isfinite(loop_seconds) and loop_seconds > 0):
        raise ValueError(f"a drum loop must last a positive number of seconds, got {loop_seconds}")
    if bpm is None:
        return loop_seconds
    if not (math.isfinite(bpm) and bpm > 0):
        raise ValueError(f"bpm must be a positive number, got {bpm}")
    beat_s = 60.0 / bpm
    nearest = max(1, round(loop_seconds / beat_s))
    error_s = abs(nearest * beat_s - loop_seconds)
    if error_s <= 0.06 * beat_s:
        return nearest * beat_s
    bars = math.floor(loop_seconds / (beats_per_bar * beat_s) + 1e-9) * beats_per_bar
    if bars and bars * beat_s > last_onset_s:
        return bars * beat_s
    return nearest * beat_s if error_s <= 0.06 * loop_seconds else loop_seconds
