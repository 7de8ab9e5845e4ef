"""Small operations on tracks that every control shares: batch of one, cutting, shifting, runs."""

from __future__ import annotations

import torch
from torch import Tensor

from flowmusic.types import FrameGrid, Track


def batched(track: Track) -> Track:
    """Add a batch of one, if there is none.  Shape: known ``[T] -> [1, T]``."""
    if track.known.ndim == 2:
        return track
    single(track)
    return Track(track.values[None], track.known[None], track.grid)


def single(track: Track) -> Track:
    """Drop a batch of one, if there is one.  Shape: known ``[1, T] -> [T]``.

    Raises: ValueError for larger batches.
    """
    if track.known.ndim == 1:
        return track
    if track.known.ndim == 2 and track.known.shape[0] == 1:
        return Track(track.values[0], track.known[0], track.grid)
    raise ValueError(f"expected one track, known [T] or [1, T], got known of shape {tuple(track.known.shape)}")


def fit_track(track: Track, grid: FrameGrid) -> Track:
    """Cut to the grid's length, or fill with unknown frames at the end.

    Raises: ValueError if the frame rates differ.
    """
    if track.grid.frame_rate != grid.frame_rate:
        raise ValueError(
            f"the track has {track.grid.frame_rate} frames per second, the grid {grid.frame_rate}; "
            "make the track again on this grid"
        )
    return crop(track, 0, grid.length)


def crop(track: Track, first: int, length: int) -> Track:
    """Frames ``first`` to ``first + length``; what lies outside the track is unknown
    (features 0 there, ids those of the edge: neither means anything).

    Shape: ``known [*, T] -> [*, length]``; values follow.

    >>> track = Track(torch.arange(4), torch.ones(4, dtype=torch.bool), FrameGrid.of_seconds(4, 1))
    >>> cut = crop(track, 2, 3)
    >>> cut.values.tolist(), cut.known.tolist()
    ([2, 3, 3], [True, True, False])
    """
    time = track.known.ndim - 1
    positions = torch.arange(first, first + length, device=track.known.device)
    inside = (positions >= 0) & (positions < track.grid.length)
    source = positions.clamp(0, track.grid.length - 1)
    known = track.known.index_select(time, source) & inside
    values = track.values.index_select(time, source)
    if track.values.is_floating_point():
        values = values * inside[:, None]
    return Track(values, known, FrameGrid(track.grid.frame_rate, length))


def runs(values: Tensor) -> list[tuple[int, int, int]]:
    """Maximal runs of equal integers ``[T]`` as ``(first, last + 1, value)``."""
    if values.numel() == 0:
        return []
    edges = (torch.nonzero(values[1:] != values[:-1]).flatten() + 1).tolist()
    bounds = [0, *edges, values.numel()]
    return [(a, b, int(values[a])) for a, b in zip(bounds, bounds[1:], strict=False)]
