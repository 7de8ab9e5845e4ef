"""Keep a piece where it began: the music that the next window is told of is moved to the mean of the opening.

A field that is led on by what it made itself goes on in the direction of its small errors.  Within a minute or two the
mean of the latents wanders, and the music gets louder by some dB (docs/long.md); its mean over a quarter of a minute is
nothing that the music says, and is set back.

>>> opening = Opening(frame_rate=1.0)
>>> for level in (0.0, 0.0, 3.0):
...     opening.add(torch.full((1, 8, 1), level))
>>> float(opening.shift())
-1.5
"""

from __future__ import annotations

import torch
from torch import Tensor

OPENING_SECONDS, RECENT_SECONDS = 8.0, 16.0
"""What the mean is taken from, and over how much of the present it is compared."""


class Opening:
    """The latents of the opening, and how far the mean of the last seconds is from theirs.

    Attributes:
        latents: of the opening, ``[B, n, D]``; None before it is over.
    """

    def __init__(self, frame_rate: float) -> None:
        self._opening_frames = round(OPENING_SECONDS * frame_rate)
        self._recent_frames = round(RECENT_SECONDS * frame_rate)
        self._recent: Tensor | None = None
        self.latents: Tensor | None = None

    def add(self, latents: Tensor) -> None:
        """What was made next.  Shape: ``[B, n, D]``."""
        recent = latents if self._recent is None else torch.cat([self._recent, latents], 1)
        if self.latents is None and recent.shape[1] >= self._opening_frames:
            self.latents = recent[:, : self._opening_frames]
        self._recent = recent[:, -self._recent_frames :]

    def shift(self) -> Tensor | float:
        """What to add to the latents that are told as the music before, ``[B, 1, D]``; 0 before the opening is over."""
        if self.latents is None or self._recent is None:
            return 0.0
        return self.latents.mean(1, keepdim=True) - self._recent.mean(1, keepdim=True)
