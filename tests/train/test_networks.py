"""The networks that extract features, trained as a user trains them, in miniature: stop, resume, learn, export, use."""

from __future__ import annotations

import copy
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from feature_extractors import DrumSeparator
from feature_extractors.networks import chord_labels, chord_net, drum_net
from feature_extractors.notes import Transcriber
from flowmusic.train import chord_net as train_chords
from flowmusic.train import separator_net as train_separator
from flowmusic.train.drum_net import LitDrumNet
from flowmusic.train.identity import OtherRun
from flowmusic.train.network_data import DrumData
from flowmusic.train.run import TrainResult, compose, main, train
from tests.feature_extractors.corpus import write_corpus
from tests.feature_extractors.sounds import band

TINY = [
    "trainer.precision=32-true",
    "trainer.enable_progress_bar=false",
    "~callbacks.learning_rate",
    "logger=none",
    "callbacks.checkpoint.every_n_train_steps=100",
    "data.batch=2",
    "model.warmup=2",
]
CROPS = {"chord_net": 1.6, "drum_net": 0.6, "drum_class_net": 0.6, "note_net": 0.4, "separator": 0.16}
"""Seconds of a training crop."""
FIGURES = {
    "chord_net": {"loss", "chord_acc", "label_share"},
    "drum_net": {"loss", "f1_any", "threshold_any"},
    "drum_class_net": {"loss", *(f"{f}_{n}" for f in ("f1", "threshold") for n in ("any", "kick", "hat"))},
    "note_net": {"loss", "threshold", *(f"f1_{name}" for name in ("all", "bass", "lead", "chords"))},
    "separator": {"loss", "si_sdr_drums_db", "si_sdr_rest_db"},
}
"""What a validation of the corpus measures; no clip of it has a snare."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips to train on and the same two to validate on."""
    root = write_corpus(tmp_path_factory.mktemp("corpus"))
    (root / "test").rename(root / "train")
    shutil.copytree(root / "train", root / "validation")
    return root


def overrides(experiment: str, corpus: Path, out: Path, steps: int, *more: str) -> list[str]:
    length = [f"model.total_steps={steps}", f"trainer.val_check_interval={steps}"]
    places = [f"corpus={corpus}", f"out={out}", f"data.crop_seconds={CROPS[experiment]}"]
    return [f"experiment={experiment}", *TINY, *places, *length, *more]


def run(experiment: str, corpus: Path, out: Path, steps: int, *more: str) -> TrainResult:
    return train(compose(overrides(experiment, corpus, out, steps, *more)))


def weights_in(folder: Path) -> Path:
    (path,) = folder.glob("*.safetensors")
    return path


@pytest.mark.parametrize("experiment", CROPS)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(experiment: str, corpus: Path, tmp_path: Path) -> None:
    straight = run(experiment, corpus, tmp_path / "straight", 3)
    assert {f"validation/{name}" for name in FIGURES[experiment]} | {"train/loss"} == set(straight.metrics)
    assert all(math.isfinite(value) for value in straight.metrics.values())
    stopped = run(experiment, corpus, tmp_path / "stopped", 3, "callbacks.budget.sitting_wall_s=0.001")
    assert stopped.objects["trainer"].global_step == 1 and not list((tmp_path / "stopped").glob("*.safetensors"))
    with pytest.raises(OtherRun, match="seed was 0, is 1"):
        run(experiment, corpus, tmp_path / "stopped", 3, "seed=1")
    with pytest.raises(OtherRun, match=r"data\.limit was"):
        run(experiment, corpus, tmp_path / "stopped", 3, "data.limit=1")
    resumed = run(experiment, corpus, tmp_path / "stopped", 3)
    states = [result.objects["model"].state_dict() for result in (straight, resumed)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])

    path, again = weights_in(tmp_path / "straight"), weights_in(tmp_path / "stopped")
    one, other = load_file(path), load_file(again)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    with safe_open(path, "pt") as file:
        facts = json.loads((file.metadata() or {}).get("training", "{}"))
    if experiment == "separator":
        assert facts["data"] == f"2 clips of {corpus.name}" and facts["steps"] == facts["of_steps"] == 3
        assert facts["validation"].endswith("dB, 2 clips")
        assert DrumSeparator(path).analyse(band()).drums.samples.shape == band().samples.shape
    elif experiment == "note_net":
        assert facts["steps"] == 3 and facts["data"] == f"0.0 h of mixes and parts of {corpus.name}"
        assert Transcriber(weights=path).analyse(band()).seconds == band().seconds
    elif experiment == "chord_net":
        assert facts == {} and isinstance(chord_net.load(path), chord_net.ChordNet)
    else:
        assert facts == {} and drum_net.load(path).outputs == (1 if experiment == "drum_net" else 4)


