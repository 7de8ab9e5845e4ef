"""A tiny generator whose codec hears and sounds locally, as ours do: each frame reaches two frames to either side."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.generator import Generator
from tests.generate.tiny import DIM, TinyEncoder, TinyField

RATE, HOP = 3200, 128


class LocalCodec:
    """Each frame's mean, smoothed over four frames: what is decoded depends on no frame further away than two."""

    rate, channels, frame_rate, dim, hop = RATE, 1, Fraction(25), DIM, HOP
    context_frames = 3

    def encode(self, audio: Audio) -> Tensor:
        samples = audio.samples[:, 0]
        samples = torch.nn.functional.pad(samples, (0, -samples.shape[-1] % HOP))
        return 4.0 * samples.unflatten(-1, (-1, HOP)).mean(-1, keepdim=True).expand(-1, -1, DIM)

    def decode(self, latents: Tensor) -> Audio:
        held = 0.25 * latents.mean(-1).repeat_interleave(HOP, dim=-1)
        kernel = torch.hann_window(4 * HOP + 1, periodic=False)[None, None]
        return Audio(torch.nn.functional.conv1d(held[:, None], kernel / kernel.sum(), padding=2 * HOP), RATE)


def local_generator(seconds: float = 4.0) -> Generator:
    """Windows of four seconds, and no shorter ones."""
    return Generator(
        TinyField(),
        TinyEncoder(),
        LocalCodec(),
        name="local",
        seconds=seconds,
        defaults=GenerationDefaults(guidance={"all": 2.0}, steps=2),
    )
