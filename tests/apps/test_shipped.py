"""Takes and controls that are passed on: what they were made of by name and hash, and no place on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from flowmusic.hashes import of_file
from flowmusic.interop import bundle, model_files
from flowmusic.takes.record import details
from tests.apps.conftest import clicks, tone
from tests.apps.test_extract import quick as quick
from tests.apps.test_extract import song
from tests.telltale import FOLDER, SECRET, URL, leaks

Write = Callable[[str, torch.Tensor], Path]


@pytest.mark.usefixtures("quick", "ears")
def test_from_a_recording_to_a_take(here: Path, wav: Write, model: Generator) -> None:
    told = here / FOLDER
    told.mkdir()
    for name, samples in (
        ("song.wav", song(2.0)),
        ("hum.wav", tone(220.0, 1.0)),
        ("loop.wav", clicks([0.1, 0.6], 1.0)),
    ):
        wav(f"{FOLDER}/{name}", samples)
    assert main(["extract", str(told / "song.wav"), "--out", str(here / "song.controls")]) == 0
    assert leaks(here / "song.controls", FOLDER, str(here)) == []
    (here / "song.controls").rename(told / "song.controls")
    model.name, model.weights = str(told / "mine"), {"model": "0" * 64}
    argv = [
        "a waltz, like " + URL,
        "--controls",
        str(told / "song.controls"),
        "--use",
        "chords,beats",
        "--seconds",
        "1",
    ]
    argv += ["--melody", str(told / "hum.wav"), "--drums", str(told / "loop.wav"), "--out", "made.wav", "--seed", "1"]
    assert main(["generate", *argv, "--quiet"]) == 0
    assert (
        leaks(here / "made.wav", SECRET, FOLDER, str(here))
        == leaks(here / "made.json", SECRET, FOLDER, str(here))
        == []
    )
    take = json.loads((here / "made.json").read_text())
    assert take["model"] == "mine" and take["weights"] == {"model": "0" * 64}
    assert take["text"] == "a waltz, like https://example.org/set"
    asked = take["controls"]
    assert asked["sources"]["melody"] == "hum.wav" and asked["sources"]["chords"] == "song.controls"
    # What the result depends on is known by its content, wherever it lies.
    assert asked["sha256"]["drums"] == hashlib.sha256((told / "loop.wav").read_bytes()).hexdigest()
    sheet = told / "song.controls" / "controls.json"
    assert asked["sha256"]["chords"] == hashlib.sha256(sheet.read_bytes()).hexdigest()
    assert asked["use"] == ["beats", "chords"] and any("loop.wav" in words for words in asked["warnings"])


def test_a_model_knows_the_hashes_of_its_weights() -> None:
    weights = {"model": model_files.fingerprint("nano"), "codec": model_files.fingerprint("nano2_codec")}
    head = of_file(model_files.find("nano2_codec") / "stereo.safetensors")
    assert bundle.load("nano").weights == {**weights, "stereo": head}


def test_what_is_not_the_default_is_recorded(here: Path) -> None:
    from flowmusic.apps.cli import build_parser

    (here / "ref.wav").write_bytes(b"RIFF")
    args = build_parser().parse_args(
        ["generate", "x", "--style", "ref.wav", "--style-detail", "2", "--precision", "bf16"]
    )
    asked = type("Asked", (), {"sources": {"style": "ref.wav", "melody": "gone.wav"}})()
    assert details(args, asked) == {
        "precision": "bf16",
        "sha256": {"style": hashlib.sha256(b"RIFF").hexdigest(), "melody": None},
        "style": {"seconds": 3.0, "detail": 2, "timbre": None},
    }
