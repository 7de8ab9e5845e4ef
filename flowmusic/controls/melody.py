"""Monophonic notes to a one-hot of 53 semitones per frame, and back.

Bin k is MIDI ``LOWEST + k`` (G2-B6).  A note sounds in a frame if it sounds at the frame's centre; a frame without
one is all zeros, which is known silence, not absence.

>>> track = to_track([(0.0, 0.4, 60), (0.4, 1.0, 100)], FrameGrid.of_seconds(1, 25))
>>> track.values.shape, from_track(track)  # E7 lies outside and moves down an octave
(torch.Size([25, 53]), ((0.0, 0.4, 60), (0.4, 1.0, 88)))
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flowmusic import limits
from flowmusic.controls import bottleneck
from flowmusic.controls.tracks import runs, single
from flowmusic.types import FrameGrid, Track

LOWEST = bottleneck.LOWEST
NUM_BINS = bottleneck.NUM_BINS
HIGHEST = LOWEST + NUM_BINS - 1

Note = tuple[float, float, int]
"""Start and end in seconds, and a MIDI number."""


class MelodyError(ValueError):
    """Notes that cannot be used; the message names the note."""


@dataclass(frozen=True)
class Folded:
    """Notes inside the range, and what was moved."""

    notes: tuple[Note, ...]
    warnings: tuple[str, ...]


def fold(notes: Iterable[Sequence[float]]) -> Folded:
    """Move notes outside G2-B6 into the range by octaves.

    Raises: MelodyError for times that are not finite or reversed, and MIDI numbers outside 0-127.
    """
    folded: list[Note] = []
    moved: list[int] = []
    for index, (start, end, midi) in enumerate(notes):
        if not (limits.moments(start, end) and start < end):
            raise MelodyError(f"note {index}: needs finite times with start < end, got {start:g} to {end:g}")
        if not (math.isfinite(midi) and 0 <= midi <= 127):
            raise MelodyError(f"note {index}: the MIDI number must be 0-127, got {midi}")
        pitch = round(midi)
        inside = pitch
        while inside < LOWEST:
            inside += 12
        while inside > HIGHEST:
            inside -= 12
        if inside != pitch:
            moved.append(pitch)
        folded.append((float(start), float(end), inside))
    if not moved:
        return Folded(tuple(folded), ())
    pitches = ", ".join(str(p) for p in sorted(set(moved)))
    warning = f"{len(moved)} note(s) outside MIDI {LOWEST}-{HIGHEST} are moved by octaves: {pitches}"
    return Folded(tuple(folded), (warning,))


def to_track(notes: Iterable[Sequence[float]], grid: FrameGrid, end_s: float | None = None) -> Track:
    """One-hot per frame.

    Args:
        notes: ``(start_s, end_s, midi)`` in any order, also partly outside the grid; of notes that sound together
            the highest counts; notes outside the range are folded (:func:`fold` tells which).
        end_s: frames whose centre is not before it are unknown; None knows all.

    Returns: Track with values ``[T, 53]`` float32 and known ``[T]``.
    """
    pitches = torch.full((grid.length,), -1, dtype=torch.int64)
    rate = float(grid.frame_rate)
    # By ascending pitch: of notes that sound together the highest is written last.
    for start, end, midi in sorted(fold(notes).notes, key=lambda note: note[2]):
        # start <= (n + 0.5) / rate < end
        first = max(0, math.ceil(start * rate - 0.5 - 1e-9))
        last = max(0, math.ceil(end * rate - 0.5 - 1e-9))
        pitches[first:last] = midi - LOWEST
    values = torch.zeros(grid.length, NUM_BINS)
    sounding = pitches >= 0
    values[sounding, pitches[sounding]] = 1.0
    known = torch.ones(grid.length, dtype=torch.bool)
    if end_s is not None:
        known[max(0, math.ceil(end_s * rate - 0.5 - 1e-9)) :] = False
    return Track(values * known[:, None], known, grid)


def from_track(track: Track) -> tuple[Note, ...]:
    """Notes of the known frames of an unbatched (or batch of one) track; equal neighbours are one note."""
    track = single(track)
    rate = float(track.grid.frame_rate)
    sounding = track.known & (track.values.amax(-1) > 0)
    pitches = torch.where(sounding, track.values.argmax(-1), -1)
    return tuple((first / rate, last / rate, LOWEST + bin) for first, last, bin in runs(pitches) if bin >= 0)


def from_salience(
    salience: Tensor,
    salience_rate: float,
    grid: FrameGrid,
    *,
    threshold: float = 0.5,
    low_midi: float = LOWEST,
    high_midi: float = HIGHEST,
    first_time_s: float = 0.0,
) -> Track:
    """Salience of a pitch tracker to the control.

    Args:
        salience: ``[F_in, 360]`` CREPE bins or ``[F_in, 53]`` semitones, 0-1.
        salience_rate: rows per second; row i is centred at ``first_time_s + i / salience_rate``.
        threshold: a frame whose highest salience is lower is silent.
        low_midi, high_midi: the searched range.

    Returns: Track with values ``[T, 53]`` one-hot; frames after the last row are unknown.
    Rows are averaged over each frame before the highest semitone is taken.
    """
    if salience.ndim != 2 or salience.shape[0] == 0:
        raise MelodyError(f"salience must be [frames, bins] with at least one frame, got {tuple(salience.shape)}")
    semitones = bottleneck.salience_to_semitones(salience)
    semitones = bottleneck.pitch_bandpass(semitones, low_midi, high_midi)
    pooled = bottleneck.pool_frames(semitones, salience_rate, grid, first_time_s)
    # A row reaches half a row beyond its centre.
    end_s = first_time_s + (salience.shape[0] - 0.5) / salience_rate
    centres = (torch.arange(grid.length) + 0.5) / float(grid.frame_rate)
    known = centres < end_s + 1e-6
    return Track(bottleneck.one_hot(pooled, threshold) * known[:, None], known, grid)
