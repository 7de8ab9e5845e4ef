"""`flowmusic generate --image`: what a picture sets, what overrides it, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from tests.image.pictures import PICTURES

pytestmark = pytest.mark.usefixtures("ears")


@pytest.fixture
def sky(here: Path) -> Path:
    path = here / "sky.png"
    Image.fromarray((255 * PICTURES["a bright blue sky"]).astype(np.uint8)).save(path)
    return path


def record(*argv: str) -> dict[str, Any]:
    assert main(["generate", *argv, "--seconds", "1.5", "--seed", "1"]) == 0
    found: dict[str, Any] = json.loads(Path("take.json").read_text())
    return found


def test_a_picture_alone_is_a_request(sky: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    found = record("--image", str(sky))
    said = capsys.readouterr().err
    assert "sky.png (brightness 0.8" in said and "flags override it" in said and "--bpm 82" in said
    assert found["text"] == "bright, calm, cool, spacious"
    assert found["controls"]["bpm"] == pytest.approx(82.0, abs=0.1)
    assert found["facts"]["said"]["instruments"] == ["piano", "flute", "synth pad"]
    assert found["facts"]["said"]["key"] == "C major" and found["facts"]["said"]["drums"] is False
    assert {row["how"] for row in found["facts"]["from"]} == {"picture"}
    assert "piano" in found["facts"]["prompt"], "a model without facts reads them"
    assert found["image"]["name"] == "sky.png" and len(found["image"]["sha256"]) == 64
    assert found["image"]["measures"]["warmth"] < 0.2


def test_flags_and_words_override_a_picture(sky: Path, model: Generator) -> None:
    argv = ["a dark waltz for organ", "--image", str(sky), "--bpm", "140", "--energy", "lively", "--chords", "Am"]
    found = record(*argv)
    facts = found["facts"]["said"]
    assert (facts["mood"], facts["energy"], facts["instruments"]) == ("dark", "lively", ["organ"])
    assert "key" not in facts and "tempo" not in facts
    assert found["text"] == "a dark waltz for organ, cool, spacious"
    assert found["controls"]["bpm"] == pytest.approx(140.0, abs=0.1)


def test_a_pace_that_is_said_is_not_the_picture_s(sky: Path, model: Generator) -> None:
    for words in (["a fast waltz"], ["a waltz", "--tempo", "fast"]):
        found = record(*words, "--image", str(sky))
        assert found["facts"]["said"]["tempo"] == "fast" and found["controls"]["bpm"] == 140.0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--image", "gone.png"], "file not found"),
        (["--image", "text.png"], "is no picture that is read here"),
        (["a", "--caption-model", "."], "--image shows, which is not given"),
        (["--image", "sky.png", "--caption-model", "."], "holds no caption model"),
        (["--image", "sky.png", "--blend", "a", "b"], "--image asks for one piece"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(
    argv: list[str], message: str, sky: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.png").write_text("no picture")
    assert main(["generate", *argv]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and message in said and len(said) <= 520
