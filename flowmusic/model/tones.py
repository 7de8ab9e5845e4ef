"""Filters for tones: what lasts longer than a frame and turns from one to the next, taken out, weighed and put back.

Where a codec's frames are short and its channels few for the bass, which note is played is told less by which channel is
loud than by how fast its value turns from frame to frame.  A transformer whose layers add up what other frames say, each
as it is, cannot turn it.  So a field may have filters that run over several frames, two for each tone (a cosine and a
sine, that is one complex number), and decides frame by frame by which complex number each tone is multiplied before it
is put back: a mask in a bank of filters (Conv-TasNet, Luo & Mesgarani 2019, arXiv 1809.07454), and in a Gaussian world,
with a gain for each tone, the Wiener filter, which no other guess of the clean signal beats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from flowmusic.audio import Audio
from flowmusic.types import Codec

LOWEST, HIGHEST = 24, 83
"""MIDI numbers of the tones: 33 to 988 Hz."""
FRAMES, WINDOWS = 15, (15, 7)
"""Of a filter, and of the windows with which each tone is heard: the long one tells neighbours apart, the short one
follows notes."""
TONES = len(WINDOWS) * (HIGHEST - LOWEST + 1)
AMPLITUDE = 0.1
"""Of the tones that filters are drawn from, as loud as a part in a piece."""


class ToneFilters(nn.Module):
    """What tones add to the velocity, and what their loudness adds to what the layers read.

    It begins as nothing: both weights that lead out of it are zero.  The filters are no weights that are learned but what
    :meth:`draw` finds; until then they are silent.

    Args:
        channels: of the latents, the first so many, that tones are looked for in.
        width: of the field.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.channels = channels
        self.filters: Tensor
        self.register_buffer("filters", torch.zeros(2 * TONES, channels, FRAMES))
        self.loudness = nn.Linear(TONES, width, bias=False)
        self.gains = nn.Linear(width, 2 * TONES)
        for weight in (self.loudness.weight, self.gains.weight, self.gains.bias):
            nn.init.zeros_(weight)
        self.share: Tensor
        # What overlapping windows put back of a tone is the square of their sum over the sum of their squares.
        shares = [float(_window(size).square().sum() / _window(size).sum() ** 2) for size in WINDOWS]
        self.register_buffer("share", torch.tensor(shares).repeat_interleave(TONES // len(WINDOWS)), persistent=False)

    @property
    def drawn(self) -> bool:
        """Whether there are filters."""
        return bool(self.filters.any())

    def heard(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The tones, and what their loudness adds.  Shape: ``[B, T, D] -> [B, T, 2, tones], [B, T, E]``."""
        low = z[..., : self.channels].transpose(1, 2)
        found = nn.functional.conv1d(low, self.filters.to(low), padding=FRAMES // 2)
        tones = found.transpose(1, 2).unflatten(-1, (2, TONES))
        # A small number under the root, or its slope at silence has no end.
        return tones, self.loudness((tones.square().sum(-2) + 1e-4).sqrt())

    def forward(self, tones: Tensor, hidden: Tensor) -> Tensor:
        """What the weighed tones add to the velocity.  Shape: ``[B, T, 2, tones], [B, T, E] -> [B, T, channels]``."""
        real, imaginary = (tones * self.share).unbind(-2)
        gain, turn = self.gains(hidden).unflatten(-1, (2, TONES)).unbind(-2)
        weighed = torch.cat([gain * real - turn * imaginary, turn * real + gain * imaginary], dim=-1)
        filters = self.filters.to(weighed)
        return nn.functional.conv_transpose1d(weighed.transpose(1, 2), filters, padding=FRAMES // 2).transpose(1, 2)

    @torch.no_grad()
    def draw(self, codec: Codec) -> None:
        """Take the filters from what a codec's encoder makes of pure tones.

        Each is the tone itself under a window, of unit norm, so that noise of unit variance is heard as such.

        Raises: ValueError for a codec of fewer channels.
        """
        if codec.dim < self.channels:
            raise ValueError(f"tones cannot be looked for in {self.channels} channels of a codec that has {codec.dim}")
        found = [
            _orthonormal(response * _window(size)[:, None, None])
            for size in WINDOWS
            for response in responses(codec, self.channels)
        ]
        self.filters.copy_(torch.stack(found).permute(3, 0, 2, 1).flatten(0, 1))


def _window(size: int) -> Tensor:
    """A Hann window of so many frames in the middle of a filter.  Shape: ``[FRAMES]``."""
    aside = (FRAMES - size) // 2
    return nn.functional.pad(torch.hann_window(size + 2, periodic=False)[1:-1], (aside, aside))


def responses(codec: Codec, channels: int) -> list[Tensor]:
    """What the encoder makes of a cosine and a sine, for each tone.  Shape: each ``[FRAMES, channels, 2]``.

    The middle of a longer tone, and half the difference to its negative: what is not linear in it falls out.
    """
    samples = (FRAMES + 16) * round(codec.rate / codec.frame_rate)
    time = torch.arange(samples) / codec.rate
    found = []
    for midi in range(LOWEST, HIGHEST + 1):
        phase = 2.0 * math.pi * 440.0 * 2.0 ** ((midi - 69) / 12.0) * time
        tones = AMPLITUDE * torch.stack([phase.cos(), phase.sin(), -phase.cos(), -phase.sin()])
        latents = codec.encode(Audio(tones[:, None], codec.rate))[..., :channels].float()
        middle = latents[:, 8 : 8 + FRAMES]
        found.append(((middle[:2] - middle[2:]) / 2.0).permute(1, 2, 0))
    return found


def _orthonormal(pair: Tensor) -> Tensor:
    """The nearest two directions of unit norm at right angles.  Shape: ``[FRAMES, channels, 2]``, kept."""
    flat = pair.flatten(0, 1)
    u, _, v = torch.linalg.svd(flat, full_matrices=False)
    return (u @ v).reshape(pair.shape)
