"""Latents of a few recordings, parted by time into what is learned from and what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.types import Codec

MIN_SECONDS = 3.0
CHUNK_SECONDS = 60.0
"""Longer recordings are encoded in pieces of this length, so that their length does not matter to memory."""


@dataclass(frozen=True)
class Excerpts:
    """Shape: every span ``[T, D]`` with T at least the window W; held_out ``[H, W, D]``."""

    spans: tuple[Tensor, ...]
    held_out: Tensor

    @property
    def window(self) -> int:
        """W, in frames."""
        return int(self.held_out.shape[1])

    def crops(self, batch: int, generator: Generator) -> Tensor:
        """Windows of the spans, every start as likely as any other.  Shape: ``[batch, W, D]``."""
        starts = torch.tensor([len(span) - self.window + 1 for span in self.spans])
        ends = starts.cumsum(0)
        drawn = torch.randint(int(ends[-1]), (batch,), generator=generator)
        which = torch.searchsorted(ends, drawn, right=True)
        rows = []
        for place, number in zip(drawn.tolist(), which.tolist(), strict=True):
            start = place - int(ends[number] - starts[number])
            rows.append(self.spans[number][start : start + self.window])
        return torch.stack(rows)


@torch.no_grad()
def encode(codec: Codec, clips: Sequence[Audio]) -> list[Tensor]:
    """Latents of each clip.  Shape: clips ``[C, N]`` at any rate -> ``[T, D]`` on the CPU.

    Raises: ValueError if there is no clip, or one is shorter than 3 s.
    """
    if not clips:
        raise ValueError(f"no clips to learn from; give at least one recording of {MIN_SECONDS:g} s")
    for number, clip in enumerate(clips, start=1):
        if clip.seconds < MIN_SECONDS:
            raise ValueError(
                f"clip {number} lasts {clip.seconds:.2f} s; at least {MIN_SECONDS:g} s are needed to learn from a part "
                "of it and judge on another"
            )
    chunk = int(round(CHUNK_SECONDS * codec.frame_rate) / codec.frame_rate * codec.rate)  # a whole number of frames
    found = []
    for clip in clips:
        sound = audio_tools.mono(audio_tools.resample(clip, codec.rate)).samples
        parts = [codec.encode(Audio(part[None], codec.rate))[0] for part in sound.split(chunk, dim=-1)]
        # clone: codecs work in inference mode, whose tensors cannot serve in a backward pass
        found.append(torch.cat([part.cpu().float().clone() for part in parts]))
    return found


def part(latents: Sequence[Tensor], window: int) -> Excerpts:
    """Hold out about a fifth of the time, in windows that touch nothing that is learned from.

    The window is shortened to half the longest clip and to the whole of the shortest, so that every clip serves.
    A clip of at least two windows holds some out: one in the middle of each stretch of five windows, or at its end
    where the stretch is too short for that.  Other clips are learned from as a whole.

    Shape: latents ``[T, D]`` each, T at least 2.
    """
    lengths = [len(clip) for clip in latents]
    window = max(1, min(window, max(lengths) // 2, min(lengths)))
    spans: list[Tensor] = []
    held: list[Tensor] = []
    for clip in latents:
        if len(clip) < 2 * window:
            spans.append(clip)
            continue
        for stretch in clip.tensor_split(max(1, len(clip) // (5 * window))):
            room = len(stretch) - window
            start = room // 2 if room >= 2 * window else room
            held.append(stretch[start : start + window])
            spans += [side for side in (stretch[:start], stretch[start + window :]) if len(side) >= window]
    return Excerpts(tuple(spans), torch.stack(held))
