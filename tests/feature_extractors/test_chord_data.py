from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extractors.networks import chord_crops, chord_data, chord_features, chord_labels, feature_cache
from flowmusic.audio import Audio
from tests.feature_extractors.sounds import RATE, clicks, triad

C, AM = (chord_labels.class_of(name) for name in ("C", "Am"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips to train on, the first with a drum stem, and one to validate on."""
    root = tmp_path_factory.mktemp("corpus")
    for split, names in (("train", ("a", "b")), ("validation", ("c",))):
        folder = root / split
        folder.mkdir()
        for name in names:
            drums = clicks([0.5 * n for n in range(6)], 3.0)
            tonal = torch.cat([triad(60, False, 1.5), triad(57, True, 1.5)])
            Audio((0.5 * (drums + tonal))[None], RATE).write(folder / f"{name}.flac")
            if name == "a":
                Audio((0.5 * drums)[None], RATE).write(folder / f"{name}.drums.flac")
            chords = [[0.0, 1.5, "C"], [1.5, 3.0, "Am"]]
            (folder / f"{name}.json").write_text(json.dumps({"chords": chords}))
    return root


@pytest.fixture(scope="module")
def source(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> chord_data.Recordings:
    return chord_data.recordings(corpus, "train", tmp_path_factory.mktemp("cache"))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_features_are_computed_once(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: chord_data.Recordings
) -> None:
    assert len(source.spans) == 3  # the first clip again without its drums
    first = chord_data.recordings(corpus, "validation", tmp_path)
    monkeypatch.setattr(feature_cache, "_compute", lambda *_: pytest.fail("computed again"))
    again = chord_data.recordings(corpus, "validation", tmp_path)
    assert np.array_equal(first.magnitudes, again.magnitudes) and first.changes == again.changes
    samples = Audio.read(corpus / "validation" / "c.flac").samples
    from feature_extractors import signals

    plain = chord_features.magnitude(
        torch.from_numpy(chord_features.scaled(signals.samples_of(Audio(samples, RATE), chord_features.RATE)))
    )
    assert torch.allclose(first.features(0), plain, atol=1e-4)
    assert torch.equal(first.features(0, 3, 9), first.features(0)[3:9])


def test_a_stem_is_taken_out_of_the_mix(source: chord_data.Recordings) -> None:
    high = slice(200, 252)  # where clicks are and the triads' partials are faint
    assert float(source.features(1)[:, high].mean()) < 0.5 * float(source.features(0)[:, high].mean())


def test_shifting_moves_bins_and_targets_alike(source: chord_data.Recordings) -> None:
    magnitude = source.features(1)
    higher = chord_crops.shifted(magnitude, 6.0)
    assert torch.allclose(higher[:, 6:], magnitude[:, :-6], atol=1e-6)
    assert float(higher[:, :5].abs().max()) == 0.0
    between = chord_crops.shifted(magnitude, 0.5)
    assert torch.allclose(between[:, 1:], (magnitude[:, 1:] + magnitude[:, :-1]) / 2, atol=1e-6)
    target = chord_labels.targets([(0.0, 1.0, "Am7"), (1.0, 2.0, "N")], 20)
    moved = chord_crops.transposed(target, 3)
    assert [chord_labels.label(int(n)) for n in moved[[5, 15]].argmax(1)] == ["Cm7", "N"]


def test_crops_are_whole_and_differ(source: chord_data.Recordings) -> None:
    compressed, target = chord_crops.crops([source], generator(), 6, 60)
    assert compressed.shape == (6, 60, 252) and target.shape == (6, 60, 193)
    assert bool(compressed.isfinite().all()) and float(compressed.min()) >= 0.0
    # The recordings last three seconds; what lies behind is silence and no chord.
    assert torch.allclose(target.sum(-1), torch.ones(6, 60), atol=1e-4)
    assert (target[:, -1].argmax(-1) == chord_labels.NONE).all()
    again, _ = chord_crops.crops([source], generator(), 6, 60)
    other, _ = chord_crops.crops([source], generator(1), 6, 60)
    assert torch.equal(again, compressed) and not torch.equal(other, compressed)


def test_a_pause_is_no_chord() -> None:
    magnitude, target = torch.ones(64, 50, 252), torch.zeros(64, 50, 193)
    target[..., C] = 1.0
    quiet, wanted = chord_crops.silenced(magnitude, target, generator())
    gone = quiet.sum(-1) == 0.0
    assert 0.0 < float(gone.float().mean()) < 0.2
    assert torch.equal(wanted.argmax(-1) == chord_labels.NONE, gone)


def test_bad_corpora_are_named(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no clips in"):
        chord_data.recordings(corpus, "test", tmp_path)
    for split, content in (("a", "[]"), ("b", '{"beats": []}'), ("c", "{")):
        folder = tmp_path / split
        folder.mkdir()
        (folder / "0.json").write_text(content)
        with pytest.raises(ValueError, match=r"0\.json"):
            chord_data.recordings(tmp_path, split, tmp_path / "cache")
