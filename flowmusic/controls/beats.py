"""Beat and bar phase per frame, from beat times or from a tempo.

Values ``[T, 4]``: sin and cos of the beat phase, sin and cos of the bar phase, at the centre of each frame.  Phase 0
(sin 0, cos 1) is on the beat, or on the downbeat.  Between beats the phase runs linearly; before the first and after
the last it goes on at the tempo of the nearest interval.  Where downbeats are not known both bar values are 0, which
no phase gives.  A beat is the felt one: in 6/8 the dotted quarter, two to a bar; ``bpm`` counts the same.

>>> beats, downbeats = grid_times(120, "3/4", seconds=2.0)
>>> beats, downbeats
((0.0, 0.5, 1.0, 1.5), (0.0, 1.5))
>>> round(tempo(to_track(beats, downbeats, FrameGrid.of_seconds(2, 25))), 3)
120.0
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from flowmusic import limits
from flowmusic.controls.meter import MAX_BPM, MIN_BPM, Meter, check_bpm, parse_meter
from flowmusic.controls.tracks import single
from flowmusic.types import FrameGrid, Track

__all__ = [
    "MAX_BPM",
    "MIN_BPM",
    "Changing",
    "Meter",
    "Times",
    "bar_edges",
    "beats_per_bar",
    "changing",
    "check_bpm",
    "from_bpm",
    "from_track",
    "grid_times",
    "interpolate",
    "parse_meter",
    "tempo",
    "to_track",
]


def grid_times(
    bpm: float, meter: str | Meter, seconds: float, offset_s: float = 0.0
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Beats and downbeats in ``[0, seconds)`` of an even tempo with a downbeat at ``offset_s``."""
    beat_s = 60.0 / check_bpm(bpm)
    if not (math.isfinite(seconds) and seconds > 0 and math.isfinite(offset_s)):
        raise ValueError(f"seconds must be positive and the offset finite, got {seconds} and {offset_s}")
    per_bar = _meter(meter).beats_per_bar
    # Beats lie at offset + k beat for every whole k, negative ones too; within the clip first <= k < last.
    first = math.ceil(-offset_s / beat_s - 1e-9)
    last = math.ceil((seconds - offset_s) / beat_s - 1e-9)
    beats = tuple(max(0.0, offset_s + k * beat_s) for k in range(first, last))
    return beats, tuple(beat for k, beat in zip(range(first, last), beats, strict=True) if k % per_bar == 0)


def _meter(meter: str | Meter) -> Meter:
    return meter if isinstance(meter, Meter) else parse_meter(meter)


def from_bpm(bpm: float, meter: str | Meter, grid: FrameGrid, offset_s: float = 0.0) -> Track:
    """The track of an even tempo with a downbeat at ``offset_s``.  Returns: values ``[T, 4]``, all known."""
    # Two bars more than the grid, so that short clips have the beats that fix a tempo.
    seconds = grid.seconds + 2 * _meter(meter).bar_seconds(check_bpm(bpm))
    return to_track(*grid_times(bpm, meter, seconds, offset_s), grid)


def to_track(
    beats_s: Sequence[float], downbeats_s: Sequence[float], grid: FrameGrid, beats_per_bar: int | None = None
) -> Track:
    """Phases per frame.

    Args:
        beats_s: ascending beat times, which may lie outside the grid.
        downbeats_s: ascending times of the first beats of bars; empty if unknown.
        beats_per_bar: needed for bar phases only when there is a single downbeat.

    Returns: values ``[T, 4]`` float32 and known ``[T]``; fewer than two beats leave every frame unknown.
    Raises: ValueError if times are not finite or do not ascend.
    """
    beats = _ascending(beats_s, "beats")
    downbeats = _ascending(downbeats_s, "downbeats")
    values = np.zeros((grid.length, 4))
    if len(beats) < 2:
        known = torch.zeros(grid.length, dtype=torch.bool)
        return Track(torch.from_numpy(values).float(), known, grid)
    centres = (np.arange(grid.length) + 0.5) / float(grid.frame_rate)
    index = np.arange(len(beats), dtype=np.float64)
    position = interpolate(centres, beats, index)
    values[:, :2] = _circle(position)
    if len(downbeats) >= 2:
        # Downbeats in beats, not in seconds: within a bar the phase follows the tempo, as the beats do.
        down = interpolate(downbeats, beats, index)
        values[:, 2:] = _circle(interpolate(position, down, np.arange(len(down), dtype=np.float64)))
    elif len(downbeats) == 1 and beats_per_bar is not None:
        values[:, 2:] = _circle((position - interpolate(downbeats, beats, index)) / beats_per_bar)
    return Track(torch.from_numpy(values).float(), torch.ones(grid.length, dtype=torch.bool), grid)


def _ascending(times: Sequence[float], name: str) -> np.ndarray:
    array = np.asarray(times, dtype=np.float64).reshape(-1)
    bad = np.nonzero(~(np.abs(array) <= 2 * limits.limit("time").high))[0]
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] must be a finite number of seconds, got {array[bad[0]]}")
    bad = np.nonzero(np.diff(array) <= 0)[0]
    if bad.size:
        at = int(bad[0]) + 1
        raise ValueError(f"{name} must ascend, but {name}[{at}] = {array[at]:g} s follows {array[at - 1]:g} s")
    return array


