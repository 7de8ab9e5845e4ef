from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extractors import Onsets
from feature_extractors.networks import drum_data, drum_net
from flowmusic.audio import Audio
from flowmusic.metrics.onsets import onset_f1
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
    assert drum_data.target([0.02, 0.03], 6).tolist() == [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    assert drum_data.target([0.0, 9.0], 3).tolist() == [1.0, 0.5, 0.0]


def test_targets_by_class() -> None:
    hits = drum_data.hits_of({"drums": {"onsets": [0.01, 0.05], "classes": {"hat": [0.05], "tom": [0.01]}}})
    example = drum_data.example(torch.zeros(2560), hits)
    assert example.target.shape == (8, len(drum_net.OUTPUTS))
    assert example.target.argmax(0).tolist() == [1, 0, 0, 5]
    assert example.target.amax(0).tolist() == [1.0, 0.0, 0.0, 1.0]
    assert not any(drum_data.hits_of({"drums": None}).values())


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
        assert onset_f1(truth["onsets"], found.times, 0.05) > 0.8
        assert found.classes is not None and tuple(found.classes) == drum_net.CLASSES
        scores.append([onset_f1(truth["classes"][n], times, 0.05) for n, times in found.classes.items()])
        assert onset_f1(truth["classes"]["snare"], found.classes["kick"], 0.05) < 0.5
    kick, snare, hat = np.mean(scores, 0)
    # The font's hats are the least like those it knows.
    assert kick > 0.8 and snare > 0.6 and hat > 0.3


def test_examples_of_mixes_stems_and_rests(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path)
    found = list(drum_data.examples(corpus, "test", 2))
    assert len(found) == 3  # two mixes, and the drums of the first alone
    assert len(list(drum_data.examples(corpus, "test", 2, parts=False))) == 2
    log_mel, wanted = drum_data.crops(found, torch.Generator().manual_seed(0), 5, 120)
    assert log_mel.shape == (5, 120, drum_net.BANDS) and wanted.shape == (5, 120, len(drum_net.OUTPUTS))
    again, _ = drum_data.crops(found, torch.Generator().manual_seed(0), 5, 120)
    assert torch.equal(again, log_mel)


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
