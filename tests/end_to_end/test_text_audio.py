"""The shipped text-audio model: small, and right where anyone would be."""

from __future__ import annotations

import pytest
import torch

from flowmusic.audio import Audio
from flowmusic.interop import bundle, fitting, model_files
from flowmusic.metrics.text_audio import TextAudio

RATE = 32_000


@pytest.fixture(scope="module")
def judge() -> TextAudio:
    return TextAudio.load()


def beat(seconds: float = 8.0, bpm: float = 120.0) -> torch.Tensor:
    """Noise bursts on every eighth, a low thump on every beat."""
    time = torch.arange(round(seconds * RATE)) / RATE
    eighth, quarter = time % (30.0 / bpm), time % (60.0 / bpm)
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(0))
    return 0.2 * noise * torch.exp(-eighth * 40) + 0.5 * torch.sin(2 * torch.pi * 60 * quarter) * torch.exp(
        -quarter * 15
    )


def pad(seconds: float = 8.0) -> torch.Tensor:
    """A chord of soft tones that never moves."""
    time = torch.arange(round(seconds * RATE)) / RATE
    tones = [torch.sin(2 * torch.pi * hz * n * time) / n**2 for hz in (220.0, 277.2, 329.6) for n in range(1, 6)]
    return 0.1 * torch.stack(tones).sum(0)


def test_it_fits_its_budget() -> None:
    assert sum(path.stat().st_size for path in model_files.available()["nano_text_audio"].iterdir()) < 2**20


def test_drums_and_none_are_told_apart(judge: TextAudio) -> None:
    takes = [Audio(sound[None], RATE) for sound in (beat() + pad(), pad())]
    assert [row["drums"] for row in judge.recognise(takes)] == ["drums", "no drums"]
    assert judge.rank(takes, "soft synth pad without drums")[0][0] == 1
    assert judge.rank(takes, "energetic house with electronic drums")[0][0] == 0


def test_it_does_not_generate() -> None:
    with pytest.raises(fitting.ModelError, match="not one that generates"):
        bundle.load("nano_text_audio")
