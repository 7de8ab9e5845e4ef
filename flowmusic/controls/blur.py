"""Blur a control over time: what is asked for becomes less exact, by a width that may change from frame to frame.

What a blur can honestly be depends on the control.  Drums are strengths: they are averaged over the width, so that hits
become a density (a model may blur them further by itself).  Chords and melody are symbols, which have no mean: within
half of the width of every change nothing is known, and the model is free to change earlier or later.

>>> from flowmusic.types import FrameGrid
>>> track = Track(torch.tensor([1, 1, 1, 5, 5, 5]), torch.ones(6, dtype=torch.bool), FrameGrid(25, 6))
>>> blurred(track, "chords", torch.full((6,), 0.08)).known.tolist()
[True, True, False, False, True, True]
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from flowmusic.controls.drum_onsets import BANDS
from flowmusic.types import Track

BLURRED = ("chords", "melody", "drums")
"""The controls that have a blur; a beat grid has none."""


def blurred(track: Track, name: str, width_s: Tensor) -> Track:
    """A track with a blur of ``width_s`` seconds, one for each frame; 0 leaves a frame as it is.

    Shape: width_s ``[T]``; the track's known is ``[*, T]``.
    Raises: ValueError for a control without blur, drums that are codes, and widths that are no times.
    """
    if name not in BLURRED:
        raise ValueError(f"{name} cannot be blurred; what can: {', '.join(BLURRED)}")
    if width_s.shape != track.known.shape[-1:]:
        raise ValueError(f"a blur needs a width for each of {track.known.shape[-1]} frames, got {tuple(width_s.shape)}")
    if not bool(torch.isfinite(width_s).all() and (width_s >= 0).all()):
        raise ValueError("the width of a blur must be 0 or more seconds on every frame")
    if name == "drums":
        if not track.values.is_floating_point():
            raise ValueError("this model hears drums as codes, which have no mean; it blurs them by itself")
        return _averaged(track, width_s)
    return _open_around_changes(track, width_s)


def _averaged(track: Track, width_s: Tensor) -> Track:
    """Sub-bin i becomes the mean of an odd number of sub-bins around it, as from differences of running sums."""
    values = track.values * track.known[..., None]
    fine = values.unflatten(-1, (-1, len(BANDS))).flatten(-3, -2)
    subs = fine.shape[-2] // width_s.shape[0]
    rate = float(track.grid.frame_rate) * subs
    # The odd number of sub-bins nearest to the width: 2 reach + 1.
    reach = torch.floor((width_s.double() * rate).round(decimals=6) / 2).long().repeat_interleave(subs)
    sums = torch.nn.functional.pad(fine.double().cumsum(-2), (0, 0, 1, 0))
    place = torch.arange(fine.shape[-2])
    low, high = (place - reach).clamp(min=0), (place + reach + 1).clamp(max=fine.shape[-2])
    # Outside the piece there is silence, which counts.
    mean = (sums[..., high, :] - sums[..., low, :]) / (2 * reach + 1)[:, None]
    mixed = torch.where((reach == 0)[:, None], fine, mean.to(fine.dtype))
    return replace(track, values=mixed.unflatten(-2, (-1, subs)).flatten(-2))


def _open_around_changes(track: Track, width_s: Tensor) -> Track:
    """Unknown where the centre of a frame is less than half of its width from a change between known frames."""
    values = track.values if track.values.is_floating_point() else track.values[..., None]
    values = values.flatten(0, -3) if values.ndim > 2 else values[None]
    known = track.known.reshape(-1, track.known.shape[-1])
    length = known.shape[-1]
    centres = torch.arange(length, dtype=torch.float64) + 0.5
    half = width_s.double() * float(track.grid.frame_rate) / 2
    kept = known.clone()
    for row in range(len(known)):
        differs = (values[row, 1:] != values[row, :-1]).any(-1) & known[row, 1:] & known[row, :-1]
        edges = torch.nonzero(differs).flatten().double() + 1.0
        if not len(edges):
            continue
        after = torch.searchsorted(edges, centres).clamp(max=len(edges) - 1)
        nearest = torch.minimum((edges[after] - centres).abs(), (edges[(after - 1).clamp(min=0)] - centres).abs())
        kept[row] &= ~(nearest < half)
    return replace(track, known=kept.reshape(track.known.shape))
