"""`flowmusic generate --model CHECKPOINT`: a published layout, tiny, through the whole command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.apps.cli import main
from flowmusic.audio import Audio
from flowmusic.controls.vocabulary import label_id
from flowmusic.generate import piece
from flowmusic.generate.generator import Generator
from flowmusic.metrics.adherence import Detectors
from flowmusic.types import Controls
from tests.apps.conftest import clicks, tone
from tests.interop import checkpoints
from tests.model import tiny_t5

Wav = Callable[[str, torch.Tensor], Path]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = checkpoints.write(tmp_path_factory.mktemp("published"))
    tiny_t5.write(folder / "t5-base", width=12)
    return folder


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Controls]:
    """The controls that the model was given."""
    kept: list[Controls] = []

    class Watched(piece.Piece):
        def __init__(self, model: Generator, controls: Controls, *rest: Any, **settings: Any) -> None:
            super().__init__(model, controls, *rest, **settings)
            kept.append(controls)

    monkeypatch.setattr(piece, "Piece", Watched)
    return kept


def test_words_chords_drums_and_melody(
    checkpoint: Path, here: Path, wav: Wav, ears: Detectors, seen: list[Controls], capsys: pytest.CaptureFixture[str]
) -> None:
    wav("loop.wav", clicks([0.0, 0.5, 1.0, 1.5], 2.0))
    wav("hum.wav", tone(440.0, 3.0))
    arguments = ["generate", "slow jazz", "--model", str(checkpoint), "--seconds", "4", "--steps", "1", "--seed", "5"]
    controls = ["--chords", "C F#7/A#", "--bpm", "120", "--drums", "loop.wav", "--melody", "hum.wav"]
    assert main([*arguments, *controls]) == 0, capsys.readouterr().err
    (given,) = seen
    assert given.names() == {"text", "chords", "drums", "melody"}  # no beat grid: this model has none
    c, f_sharp = label_id("C"), label_id("F#7/A#")  # of the 194 labels, 2 s each
    chords, drums, melody = (given.tracks[name] for name in ("chords", "drums", "melody"))
    assert chords.values[0, [0, 99, 100, 199]].tolist() == [c, c, f_sharp, f_sharp]
    assert melody.values.shape == (1, 200, 53) and melody.values[0, 50].argmax() == 69 - 43
    assert not melody.known[0, 150:].any()
    # Codes of the sound, and the loop is played twice.
    assert drums.values.shape == (1, 200) and drums.values.dtype == torch.int64 and bool(drums.known.all())
    assert int(drums.values.max()) < checkpoints.BINS
    assert torch.equal(drums.values[0, 20:80], drums.values[0, 120:180])
    take = json.loads((here / "take.json").read_text())
    assert take["guidance"] == {"all": 1.75, "text": 3.5} and take["controls"]["bpm"] == 120
    assert take["controls"]["drums"]["onsets"] == pytest.approx([0.5 * n for n in range(8)], abs=0.02)
    assert set(take["adherence"]) >= {"chord_acc", "onset_f1", "melody_pc"} and "beat_f1" not in take["adherence"]
    sound = Audio.read(here / "take.wav")
    assert sound.rate == checkpoints.RATE and sound.seconds == 4.0


def test_longer_than_ten_seconds_and_bf16(checkpoint: Path, here: Path, ears: Detectors) -> None:
    """Windows of the trained length, as for every model."""
    arguments = ["generate", "fast rock", "--model", str(checkpoint), "--seconds", "14", "--steps", "1", "--quiet"]
    assert main([*arguments, "--chords", "Am F", "--precision", "bf16"]) == 0
    assert Audio.read(here / "take.wav").seconds == 14.0
    assert json.loads((here / "take.json").read_text())["num_evals"] == 4  # two windows of a midpoint step


def test_onsets_without_their_sound_are_refused(
    checkpoint: Path, here: Path, ears: Detectors, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = {"source": "x.wav", "seconds": 4, "frame_rate": 25, "drums": {"onsets": [0.0, 1.0], "stem": None}}
    (here / "controls.json").write_text(json.dumps(sheet))
    arguments = ["generate", "slow", "--model", str(checkpoint), "--steps", "1", "--controls", "controls.json"]
    assert main(arguments) == 2
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert "hears drums as sound" in err and "--drums" in err
    assert not (here / "take.wav").exists()


def test_controls_that_a_model_lacks_are_said(
    tmp_path: Path, here: Path, wav: Wav, ears: Detectors, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = checkpoints.write(tmp_path / "chords-drums", melody=False)
    tiny_t5.write(folder / "t5-base", width=12)
    wav("hum.wav", tone(440.0, 3.0))
    arguments = ["generate", "slow", "--model", str(folder), "--seconds", "2", "--steps", "1", "--bpm", "100"]
    assert main([*arguments, "--melody", "hum.wav"]) == 0
    err = capsys.readouterr().err
    assert "has no melody control" in err and "has no beats control" in err


def test_a_missing_text_encoder_says_what_to_fetch(
    tmp_path: Path, here: Path, ears: Detectors, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flowmusic.model.jasco.t5.HUB_NAMES", (str(tmp_path / "nowhere"),))
    folder = checkpoints.write(tmp_path / "bare")
    assert main(["generate", "slow", "--model", str(folder), "--steps", "1"]) == 1
    assert "hf download google-t5/t5-base" in capsys.readouterr().err
