"""A tiny generator with every part real in kind: it attends to its controls and continues its context."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor, nn

from flowmusic.audio import Audio
from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.generator import Generator
from flowmusic.types import Condition, Controls, FrameGrid, Track

RATE, FRAME_RATE, DIM = 3200, Fraction(25), 4


class TinyField(nn.Module):
    """v = tanh(W [z, frames]) + mean of the tokens that count.  Remembers the batch sizes it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(DIM, DIM + 3, generator=generator) * 0.3)
        self.batches: list[int] = []

    def forward(self, z: Tensor, t: Tensor, condition: Condition) -> Tensor:
        self.batches.append(z.shape[0])
        mask = condition.tokens_mask[..., None]
        text = (condition.tokens * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
        assert condition.frames is not None
        return torch.tanh(torch.cat([z, condition.frames], -1) @ self.weight.T) + text


class TinyEncoder(nn.Module):
    """Two tracks and a context flag as frames; a token for nothing, and one per letter of the text.

    As nano it reads who plays besides what can be heard in a recording.
    """

    names = ("chords", "melody", "drums", "beats", "instruments")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[frozenset[str], bool]] = []

    def forward(self, controls: Controls, grid: FrameGrid, context: tuple[Tensor, Tensor] | None = None) -> Condition:
        self.seen.append((controls.names(), context is not None))
        frames = torch.zeros(controls.batch, grid.length, 3)
        for column, name in enumerate(("chords", "drums")):
            if name in controls.tracks:
                track = controls.tracks[name]
                values = track.values.float() if track.values.ndim == 2 else track.values.mean(-1)
                frames[..., column] = torch.where(track.known, values, 0.0)
        if context is not None:
            frames[..., 2] = context[1].float() * context[0].mean(-1)
        longest = 1 + max(len(text or "") for text in controls.text)
        tokens = torch.zeros(controls.batch, longest, DIM)
        mask = torch.zeros(controls.batch, longest, dtype=torch.bool)
        mask[:, 0] = True
        for row, text in enumerate(controls.text):
            for place, letter in enumerate(text or "", start=1):
                tokens[row, place] = ord(letter) % 7 / 7
                mask[row, place] = True
        return Condition(frames, tokens, mask)


class TinyCodec:
    """Each frame is its mean, held, on top of a quiet tone."""

    rate, channels, frame_rate, dim = RATE, 1, FRAME_RATE, DIM

    def encode(self, audio: Audio) -> Tensor:
        hop = int(RATE / FRAME_RATE)
        whole = torch.nn.functional.pad(audio.samples[:, 0], (0, -audio.samples.shape[-1] % hop))
        return whole.unflatten(-1, (-1, hop)).mean(-1, keepdim=True).expand(-1, -1, DIM)

    def decode(self, latents: Tensor) -> Audio:
        held = 0.1 * torch.tanh(latents.mean(-1)).repeat_interleave(int(RATE / FRAME_RATE), dim=-1)
        tone = 0.1 * torch.sin(2 * torch.pi * 220 / RATE * torch.arange(held.shape[-1]))
        return Audio((held + tone)[:, None], RATE)


def tiny_generator(seconds: float = 2.0, **defaults: object) -> Generator:
    return Generator(
        TinyField(),
        TinyEncoder(),
        TinyCodec(),
        name="tiny",
        seconds=seconds,
        defaults=GenerationDefaults(**{"guidance": {"all": 2.0}, "steps": 4, **defaults}),  # type: ignore[arg-type]
    )


def chords(grid: FrameGrid, ids: list[int] | None = None, batch: int = 1) -> Track:
    values = torch.tensor(ids or [1] * grid.length)[: grid.length].expand(batch, grid.length)
    return Track(values, torch.ones_like(values, dtype=torch.bool), grid)
