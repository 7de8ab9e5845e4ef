from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extractors import Onsets, drum_net, train_drum_net
from flowmusic.types import Audio
from tests.feature_extractors.corpus import write_corpus
from tests.feature_extractors.sounds import BEATS, RATE, band, clicks, tone, triad


def test_clicks_are_drums_and_notes_are_not() -> None:
    mix = clicks(BEATS, 2.5) + torch.cat([triad(60, False, 1.25), triad(65, False, 1.25)])
    times = Onsets("drums").analyse(Audio(mix[None], RATE)).times
    # What lies at the very start has no silence before it to stand out from.
    assert all(min(abs(beat - time) for time in times) < 0.03 for beat in BEATS[1:])
    # The chord changes at 1.25 s with an attack of its own.
    assert not any(abs(time - 1.25) < 0.05 for time in times)
    assert Onsets("drums").analyse(Audio(tone(64, 2.0)[None], RATE)).times == ()


def test_level_does_not_matter() -> None:
    samples = band().samples[0].numpy()
    assert drum_net.probability(0.1 * samples) == pytest.approx(drum_net.probability(samples), abs=1e-3)


def test_frames_cover_the_samples_and_windows_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.concatenate([band().samples[0].numpy()] * 2)[:-123]
    whole = drum_net.probability(samples)
    assert len(whole) == -(-len(samples) // 320)
    monkeypatch.setattr(drum_net, "_WINDOW_FRAMES", 60)
    assert drum_net.probability(samples) == pytest.approx(whole, abs=1e-4)


def test_weights_are_small_and_complete() -> None:
    assert drum_net.WEIGHTS.stat().st_size < 200_000
    assert all(bool(p.isfinite().all()) for p in drum_net.load().parameters())


def test_targets_mark_the_attack() -> None:
    assert train_drum_net.target([0.02, 0.03], 6).tolist() == [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    assert train_drum_net.target([0.0, 9.0], 3).tolist() == [1.0, 0.5, 0.0]


def test_peaks_keep_their_distance() -> None:
    probability = np.zeros(50, np.float32)
    probability[[10, 12, 30, 40]] = [0.9, 0.9, 0.7, 0.3]
    times, heights = drum_net.peaks(probability, 0.5, 0.03)
    assert times == pytest.approx([0.1, 0.3])
    assert heights == pytest.approx([0.9, 0.7])
    assert drum_net.peaks(np.zeros(0, np.float32), 0.5, 0.03)[0].tolist() == []


def test_training_learns_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_drum_net, "BATCH", 4)
    monkeypatch.setattr(train_drum_net, "CROP", 120)
    corpus = write_corpus(tmp_path)
    found = train_drum_net.examples(corpus, "test", 2)
    assert len(found) == 3  # two mixes, and the drums of the first alone
    first, second = (train_drum_net.train(found, 80, seed=5, log_every=100) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))
    log_mel, wanted = train_drum_net.crops(found, torch.Generator().manual_seed(0))
    assert log_mel.shape == (train_drum_net.BATCH, train_drum_net.CROP, drum_net.BANDS)
    with torch.no_grad():
        logits = first(log_mel)
    assert logits.shape == wanted.shape
    assert float(logits[wanted == 1].mean()) > float(logits[wanted == 0].mean())
    train_drum_net.save(first, tmp_path / "net.safetensors")
    assert isinstance(drum_net.load(tmp_path / "net.safetensors"), drum_net.DrumOnsetNet)


def test_an_empty_corpus_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_drum_net.main([str(tmp_path)]) == 2
    assert "no clips" in capsys.readouterr().err
