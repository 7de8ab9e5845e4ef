"""What words, a style and facts say of a window is asked of the field where it is settled: at the start of a flow.

There the field sees next to nothing but noise, and what it takes the data to be is its guess from what it is told.  The
mean of a window over time is known from z long before t = 0.1, as noise averages out over the frames, so that few of
the windows that a flow trains on teach what the mean has to do with the words, and in a take the solver's first step
decides it.  A few frames are enough to ask for it, and every window of a batch can be asked.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator, Tensor, nn

from flowmusic.controls.tracks import crop
from flowmusic.flow.path import optimal_transport
from flowmusic.types import Condition, Controls

FRAMES = 16
"""How many the field guesses on: the mean that is to be expected of a window is that of any part of it."""
LATEST = 0.02
"""t is drawn from 0 to this: at one t alone a field learns an answer for that t, and another just behind it."""
TRACKLESS = 0.5
"""Share of the windows whose tracks are taken away: words count most where no track says the same."""


def outset(controls: Controls, latents: Tensor, generator: Generator) -> tuple[Controls, Tensor, Tensor]:
    """A piece of :data:`FRAMES` frames of each window, with its controls, and what the mean of its frames should be.

    Where no track is told, that is the mean of the window, which says more of how it sounds than that of a piece;
    tracks tell pieces apart, and so the mean there is the piece's own.

    Args:
        controls: with tracks as long as the windows.
        latents: ``[B, T, D]``.

    Shape: pieces ``[B, 16, D]`` and means ``[B, D]``; all windows are cut at one place.
    Raises: ValueError for windows that are shorter.
    """
    size, length = latents.shape[:2]
    if length < FRAMES:
        raise ValueError(
            f"model.outset asks on {FRAMES} frames and the windows have {length}; make data.seconds longer, or set "
            "model.outset=0"
        )
    start = int(torch.randint(length - FRAMES + 1, (), generator=generator))
    told = torch.rand(size, generator=generator) >= TRACKLESS
    tracks, tracked = {}, torch.zeros(size, dtype=torch.bool, device=latents.device)
    for name, track in controls.tracks.items():
        cut = crop(track, start, FRAMES)
        tracks[name] = replace(cut, known=cut.known & told.to(cut.known.device)[:, None])
        tracked |= tracks[name].known.any(1)
    piece = latents[:, start : start + FRAMES]
    mean = torch.where(tracked[:, None], piece.float().mean(1), latents.float().mean(1))
    return replace(controls, tracks=tracks), piece, mean


def outset_loss(
    field: nn.Module,
    condition: Condition,
    piece: Tensor,
    mean: Tensor,
    generator: Generator,
    channels: Tensor | None = None,
) -> Tensor:
    """Mean squared error of what the field takes the frames to be on average, at t from U(0, :data:`LATEST`).

    Least for the conditional mean, as the flow's own loss (:func:`flow_matching_loss`) is with all weight on the mean
    over time.

    Args:
        condition: what is told of the pieces.
        piece, mean: as :func:`outset` makes them.
        channels: how much each channel counts, ``[D]``, of mean 1; None: all alike.

    Shape: scalar, fp32.
    """
    noise = torch.randn(piece.shape, generator=generator).to(piece)
    t = (LATEST * torch.rand(len(piece), generator=generator)).to(piece.device)
    z = optimal_transport(noise, piece, t).z_t
    # z = (1 - t) noise + t data and v = data - noise, so that z + (1 - t) v are the data.
    guess = z + (1.0 - t)[:, None, None] * field(z, t, condition).float()
    error = (guess.mean(1) - mean).square()
    return (error if channels is None else error * channels.to(error)).mean()