def interpolate(at: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Piecewise linear through (x, y), going on with the slope of the first and last piece."""
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    slope = (y[piece + 1] - y[piece]) / (x[piece + 1] - x[piece])
    return np.asarray(y[piece] + (at - x[piece]) * slope)


def _circle(turns: np.ndarray) -> np.ndarray:
    """Shape: ``[T] -> [T, 2]`` sin and cos of a phase in turns."""
    angle = 2 * np.pi * (turns % 1.0)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1)


@dataclass(frozen=True)
class Times:
    """Beats and downbeats in seconds, read back from a track."""

    beats: tuple[float, ...]
    downbeats: tuple[float, ...]


def from_track(track: Track) -> Times:
    """Where the phases of an unbatched (or batch of one) track cross zero, within its known frames."""
    track = single(track)
    centres = (np.arange(track.grid.length) + 0.5) / float(track.grid.frame_rate)
    values = track.values.double().cpu().numpy()
    known = track.known.cpu().numpy()
    return Times(_crossings(values[:, :2], known, centres), _crossings(values[:, 2:4], known, centres))


def _crossings(pair: np.ndarray, known: np.ndarray, centres: np.ndarray) -> tuple[float, ...]:
    usable = known & (np.hypot(pair[:, 0], pair[:, 1]) > 0.1)
    if usable.sum() < 2:
        return ()
    where = np.nonzero(usable)[0]
    turns = np.unwrap(np.arctan2(pair[where, 0], pair[where, 1])) / (2 * np.pi)
    if turns[-1] <= turns[0]:
        return ()
    # Beats within half a frame outside the first and last centre belong to the clip as well.
    half_frame = (centres[1] - centres[0]) / 2
    ends = np.array([centres[where[0]] - half_frame, centres[where[-1]] + half_frame])
    low, high = interpolate(ends, centres[where], turns)
    counts = np.arange(math.ceil(low - 1e-6), math.ceil(high - 1e-6), dtype=np.float64)
    # Interpolation over turns needs turns that ascend: where noise runs back they stand still, almost.
    rising = np.maximum.accumulate(turns) + 1e-12 * np.arange(len(turns))
    return tuple(max(0.0, float(t)) for t in interpolate(counts, rising, centres[where]))


def tempo(track: Track) -> float | None:
    """Beats a minute of a beats track (the median interval); None with fewer than two beats."""
    beats = from_track(track).beats
    return None if len(beats) < 2 else float(60.0 / np.median(np.diff(beats)))


@dataclass(frozen=True)
class Changing:
    """Beats whose tempo changes, counted from the first of ``times`` in seconds.

    >>> slower = Changing((0.0, 1.0, 3.0))
    >>> slower.seconds(1.5), slower.count(5.0)
    (2.0, 3.0)
    """

    times: tuple[float, ...]

    def seconds(self, beat: float) -> float:
        """When a beat is; behind the last it goes on at the tempo there."""
        places = np.arange(len(self.times), dtype=np.float64)
        return float(interpolate(np.array([beat]), places, np.array(self.times))[0])

    def count(self, seconds: float) -> float:
        """How many beats there are up to a time."""
        places = np.arange(len(self.times), dtype=np.float64)
        return float(interpolate(np.array([seconds]), np.array(self.times), places)[0])


STEADY = 0.02
"""Beats that are all as long as their median but for this share are of one tempo: phases on frames are no finer."""


def changing(track: Track, start_s: float = 0.0) -> Changing | None:
    """The beats of a track from a time on; None where they are of one tempo, or too few to tell."""
    times = tuple(time for time in from_track(track).beats if time >= start_s - 1e-3)
    if len(times) < 3:
        return None
    gaps = np.diff(times)
    even = bool((np.abs(gaps / np.median(gaps) - 1.0) <= STEADY).all())
    return None if even else Changing(times)


def beats_per_bar(times: Times) -> int | None:
    """How many beats most bars have; four where a single bar line is known, None where none is.

    >>> beats_per_bar(Times((0.0, 0.51, 0.99, 1.5, 2.0), (0.0, 1.5)))
    3
    """
    if len(times.downbeats) < 2 or len(times.beats) < 2:
        return 4 if times.downbeats else None
    gaps = np.diff(times.downbeats) / np.median(np.diff(times.beats))
    return max(1, round(float(np.median(gaps))))


SHORTEST_BAR_S = 0.1


def bar_edges(downbeats: Sequence[float], end_s: float) -> list[float]:
    """Where bars begin, as they are counted from 1, and the end of the last one.

    What lies before the first downbeat is a bar as well, unless it is shorter than a tenth of a second.

    >>> bar_edges([0.02, 2.0, 4.0], end_s=5.0), bar_edges([1.0, 3.0], end_s=5.0)
    ([0.02, 2.0, 4.0, 5.0], [0.0, 1.0, 3.0, 5.0])
    """
    lines = [time for time in downbeats if time < end_s - SHORTEST_BAR_S]
    return [*([] if lines and lines[0] <= SHORTEST_BAR_S else [0.0]), *lines, end_s]
