"""Filters for tones: what lasts longer than a frame and turns from one to the next, taken out, weighed and put back.

A frame of 40 ms tells notes apart that are 25 Hz apart, in the bass half an octave.  Which note is played is told there
by how fast a few channels turn from frame to frame.  Attention adds up what other frames say, each as it is, and cannot
turn it.  So a field may have filters that run over several frames, two for each tone (cosine and sine: one complex
number), and decides frame by frame by which complex number a tone is multiplied before it is put back.  That is a mask
in a bank of filters (Conv-TasNet, Luo & Mesgarani 2019, arXiv 1809.07454), and with a gain for each tone the Wiener
filter, the best guess of tones in noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from flowmusic.audio import Audio
from flowmusic.types import Codec
from flowmusic.units import midi_to_hz

LOWEST, HIGHEST = 24, 83
"""MIDI numbers of the tones: 33 to 988 Hz."""
FRAMES, WINDOWS = 15, (15, 7)
"""Of a filter, and of the windows with which each tone is heard: the long one tells neighbours apart, the short one
follows notes."""
TONES = len(WINDOWS) * (HIGHEST - LOWEST + 1)
AMPLITUDE = 0.1
"""Of the tones that filters are drawn from, as loud as a part in a piece."""
AROUND = 8
"""Frames of a tone on either side of what a filter is drawn from, so that its beginning and end are not heard."""


class ToneFilters(nn.Module):
    """What tones add to the velocity, and what their loudness adds to what the layers read.

    It begins as nothing: both weights that lead out of it are zero.  The filters are not learned, :meth:`draw` finds
    them; until then they are silent.

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
        shares = tones.new_tensor([put_back(size) for size in WINDOWS]).repeat_interleave(HIGHEST - LOWEST + 1)
        real, imaginary = (tones * shares).unbind(-2)
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


def put_back(size: int) -> float:
    """By what tones are multiplied so that a gain of 1 puts one back as loud as it was, for a window of so many frames.

    Windows that overlap in every frame put back the square of their sum over the sum of their squares, which is
    ((size + 1) / 2) ** 2 over 3 (size + 1) / 8 for a Hann window.

    >>> put_back(15)
    0.09375
    """
    return 1.5 / (size + 1)


def _window(size: int) -> Tensor:
    """A Hann window of so many frames in the middle of a filter.  Shape: ``[FRAMES]``."""
    aside = (FRAMES - size) // 2
    return nn.functional.pad(torch.hann_window(size + 2, periodic=False)[1:-1], (aside, aside))


def responses(codec: Codec, channels: int) -> list[Tensor]:
    """What the encoder makes of a cosine and a sine, for each tone.  Shape: each ``[FRAMES, channels, 2]``.

    The middle of a longer tone, and half the difference to its negative: what is not linear in it falls out.
    """
    samples = (FRAMES + 2 * AROUND) * round(codec.rate / codec.frame_rate)
    time = torch.arange(samples) / codec.rate
    found = []
    for midi in range(LOWEST, HIGHEST + 1):
        phase = 2.0 * math.pi * midi_to_hz(midi) * time
        tones = AMPLITUDE * torch.stack([phase.cos(), phase.sin(), -phase.cos(), -phase.sin()])
        latents = codec.encode(Audio(tones[:, None], codec.rate))[..., :channels].float()
        middle = latents[:, AROUND : AROUND + FRAMES]
        found.append(((middle[:2] - middle[2:]) / 2.0).permute(1, 2, 0))
    return found


def _orthonormal(pair: Tensor) -> Tensor:
    """The nearest two directions of unit norm at right angles.  Shape: ``[FRAMES, channels, 2]``, kept."""
    flat = pair.flatten(0, 1)
    u, _, v = torch.linalg.svd(flat, full_matrices=False)
    return (u @ v).reshape(pair.shape)
