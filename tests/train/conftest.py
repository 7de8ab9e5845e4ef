"""A store of latents and a corpus folder made here in a second, so that training runs for real."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from flowmusic.data.shards import ClipSample, ShardIndex, write_shard
from flowmusic.interop import model_files
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.field import VectorField

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


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle in nano's architecture with random weights, for latents of 8 channels."""
    torch.manual_seed(0)
    tracks = {"chords": {"features": 37, "ids": 194, "dim": 6}, "drums": {"features": 12, "dim": 4, "bands": 3}}
    encoder = {"dim": 8, "width": 32, "tracks": tracks, "pooled": True}
    field = {"dim": 8, "frames_dim": 19, "width": 32, "layers": 2, "heads": 2, "pooled": True}
    parts = nn.ModuleDict({"encoder": ConditionEncoder(**encoder), "field": VectorField(**field)})
    with torch.no_grad():
        parts["field"].output.weight.normal_(0.0, 0.1)
    generation = {"guidance": {"all": 2.0}, "solver": "midpoint", "steps": 2, "time_grid": "uniform"}
    settings = {"encoder": encoder, "field": field, "codec": "nano2_codec", "seconds": 1.6, "generation": generation}
    folder = tmp_path_factory.mktemp("models") / "small"
    return model_files.write(folder, {"kind": "flow", "settings": settings}, parts.state_dict(), "tiny")
