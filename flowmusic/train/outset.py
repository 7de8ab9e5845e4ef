"""What words, a style and facts say of a window is asked of the field where it is settled: at t = 0.

There the field sees noise alone, and what it takes the data to be is its guess from what it is told.  The mean of a
window over time is known from z long before t = 0.1, as noise averages out over the frames, so that few of the windows
that a flow trains on teach what the mean has to do with the words, and in a take the solver's first step decides it.  A
few frames of noise are enough to ask for it, and every window of a batch can be asked.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from flowmusic.types import Condition

FRAMES = 16
"""How many the field guesses on: the mean that is to be expected of a window is that of any part of it."""


def outset_loss(
    field: nn.Module, condition: Condition, latents: Tensor, generator: Generator, channels: Tensor | None = None
) -> Tensor:
    """Mean squared error of the guess at t = 0 of what channels are on average over a window.

    Least for the conditional mean of the windows' means, as the flow's own loss (:func:`flow_matching_loss`) is at
    t = 0 with all weight on the mean over time.

    Args:
        condition: what is told, on :data:`FRAMES` frames.
        latents: ``[B, T, D]``.
        channels: how much each channel counts, ``[D]``, of mean 1; None: all alike.

    Shape: scalar, fp32.
    """
    size, dim = latents.shape[0], latents.shape[2]
    noise = torch.randn(size, FRAMES, dim, generator=generator).to(latents.device)
    # The velocity is data less noise, so that noise and velocity together are the data.
    guess = noise + field(noise, noise.new_zeros(size), condition).float()
    error = (guess.mean(1) - latents.float().mean(1)).square()
    return (error if channels is None else error * channels.to(error)).mean()
