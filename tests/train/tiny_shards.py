"""Folders of shards made in a moment, with every control that nano reads."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import torch

from flowmusic.data.shards import CONFIDENCE, ClipSample, ShardIndex, write_shard

DIM = 8
CONTROLS = ("chords", "melody", "drums", "beats")


def clip(split: str, number: int, frames: int) -> ClipSample:
    """Latents that follow their chords; every fifth clip has no caption; melody is sure by halves."""
    generator = torch.Generator().manual_seed(number + (10_000 if split == "train" else 20_000))
    chords = torch.randint(0, 4, (-(-frames // 15),), generator=generator).repeat_interleave(15)[:frames]
    colours = torch.randn(4, DIM, generator=torch.Generator().manual_seed(7))
    melody = torch.zeros(frames, 53)
    melody[torch.arange(frames), torch.randint(0, 53, (frames,), generator=generator)] = 1.0
    tensors = {
        "latents": (colours[chords] + 0.1 * torch.randn(frames, DIM, generator=generator)).half(),
        "chords": chords.to(torch.int16),
        "melody": melody.half(),
        "drums": torch.rand(frames, 12, generator=generator).half(),
        "beats": torch.rand(frames, 4, generator=generator).half(),
        "melody" + CONFIDENCE: (torch.arange(frames) % 2 * 0.5 + 0.25).half(),
    }
    for name in CONTROLS:
        tensors[f"{name}.known"] = torch.ones(frames, dtype=torch.bool)
    captions = [] if number % 5 == 4 else [f"piece {number}", "slow jazz"]
    return ClipSample(f"{split}-{number:05d}", tensors, {"captions": captions, "seconds": frames / 25})


def write(
    folder: Path, shards: int = 6, clips: int = 5, frames: Callable[[int], int] = lambda number: 60 + number % 7
) -> Path:
    """A finished folder with a train split of so many shards, and one validation shard."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("validation", 1), ("train", shards)):
        infos = []
        for shard in range(count):
            numbers = range(shard * clips, (shard + 1) * clips)
            made = (clip(split, number, frames(number)) for number in numbers)
            infos.append(write_shard(folder / f"{split}-{shard:06d}.tar", made))
        ShardIndex(split, Fraction(25), tuple(infos), {"codec": "random"}).write(folder)
    return folder
