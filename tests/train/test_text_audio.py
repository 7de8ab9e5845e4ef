"""The text-audio recipe as a user runs it, in miniature: learn, stop, resume, export, judge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from flowmusic.audio import Audio
from flowmusic.interop import fitting
from flowmusic.metrics.text_audio import TextAudio
from flowmusic.train.run import compose, main, train
from flowmusic.train.text_audio import equalisers, silenced

RATE = 16_000
WORDS = ("piano", "drums", "violin", "guitar", "choir", "flute", "brass", "organ")
TINY = [
    "experiment=text_audio",
    "trainer.precision=32-true",
    "trainer.enable_progress_bar=false",
    "~callbacks.learning_rate",
    "logger=none",
    f"model.network.rate={RATE}",
    "model.network.n_fft=1024",
    "model.network.hop=512",
    "model.network.bands=32",
    "model.network.width=16",
    "model.network.dilations=[1]",
    "model.network.dim=8",
    "model.network.words=16",
    "model.optimizer.lr=0.02",
    "model.warmup=2",
    "data.seconds=[0.5,1.5]",
    "data.batch=8",
    "data.validation_batch=8",
    "data.validation_batches=1",
    "callbacks.checkpoint.every_n_train_steps=2",
    "callbacks.average.decay=0.5",
]


def sound(word: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A note that belongs to the word."""
    time = np.arange(round(seconds * RATE)) / RATE
    return rng.uniform(0.05, 0.5) * np.sin(2 * np.pi * 120.0 * 1.7**word * time + rng.uniform(0, 6))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two corpora of eight clips, one of each word; the second is for training only."""
    rng = np.random.default_rng(0)
    folders = []
    for splits in (("train", "validation"), ("train",)):
        folder = tmp_path_factory.mktemp("corpus")
        lines = []
        for split in splits:
            (folder / split).mkdir()
            for number, word in enumerate(WORDS):
                base = folder / split / f"{number:06d}"
                soundfile.write(f"{base}.flac", sound(number, 2.0, rng), RATE)
                Path(f"{base}.json").write_text(json.dumps({"captions": [f"a {word}", f"slow {word}", word]}))
                lines.append(json.dumps({"path": f"{split}/{base.name}.flac", "split": split}))
        (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
        folders.append(folder)
    return folders


def overrides(corpora: list[Path], out: Path, *extra: str) -> list[str]:
    return [*TINY, f"corpus={corpora[0]}", f"more_corpora=[{corpora[1]}]", f"out={out}", *extra]


def test_it_learns_exports_and_judges(corpora: list[Path], tmp_path: Path) -> None:
    steps = ["model.total_steps=60", "trainer.val_check_interval=30"]
    result = train(compose(overrides(corpora, tmp_path / "run", *steps)))
    assert len(result.objects["data"].train_store) == 16
    assert result.metrics["validation/loss"] < 1.0 < np.log(8)
    assert result.metrics["validation/recall_at_1"] > 0.7

    folder = tmp_path / "run" / "bundle"
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert settings["kind"] == "text_audio" and settings["settings"]["bands"] == 32
    assert "experiment=text_audio" in (folder / "card.md").read_text()
    judge = TextAudio.load(folder)
    rng = np.random.default_rng(5)
    takes = [Audio(torch.from_numpy(sound(n, 1.2, rng)).float()[None], RATE) for n in (0, 3, 7)]
    assert [judge.rank(takes, WORDS[word])[0][0] for word in (0, 3, 7)] == [0, 1, 2]
    cosines = judge.text_cos(takes, [WORDS[0], WORDS[3], WORDS[7]])
    assert (cosines > judge.text_cos(takes, [WORDS[3], WORDS[7], WORDS[0]])).all()


def test_stop_and_resume_equals_a_straight_run(corpora: list[Path], tmp_path: Path) -> None:
    def run(name: str, steps: int) -> dict[str, torch.Tensor]:
        random = ["model.network.dropout=0.2", "model.word_dropout=0.5", "model.mask=0.3"]
        extra = [*random, "model.total_steps=6", f"trainer.max_steps={steps}", f"data.folder={tmp_path / 'mels'}"]
        result = train(compose(overrides(corpora, tmp_path / name, "export=null", *extra)))
        assert result.objects["trainer"].global_step == steps
        state: dict[str, torch.Tensor] = result.objects["model"].state_dict()
        return state

    straight = run("straight", 6)
    run("stopped", 4)
    resumed = run("stopped", 6)
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


def test_a_corpus_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, f"corpus={tmp_path / 'nothing'}", f"out={tmp_path / 'run'}"]) == 2
    assert "not a finished corpus" in capsys.readouterr().err


def test_equalisers_are_smooth_and_of_the_size_asked_for() -> None:
    curves = equalisers(2000, 80, 4.0, torch.Generator().manual_seed(0))
    assert curves.shape == (2000, 80)
    assert float(curves.mean(1).abs().max()) < 1e-4
    in_db = curves * 10.0 / np.log(10.0)
    assert float(in_db.diff(dim=1).abs().max()) < 4.0
    # Four waves, each of mean square 1/2: together twice the square of one deviation.
    assert float(in_db.square().mean().sqrt()) == pytest.approx(4.0, rel=0.05)


def test_windows_lose_one_run_of_bands_and_one_of_frames() -> None:
    heard = silenced(torch.zeros(200, 50, 80), 0.2, torch.Generator().manual_seed(0))
    hidden = heard < -20.0
    assert torch.equal(hidden, heard != 0.0)
    for axis, size in ((1, 80), (2, 50)):
        whole = hidden.all(axis).float()  # a band through all frames, a frame through all bands
        lengths = whole.sum(1)
        assert 0 < float(lengths.mean()) < float(lengths.max()) <= 0.2 * size + 1
        assert int((whole.diff(dim=1) == 1).sum(1).max()) <= 1  # one run, wherever it begins
    assert torch.equal(silenced(heard, 0.0, torch.Generator()), heard)


def test_other_bundles_are_refused() -> None:
    with pytest.raises(fitting.ModelError, match="kind 'hybrid', which is not one of text_audio"):
        TextAudio.load("nano2_codec")