@pytest.mark.parametrize(
    ("experiment", "steps", "share", "more"),
    [
        ("chord_net", 30, 0.75, ()),
        ("note_net", 30, 0.8, ("model.optimizer.lr=0.01",)),
        ("drum_class_net", 60, 0.8, ("data.crop_seconds=1.2", "data.batch=4")),
        ("separator", 15, 0.9, ("callbacks.average=null", "model.optimizer.lr=0.005")),
    ],
)
def test_it_learns(
    experiment: str, steps: int, share: float, more: tuple[str, ...], corpus: Path, tmp_path: Path
) -> None:
    more = (*more, "export=null")
    before = run(experiment, corpus, tmp_path / "a", 1, "model.optimizer.lr=0", *more).metrics["validation/loss"]
    after = run(experiment, corpus, tmp_path / "b", steps, *more).metrics["validation/loss"]
    assert after < share * before


def test_statistics_are_averaged_with_the_weights(corpus: Path, tmp_path: Path) -> None:
    """Else a network with batch normalisation would be exported with statistics of other weights."""
    settings = ("callbacks.average.decay=0.9", "export=null")
    runs = [
        run("separator", corpus, tmp_path / use, 3, *settings, f"callbacks.average.use_buffers={use}").objects["model"]
        for use in ("true", "false")
    ]
    averaged, last = (dict(model.network.named_buffers()) for model in runs)
    means = [name for name in last if name.endswith("running_mean")]
    assert means and not any(torch.equal(averaged[name], last[name]) for name in means)
    counts = [name for name in last if name.endswith("num_batches_tracked")]
    assert counts and all(int(averaged[name]) == int(last[name]) == 3 for name in counts)
    assert all(torch.equal(a, b) for a, b in zip(*(model.network.parameters() for model in runs), strict=True))


@pytest.mark.parametrize("experiment", ["chord_net", "drum_net", "note_net", "separator"])
def test_what_is_wrong_with_a_corpus_is_said_in_one_line(
    experiment: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "validation"):
        shutil.copytree(corpus / part, tmp_path / "broken" / part)
        shutil.copytree(corpus / part, tmp_path / "silent" / part)
    (tmp_path / "broken" / "train" / "a.json").write_text("{")
    for name in ("a", "b"):
        (tmp_path / "silent" / "train" / f"{name}.flac").write_bytes(b"no sound")
    shutil.copytree(corpus / "train", tmp_path / "half" / "train")
    for name, says in (
        ("gone", "gone not found; make one with `flowmusic corpus"),
        ("half", "no validation clips in"),
        ("broken", "a.json"),
        ("silent", ".flac"),
    ):
        assert main(overrides(experiment, tmp_path / name, tmp_path / "run", 1)) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith("flowmusic train: error: ") and says in said and len(said) <= 500


def test_there_are_four_outputs(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(overrides("drum_net", corpus, tmp_path / "run", 1, "model.network.outputs=5")) == 2
    assert "model.network.outputs must be from 1 to 4 (any, kick, snare, hat), got 5" in capsys.readouterr().err


def test_a_separator_needs_stems(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(corpus, tmp_path / "mixes", ignore=shutil.ignore_patterns("*.drums.flac"))
    assert main(overrides("separator", tmp_path / "mixes", tmp_path / "run", 1)) == 2
    assert "no drum stems" in capsys.readouterr().err


def test_the_best_thresholds_are_found(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DrumData(corpus=str(corpus))
    data.setup("fit")
    module = LitDrumNet(copy.deepcopy(drum_net.load(drum_net.CLASS_WEIGHTS)), torch.optim.AdamW)
    logged: dict[str, Any] = {}
    monkeypatch.setattr(
        module, "log", lambda name, value, **_: logged.update({name.removeprefix("validation/"): value})
    )
    module.on_validation_epoch_start()
    with torch.no_grad():
        for n, clip in enumerate(data.val_dataloader()):
            module.validation_step(clip, n)
    module.on_validation_epoch_end()
    assert logged.keys() == FIGURES["drum_class_net"]
    assert all(0.3 <= logged[f"threshold_{name}"] <= 0.91 for name in ("any", "kick", "hat"))
    assert logged["f1_any"] > 0.8


def test_the_chord_loss_counts_labelled_time_and_triads() -> None:
    target = chord_labels.targets([(0.0, 1.0, "C")], 20)  # the second half is not labelled
    logits = {label: torch.zeros(1, 20, 193) for label in ("C", "C7", "F#7")}
    for label, scores in logits.items():
        scores[0, :, chord_labels.class_of(label)] = 20.0 if label == "C" else 5.0
    loss = {label: float(train_chords.loss_of(scores, target[None])) for label, scores in logits.items()}
    assert loss["C"] == pytest.approx(0.0, abs=1e-4)
    assert loss["C7"] < loss["F#7"]


def test_the_separation_loss_is_least_for_the_truth() -> None:
    drums, rest = (0.1 * torch.randn(2, 8192, generator=torch.Generator().manual_seed(n)) for n in (0, 1))
    right = train_separator.loss_of(drums, drums, drums + rest)
    assert float(right) < 1e-3 < float(train_separator.loss_of(drums + rest, drums, drums + rest))
