"""A store of latents and a corpus folder made here in a second, so that training runs for real."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.data.shards import ClipSample, ShardIndex, write_shard

CLIPS, FRAMES, DIM = 6, 60, 8


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Latents that follow their chords, so that a field has something to learn."""
    folder = tmp_path_factory.mktemp("latents")
    generator = torch.Generator().manual_seed(0)
    for split in ("train", "validation"):
        total = CLIPS * FRAMES
        chords = torch.randint(0, 4, (total // 15,), generator=generator).repeat_interleave(15)
        colours = torch.randn(4, DIM, generator=torch.Generator().manual_seed(7))
        melody = torch.zeros(total, 53)
        melody[torch.arange(total), torch.randint(0, 53, (total,), generator=generator)] = 1.0
        tensors = {
            "latents": (colours[chords] + 0.1 * torch.randn(total, DIM, generator=generator)).half(),
            "chords": chords.to(torch.int16),
            "melody": melody.half(),
            "drums": torch.rand(total, 12, generator=generator).half(),
            "beats": torch.rand(total, 4, generator=generator).half(),
        }
        for name in ("chords", "melody", "drums", "beats"):
            tensors[f"{name}.known"] = torch.ones(total, dtype=torch.bool)
        samples = []
        for i in range(CLIPS):
            part = {name: tensor[i * FRAMES : (i + 1) * FRAMES] for name, tensor in tensors.items()}
            samples.append(ClipSample(f"{split}{i}", part, {"captions": [f"piece {i}", "slow jazz"]}))
        ShardIndex(split, Fraction(25), (write_shard(folder / f"{split}-000000.tar", samples),)).write(folder)
    return folder


@pytest.fixture(scope="session")
def wave_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished corpus folder of short tones."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    lines = []
    for split in ("train", "validation"):
        (folder / split).mkdir()
        for index in range(2):
            time = np.arange(32_000) / 16_000
            wave = 0.3 * np.sin(2 * np.pi * rng.uniform(100, 900) * time)
            path = f"{split}/{split}{index}.flac"
            soundfile.write(folder / path, wave, 16_000)
            lines.append(json.dumps({"path": path, "split": split, "seconds": 2.0}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder
