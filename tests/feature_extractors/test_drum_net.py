from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extractors import Onsets, drum_net, scoring, train_drum_net, training
from flowmusic.types import Audio
from tests.feature_extractors.conftest import Song
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
    whole = drum_net.probabilities(samples)
    assert whole.shape == (-(-len(samples) // 320), len(drum_net.OUTPUTS))
    any_drum = drum_net.probability(samples)
    assert any_drum.shape == whole[:, 0].shape
    monkeypatch.setattr(drum_net, "_WINDOW_FRAMES", 60)
    assert drum_net.probabilities(samples) == pytest.approx(whole, abs=1e-4)
    assert drum_net.probability(samples) == pytest.approx(any_drum, abs=1e-4)


def test_weights_are_small_and_complete() -> None:
    for path, outputs in ((drum_net.WEIGHTS, 1), (drum_net.CLASS_WEIGHTS, len(drum_net.OUTPUTS))):
        assert path.stat().st_size < 200_000
        net = drum_net.load(path)
        assert all(bool(p.isfinite().all()) for p in net.parameters())
        assert net(torch.zeros(1, 7, drum_net.BANDS)).shape == (1, 7, outputs)


def test_targets_mark_the_attack() -> None:
    assert train_drum_net.target([0.02, 0.03], 6).tolist() == [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    assert train_drum_net.target([0.0, 9.0], 3).tolist() == [1.0, 0.5, 0.0]


def test_targets_by_class() -> None:
    hits = train_drum_net.hits_of({"drums": {"onsets": [0.01, 0.05], "classes": {"hat": [0.05], "tom": [0.01]}}})
    example = train_drum_net.example(torch.zeros(2560), hits)
    assert example.target.shape == (8, len(drum_net.OUTPUTS))
    assert example.target.argmax(0).tolist() == [1, 0, 0, 5]
    assert example.target.amax(0).tolist() == [1.0, 0.0, 0.0, 1.0]
    assert not any(train_drum_net.hits_of({"drums": None}).values())


def test_hits_of_a_class_have_its_threshold_and_the_onset_s_time() -> None:
    found = np.zeros((100, 4), np.float32)
    level = drum_net.CLASS_THRESHOLDS
    found[[10, 12, 50], [0, 1, 1]] = [0.9, level["kick"] + 0.01, level["kick"] + 0.01]
    found[70, 3] = level["hat"] - 0.01
    assert drum_net.class_times(found, [0.1], 0.03) == {"kick": (0.1, 0.5), "snare": (), "hat": ()}


def test_classes_are_told_apart_with_an_unheard_font(songs: list[Song]) -> None:
    scores: list[list[float]] = []
    for song in songs:
        found = Onsets("drums").analyse(Audio(song.mix[None], RATE))
        truth = song.labels["drums"]
        assert scoring.f_measure(truth["onsets"], found.times, 0.05) > 0.8
        assert found.classes is not None and tuple(found.classes) == drum_net.CLASSES
        scores.append([scoring.f_measure(truth["classes"][n], times, 0.05) for n, times in found.classes.items()])
        assert scoring.f_measure(truth["classes"]["snare"], found.classes["kick"], 0.05) < 0.5
    kick, snare, hat = np.mean(scores, 0)
    # The font's hats are the least like those it knows.
    assert kick > 0.8 and snare > 0.6 and hat > 0.3


def test_the_best_thresholds_are_found(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path)
    found = train_drum_net.best_thresholds(drum_net.load(drum_net.CLASS_WEIGHTS), corpus, "test")
    assert set(found) == {"any", "kick", "hat"}  # no clip has a snare
    assert all(0.3 <= threshold <= 0.9 and 0.0 <= score <= 1.0 for threshold, score in found.values())
    assert found["any"][1] > 0.8


def test_detectors_without_classes_say_so() -> None:
    assert Onsets("flux").analyse(band()).classes is None
    silent = Audio(torch.zeros(1, 1000), RATE)
    assert Onsets("drums").analyse(silent).classes == {"kick": (), "snare": (), "hat": ()}


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
    whole, stopped, resumed = (train_drum_net.Trainer(found, 80, seed=5) for _ in range(3))
    assert train_drum_net.train(whole)
    for _ in range(3):
        stopped.advance()
    stopped.save(tmp_path / "state")
    assert train_drum_net.train(resumed, tmp_path / "state")
    first = whole.net
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), resumed.net.parameters()))
    with pytest.raises(ValueError, match=r"another run \(seed was 5, is 6; data was"):
        train_drum_net.Trainer(found[:2], 80, seed=6).restore(tmp_path / "state")
    log_mel, wanted = train_drum_net.crops(found, torch.Generator().manual_seed(0))
    assert log_mel.shape == (train_drum_net.BATCH, train_drum_net.CROP, drum_net.BANDS)
    with torch.no_grad():
        logits = first(log_mel)
    assert logits.shape == wanted.shape
    assert float(logits[wanted == 1].mean()) > float(logits[wanted == 0].mean())
    training.save_weights(first.state_dict(), tmp_path / "net.safetensors")
    assert isinstance(drum_net.load(tmp_path / "net.safetensors"), drum_net.DrumOnsetNet)


def test_the_command_trains_any_drum_alone_stops_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_drum_net, "BATCH", 2)
    monkeypatch.setattr(train_drum_net, "CROP", 60)
    corpus, out = write_corpus(tmp_path / "corpus"), tmp_path / "net.safetensors"
    (corpus / "test").rename(corpus / "train")
    command = [str(corpus), "--any", "--steps", "2", "--out", str(out)]
    assert train_drum_net.main([*command, "--minutes", "0"]) == 0
    assert "stopped at step 0 of 2" in capsys.readouterr().out and not out.exists()
    assert train_drum_net.main(command) == 0
    assert drum_net.load(out).outputs == 1
    assert train_drum_net.main([*command[:-1], str(tmp_path / "missing" / "net")]) == 2
    assert "output folder does not exist" in capsys.readouterr().err


def test_an_empty_corpus_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_drum_net.main([str(tmp_path)]) == 2
    assert "no clips" in capsys.readouterr().err
