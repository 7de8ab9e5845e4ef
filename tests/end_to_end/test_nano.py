"""The shipped models, from request to sound: they load, repeat, obey and fit their budget."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import flowmusic as fm
from flowmusic.apps.cli import main
from flowmusic.controls import vocabulary
from flowmusic.facts import Facts
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle, model_files
from flowmusic.types import Controls


@pytest.fixture(scope="module")
def nano() -> Generator:
    return bundle.load("nano")


def chroma(samples: torch.Tensor, rate: int) -> torch.Tensor:
    """Energy per pitch class between 65 and 1000 Hz.  Shape: ``[N] -> [12]``."""
    size = 16384
    spectrum = torch.stft(samples, size, 4096, window=torch.hann_window(size), return_complex=True).abs().square()
    hz = torch.arange(size // 2 + 1) * rate / size
    inside = (hz > 65) & (hz < 1000)
    classes = (69 + 12 * torch.log2(hz[inside] / 440)).round().long() % 12
    return torch.zeros(12).index_add(0, classes, spectrum[inside].sum(1))


def test_shipped_models_are_complete_and_small() -> None:
    shipped = model_files.available()
    assert {"nano", "nano2_codec"} <= set(shipped)
    total = sum(p.stat().st_size for folder in shipped.values() for p in folder.iterdir())
    assert total < 20 * 2**20
    for folder in shipped.values():
        card = (folder / "card.md").read_text()
        assert "Apache-2.0" in card and "Seed" in card and "sha256" in card


def test_a_seed_repeats_a_take_and_another_does_not(nano: Generator) -> None:
    wanted = fm.request("solo piano", chords="C G", bpm=100, grid=nano.grid(2.0))
    one, two, other = (nano.generate(wanted, seed=s, steps=3) for s in (4, 4, 5))
    assert torch.equal(one.audio.samples, two.audio.samples)
    assert not torch.equal(one.audio.samples, other.audio.samples)


def test_the_nano_before_it_stays_usable() -> None:
    model = bundle.load(Path(__file__).resolve().parents[2] / "models" / "nano1")
    assert not model.has_facts and model.codec.frame_rate == 25 and "nano1" not in model_files.available()
    take = model.generate(fm.request("solo piano", chords="C G", bpm=100, grid=model.grid(2.0)), seed=4, steps=3)
    assert bool(torch.isfinite(take.latents).all()) and float(take.audio.samples.std()) > 0.01


def test_facts_are_heard(nano: Generator) -> None:
    assert nano.has_facts and "instruments" in nano.controls
    drums, none = (
        nano.generate(Controls(("slow jazz",), facts=(Facts(drums=said),)), grid=nano.grid(2.0), seed=0, steps=2)
        for said in (True, False)
    )
    assert bool(torch.isfinite(none.latents).all()) and not torch.allclose(drums.latents, none.latents, atol=0.1)


def test_takes_sound_like_the_chords_asked_for(nano: Generator) -> None:
    """The requested triad must hold more of the tonal energy than under another request, from the same noise."""
    shares: dict[str, dict[str, float]] = {}
    for asked in ("C", "F#"):
        wanted = fm.request("soft piano and bass", chords=asked, bpm=100, grid=nano.grid(10.0))
        take = nano.generate(wanted, seed=3)
        energy = chroma(take.audio.samples[0].mean(0), take.audio.rate)
        triads = {label: list(vocabulary.pitch_classes(label).notes) for label in ("C", "F#")}
        shares[asked] = {label: float(energy[notes].sum() / energy.sum()) for label, notes in triads.items()}
    assert shares["C"]["C"] > shares["F#"]["C"] + 0.2
    assert shares["F#"]["F#"] > shares["C"]["F#"] + 0.2


def test_text_chords_loop_and_melody_to_a_wav(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The main job on real input: a recorded loop at another rate in stereo, and a hummed tune."""
    rng = np.random.default_rng(0)
    rate = 44_100
    loop = np.zeros((2 * rate, 2))
    for beat in range(4):
        start = beat * rate // 2
        loop[start : start + 2000] += rng.standard_normal((2000, 2)) * np.exp(-np.arange(2000) / 300)[:, None] * 0.5
    soundfile.write(tmp_path / "loop.flac", loop.clip(-1, 1), rate)
    time = np.arange(3 * 22_050) / 22_050
    hum = 0.3 * np.sin(2 * np.pi * np.where(time < 1.5, 220.0, 246.94) * time)
    soundfile.write(tmp_path / "hum.wav", hum, 22_050)
    command = [
        "generate", "lo-fi beat", "--chords", "C Am", "--bpm", "120", "--drums", str(tmp_path / "loop.flac"),
        "--melody", str(tmp_path / "hum.wav"), "--seconds", "4", "--steps", "4", "--seed", "1",
        "--out", str(tmp_path / "take.wav"),
    ]  # fmt: skip
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert str(tmp_path / "take.wav") in printed
    samples, written_rate = soundfile.read(tmp_path / "take.wav")
    assert written_rate == 32_000 and len(samples) == 4 * 32_000 and np.abs(samples).max() > 0.02
    take = json.loads((tmp_path / "take.json").read_text())
    assert take["seed"] == 1 and take["model"] == "nano"
    assert {"chord_acc", "onset_f1", "melody_pc"} <= set(take["adherence"])


def test_longer_than_a_window(nano: Generator) -> None:
    wanted = fm.request("ambient pad", chords="Am F", bpm=80, grid=nano.grid(14.0))
    take = nano.generate(wanted, seed=2, steps=2)
    assert take.audio.samples.shape[-1] == 14 * 32_000
