"""`flowmusic edit` and `flowmusic extend` on JASCO's checkpoints, which were not trained with masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.apps.cli import main
from flowmusic.metrics.adherence import Detectors
from flowmusic.takes import stored
from tests.apps.conftest import clicks, tone
from tests.apps.test_generate_jasco import Wav
from tests.interop import checkpoints
from tests.model import tiny_t5


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = checkpoints.write(tmp_path_factory.mktemp("published"))
    tiny_t5.write(folder / "t5-base", width=12)
    return folder


def test_known_latents_are_held_on_the_path(
    checkpoint: Path, here: Path, wav: Wav, ears: Detectors, capsys: pytest.CaptureFixture[str]
) -> None:
    wav("loop.wav", clicks([0.0, 0.5, 1.0, 1.5], 2.0))
    flags = ["--model", str(checkpoint), "--steps", "1", "--seed", "5"]
    request = ["--chords", "C F", "--bpm", "120", "--drums", "loop.wav", "--seconds", "4"]
    assert main(["generate", "jazz", *flags, *request, "--quiet"]) == 0
    assert main(["edit", "take.wav", *flags, "--bars", "2", "--chords", "G", "--out", "e.wav"]) == 0
    assert "not trained to go on from music" in capsys.readouterr().err
    old, new = (soundfile.read(name, dtype="int16")[0] for name in ("take.wav", "e.wav"))
    half = 2 * checkpoints.RATE
    assert np.array_equal(old[:half], new[:half]) and not np.array_equal(old[half:], new[half:])
    before, after = (stored.read(Path(name)) for name in ("take.latents", "e.latents"))
    assert torch.equal(before.latents[:, :100], after.latents[:, :100])
    # The drums are kept as codes, as this model reads them.
    assert torch.equal(before.controls.tracks["drums"].values, after.controls.tracks["drums"].values)
    record = json.loads(Path("e.json").read_text())
    assert [label for _, _, label in record["controls"]["chords"]] == ["C", "G"] and "onset_f1" not in record[
        "adherence"
    ]
    assert main(["extend", "take.wav", *flags, "--bars", "1", "--out", "x.wav", "--quiet"]) == 0
    longer = soundfile.read("x.wav", dtype="int16")[0]
    assert np.array_equal(longer[: len(old)], old) and len(longer) == len(old) + half


def test_new_drums_are_given_as_sound(
    checkpoint: Path, here: Path, wav: Wav, ears: Detectors, capsys: pytest.CaptureFixture[str]
) -> None:
    wav("loop.wav", clicks([0.0, 0.25, 0.75], 1.0))
    wav("hum.wav", tone(440.0, 3.0))
    flags = ["--model", str(checkpoint), "--steps", "1", "--seed", "5", "--quiet"]
    assert main(["generate", "jazz", *flags, "--chords", "C F", "--seconds", "4"]) == 0
    assert main(["edit", "take.wav", *flags, "--bars", "1", "--drums", "loop.wav", "--melody", "hum.wav"]) == 0
    tracks = stored.read(Path("edit.latents")).controls.tracks
    rate = int(tracks["drums"].grid.frame_rate)
    assert tracks["drums"].values.dtype == torch.int64
    assert tracks["drums"].known[0].tolist() == [True] * 2 * rate + [False] * 2 * rate
    record = json.loads(Path("edit.json").read_text())
    assert record["edits"][0]["drums"] == "loop.wav" and record["adherence"]["onset_f1"] is not None
