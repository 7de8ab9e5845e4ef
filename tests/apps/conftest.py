"""A tiny model behind `--model nano`, recognisers made of nothing, and small recordings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.audio import Audio
from flowmusic.generate.generator import Generator
from flowmusic.interop import model_files
from flowmusic.metrics.adherence import Detectors
from flowmusic.metrics.melody import Pitches
from flowmusic.model.style import StyleConditioner
from tests.generate.tiny import tiny_generator

RATE = 16_000


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Generator:
    """What every model name loads."""
    from flowmusic.interop import bundle, fitting

    generator = tiny_generator(seconds=2.0)

    def find(name: str) -> Path:
        if name != "nano":
            raise fitting.ModelError(f"unknown model {name!r}: shipped models are nano")
        return Path("nano")

    monkeypatch.setattr(model_files, "find", find)
    monkeypatch.setattr(bundle, "load", lambda name, device="cpu", precision="fp32": generator)
    return generator


def tiny_style() -> StyleConditioner:
    """A style conditioner of six levels on the tiny codec's latents."""
    return StyleConditioner(4, dim=8, layers=1, heads=2, levels=6, bins=4, out=8).eval()


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Detectors:
    """Recognisers that hear C, a hit and a beat at 0 s, and the note C4, in anything."""
    from flowmusic.evaluate import adherence

    heard = Detectors(
        chords=lambda audio: [(0.0, audio.seconds, "C")],
        onsets=lambda audio: [0.0],
        melody=lambda audio: Pitches(np.linspace(0.0, audio.seconds, 50), np.full(50, 60.0)),
        beats=lambda audio: [0.0],
    )
    monkeypatch.setattr(adherence, "listeners", lambda chords=None: heard)
    return heard


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tone(hz: float, seconds: float) -> torch.Tensor:
    return 0.5 * torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * RATE)) / RATE)


def clicks(times: list[float], seconds: float) -> torch.Tensor:
    """Short decaying noise at each time."""
    out = torch.zeros(round(seconds * RATE))
    length = round(0.03 * RATE)
    burst = torch.randn(length, generator=torch.Generator().manual_seed(0)) * torch.exp(-torch.arange(length) / 60.0)
    for time in times:
        start = round(time * RATE)
        out[start : start + length] += 0.4 * burst[: len(out) - start]
    return out.clamp(-1, 1)


@pytest.fixture
def wav(here: Path) -> Callable[[str, torch.Tensor], Path]:
    """Write mono samples at 16 kHz into the current folder."""
    return lambda name, samples: Audio(samples[None], RATE).write(here / name)


def pitched(folder: Path, pitches: Sequence[float]) -> Path:
    """A corpus of clips of 12 s, "clip 0" and so on, a tone each."""
    (folder / "test").mkdir(parents=True)
    lines = []
    for number, hz in enumerate(pitches):
        base = folder / "test" / f"{number:06d}"
        soundfile.write(f"{base}.flac", tone(hz, 12.0).numpy(), RATE)
        Path(f"{base}.json").write_text(json.dumps({"captions": [f"clip {number}"]}))
        lines.append(json.dumps({"path": f"test/{number:06d}.flac", "seconds": 12.0, "split": "test"}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


LABELS: list[dict[str, Any]] = [
    {"chords": [[0, 3, "C"]], "melody": [[0, 1, 60]], "onsets": [0.0, 1.0]},
    {"chords": [[0, 1, "F"], [1, 3, "C"]], "melody": [], "onsets": [0.5]},
    {"chords": [[0, 3, "Gm"]], "melody": [[0, 3, 62]], "onsets": []},
]


@pytest.fixture
def corpus(here: Path) -> Path:
    """Three clips of 3 s with labels and drum stems."""
    folder = here / "corpus"
    (folder / "test").mkdir(parents=True)
    lines = []
    for number, labels in enumerate(LABELS):
        base = folder / "test" / f"{number:06d}"
        drums = clicks(labels["onsets"], 3.0)
        soundfile.write(f"{base}.flac", (0.3 * tone(220.0 + 50 * number, 3.0) + 0.5 * drums).numpy(), RATE)
        soundfile.write(f"{base}.drums.flac", drums.numpy(), RATE)
        record = {
            "seconds": 3.0,
            "beats": [0.5 * n for n in range(6)],
            "downbeats": [0.0, 2.0],
            "chords": labels["chords"],
            "melody": labels["melody"],
            "drums": {"onsets": labels["onsets"]},
            "captions": [f"clip {number}"],
        }
        Path(f"{base}.json").write_text(json.dumps(record))
        lines.append(json.dumps({"path": f"test/{number:06d}.flac", "seconds": 3.0, "split": "test"}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder
