from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extractors import chord_crops, chord_data, chord_features, chord_labels, chord_net, train_chord_net
from flowmusic.types import Audio
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
    monkeypatch.setattr(chord_data, "_compute", lambda *_: pytest.fail("computed again"))
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


def test_the_loss_counts_labelled_time_and_triads() -> None:
    target = chord_labels.targets([(0.0, 1.0, "C")], 20)  # the second half is not labelled
    logits = torch.zeros(1, 20, 193)
    logits[0, :, C] = 20.0
    assert float(train_chord_net.loss_of(logits, target[None])) == pytest.approx(0.0, abs=1e-4)
    relative, stranger = (torch.zeros(1, 20, 193) for _ in range(2))
    relative[0, :, chord_labels.class_of("C7")] = 5.0
    stranger[0, :, chord_labels.class_of("F#7")] = 5.0
    near, far = (float(train_chord_net.loss_of(x, target[None])) for x in (relative, stranger))
    assert near < far


def test_training_goes_on_where_it_stopped(source: chord_data.Recordings, tmp_path: Path) -> None:
    def trainer() -> train_chord_net.Trainer:
        return train_chord_net.Trainer([source], 4, seed=3, batch=2, crop=16)

    whole, first, second = trainer(), trainer(), trainer()
    for _ in range(4):
        whole.advance()
    for _ in range(2):
        first.advance()
    first.save(tmp_path / "state")
    second.restore(tmp_path / "state")
    assert second.step == 2
    for _ in range(2):
        second.advance()
    for mine, theirs in ((second.net, whole.net), (second.averaged, whole.averaged)):
        assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters()))
    other = chord_data.Recordings(source.magnitudes, source.spans, source.changes[:-1])
    for another, says in (
        (train_chord_net.Trainer([source], 9, seed=3), r"another run \(steps was 4, is 9\)"),
        (train_chord_net.Trainer([source], 4, seed=2), "seed was 3, is 2"),
        (train_chord_net.Trainer([other], 4, seed=3), "data was"),
        (train_chord_net.Trainer([source], 4, seed=3, precision="bf16"), "precision was 32, is bf16"),
    ):
        with pytest.raises(ValueError, match=says):
            another.restore(tmp_path / "state")


def test_training_learns(source: chord_data.Recordings) -> None:
    trainer = train_chord_net.Trainer([source], 40, seed=0, batch=3, crop=20)
    losses = [trainer.advance() for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])


def test_the_command_trains_stops_and_goes_on(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net.safetensors"
    command = [str(corpus), "--cache", str(tmp_path / "cache"), "--steps", "2", "--precision", "32", "--out", str(out)]
    assert train_chord_net.main([*command, "--minutes", "0"]) == 0
    assert "stopped at step 0 of 2" in capsys.readouterr().out
    assert not out.exists()
    assert train_chord_net.main([*command, "--every", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(out)
    assert captured.err.count("majmin") == 2
    assert isinstance(chord_net.load(out), chord_net.ChordNet)


def test_bad_input_is_named(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    cache = ["--cache", str(tmp_path / "cache")]
    for arguments, message in (
        ([str(tmp_path / "empty")], "no clips to train on"),
        ([str(corpus), "--out", str(tmp_path / "missing" / "net")], "output folder does not exist"),
        ([str(corpus), "--steps", "0"], "at least 1"),
    ):
        assert train_chord_net.main([*arguments, *cache]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(ValueError, match="no clips in"):
        chord_data.recordings(corpus, "test", tmp_path)
