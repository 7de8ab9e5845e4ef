"""The codec gate as a command."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flowmusic.audio import Audio
from flowmusic.evaluate import codec_gate
from flowmusic.interop import bundle
from flowmusic.metrics.melody import Pitches, pitches_at
from tests.apps.conftest import LABELS, RATE


class Faithful:
    """A codec that changes nothing."""

    rate, channels, frame_rate, dim = RATE, 1, 25, RATE // 25

    def encode(self, audio: Audio) -> torch.Tensor:
        samples = audio.samples[:, 0]
        return torch.nn.functional.pad(samples, (0, -samples.shape[-1] % self.dim)).unflatten(-1, (-1, self.dim))

    def decode(self, latents: torch.Tensor) -> Audio:
        return Audio(latents.flatten(1)[:, None], self.rate)


class Deaf(Faithful):
    """A codec that keeps nothing."""

    def decode(self, latents: torch.Tensor) -> Audio:
        return Audio(torch.zeros_like(super().decode(latents).samples), self.rate)


@pytest.fixture
def listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recognisers that know the clips by the pitch of their tone, and hear nothing in silence."""
    import flowmusic.evaluate.detectors as ears

    def labels_of(audio: Audio) -> dict[str, Any]:
        if float(audio.samples.abs().max()) < 0.01:
            return {"chords": [], "melody": [], "onsets": []}
        spectrum = torch.fft.rfft(audio.samples[0]).abs()
        hz = float(torch.fft.rfftfreq(audio.samples.shape[-1], 1 / audio.rate)[spectrum.argmax()])
        return LABELS[round((hz - 220.0) / 50.0)]

    def melody(audio: Audio) -> Pitches:
        times = np.linspace(0.0, 2.9, 50)
        return Pitches(times, pitches_at(labels_of(audio)["melody"], times).astype(float))

    found = {
        "chords": lambda audio: labels_of(audio)["chords"],
        "onsets": lambda audio: labels_of(audio)["onsets"],
        "melody": melody,
        "beats": None,
    }
    monkeypatch.setattr(ears, "default_listeners", lambda chords: found)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")  # silence leaves some scores undefined
def test_a_faithful_codec_passes_and_a_deaf_one_does_not(
    corpus: Path, here: Path, listeners: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--corpus", str(corpus), "--clips", "3", "--seconds", "2", "--out", "gate"]
    monkeypatch.setattr(bundle, "load_codec", lambda name: Faithful())
    assert codec_gate.main(arguments) == 0
    out = capsys.readouterr().out
    assert "gate passed: kept chord_acc 1.00, onset_f1 1.00, melody_pc 1.00" in out and "sound passed" in out
    report = json.loads((here / "gate" / "codec_gate.json").read_text())
    assert report["passed"] is True and report["sound_missed"] == []
    heard = report["sound"]
    assert heard["codec"]["lsd"]["mean"] == heard["codec"]["fad_band_texture"]["mean"] == 0.0
    assert heard["codec"]["rise_ms"] == heard["truth"]["rise_ms"]
    assert "| lsd_high | 0.00 [0.00, 0.00] | – |" in (here / "gate" / "codec_gate.md").read_text()
    monkeypatch.setattr(bundle, "load_codec", lambda name: Deaf())
    assert codec_gate.main(arguments) == 1
    out = capsys.readouterr().out
    assert "gate FAILED" in out and "sound FAILED: si_sdr -inf (at least 12), lsd " in out


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_sound_is_a_part_of_the_gate_where_it_is_asked_for(
    corpus: Path, here: Path, listeners: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Muffled(Faithful):
        """Every recogniser hears all of it, at half the level."""

        def decode(self, latents: torch.Tensor) -> Audio:
            return Audio(0.5 * super().decode(latents).samples, self.rate)

    monkeypatch.setattr(bundle, "load_codec", lambda name: Muffled())
    arguments = ["--corpus", str(corpus), "--clips", "3", "--seconds", "2"]
    assert codec_gate.main(arguments) == 0
    assert codec_gate.main([*arguments, "--sound"]) == 1
    assert "band_250-500 -6.02 (-1.5 to 1.5)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--clips", "1"], "between 2 and"),
        (["--clips", "99"], "99 are asked for"),
        (["--codec", "mega"], "unknown model 'mega'"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(
    extra: list[str], words: str, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--corpus", str(corpus), "--out", "out", *extra]
    assert codec_gate.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and re.search(words, err), err
