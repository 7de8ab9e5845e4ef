"""The map of double guidance as a command, on a tiny model, clips of known sound and a listener of known taste."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from benchmarks import guidance_map, heat_map
from flowmusic.generate.generator import Generator
from flowmusic.interop import model_files
from flowmusic.interop import text_audio as text_audio_models
from flowmusic.types import Guidance
from tests.apps.conftest import RATE, pitched, tiny_style

PITCHES = (110.0, 300.0, 700.0, 1500.0)


class Taste:
    """Reads "clip n" as the n-th direction, and hears every recording as the second clip's."""

    rate = RATE

    def embed_samples(self, samples: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.full((len(samples),), 1), 4).float()

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.stack([torch.eye(4)[int(text.split()[-1])] for text in texts])


@pytest.fixture
def four(here: Path) -> Path:
    """Four clips of 12 s of different pitch."""
    return pitched(here / "four", PITCHES)


@pytest.fixture
def styled(model: Generator, monkeypatch: pytest.MonkeyPatch) -> Generator:
    """The tiny model with a style control, and the listener behind every name."""
    model.encoder.style = tiny_style()
    monkeypatch.setattr(model_files, "fingerprint", lambda name: f"weights of {name}")
    monkeypatch.setattr(text_audio_models, "load_text_audio", lambda name: Taste())
    return model


def asked(model: Generator, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Guidance, tuple[str | None, ...]]]:
    """What the model is asked for from here on."""
    calls: list[tuple[Guidance, tuple[str | None, ...]]] = []
    generate = model.generate

    def noted(controls, **settings):  # type: ignore[no-untyped-def]
        assert len(controls.style) == controls.batch
        calls.append((settings["guidance"], controls.text))
        return generate(controls, **settings)

    monkeypatch.setattr(model, "generate", noted)
    return calls


def arguments(corpus: Path, *extra: str) -> list[str]:
    return ["--corpus", str(corpus), "--clips", "4", "--steps", "1", "--out", "map", "--batch", "4", *extra]


def test_every_cell_once_and_three_files(
    four: Path, here: Path, styled: Generator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = asked(styled, monkeypatch)
    assert guidance_map.main(arguments(four, "--alphas", "1,3", "--betas", "0,5")) == 0
    assert "| alpha 3, beta 5 |" in capsys.readouterr().out
    pairs = [(1.0, 0.0), (1.0, 5.0), (3.0, 0.0), (3.0, 5.0)]
    assert [guidance for guidance, _ in calls] == [Guidance.double(*pair) for pair in pairs]
    # The words of the clip after the one whose style is asked for.
    assert {texts for _, texts in calls} == {("clip 1", "clip 2", "clip 3", "clip 0")}
    table = json.loads((here / "map" / "guidance.json").read_text())
    assert (table["alphas"], table["betas"]) == ([1.0, 3.0], [0.0, 5.0])
    # Every take sounds like clip 1: right for the first, as the stranger for the last, indifferent else.
    scores = json.loads((here / "map" / "cells" / "alpha3_beta0.json").read_text())["scores"]
    assert [row["text"] for row in scores] == [1.0, 0.0, 0.0, -1.0]
    assert table["systems"]["alpha 1, beta 0"]["style"]["raw"]["count"] == 4
    assert (here / "map" / "guidance.png").read_bytes().startswith(b"\x89PNG")


def test_bounds_are_recordings_whose_answer_is_known(four: Path, here: Path, styled: Generator) -> None:
    assert guidance_map.main(arguments(four, "--alphas", "1", "--betas", "1")) == 0
    rows = json.loads((here / "map" / "guidance.json").read_text())["systems"]
    own, other = rows["the clip itself"], rows["another clip"]
    assert own["style"]["raw"]["mean"] > 0.9 > other["style"]["raw"]["mean"] + 0.5


def test_a_stopped_map_goes_on_and_grows(
    four: Path, here: Path, styled: Generator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidance_map.main(arguments(four, "--alphas", "1", "--betas", "0,5")) == 0
    calls = asked(styled, monkeypatch)
    assert guidance_map.main(arguments(four, "--alphas", "1,2", "--betas", "0,5")) == 0
    assert [guidance for guidance, _ in calls] == [Guidance.double(2.0, 0.0), Guidance.double(2.0, 5.0)]
    assert guidance_map.main(arguments(four, "--alphas", "1", "--betas", "0", "--seed", "1")) == 2
    assert "other settings (seed)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["--clips", "9"], "has 4 clips, --clips asks for 9"),
        (["--clips", "3"], "not a whole number of clips between 4 and"),
        (["--alphas", "1,x"], "'x' is not a number"),
        (["--betas", "1,1"], "1 is given twice"),
        (["--corpus", "."], "not a finished corpus"),
    ],
)
def test_wrong_use(
    extra: list[str], says: str, four: Path, styled: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidance_map.main(arguments(four, *extra)) == 2
    error = capsys.readouterr().err
    assert says in error and len(error.strip().splitlines()) <= 2


def test_a_model_without_style(four: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    assert guidance_map.main(arguments(four)) == 2
    assert "has no style control" in capsys.readouterr().err


def test_a_listener_of_another_kind(four: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    model.encoder.style = tiny_style()
    assert guidance_map.main(arguments(four, "--listener", "nothing")) == 2
    assert "unknown model 'nothing'" in capsys.readouterr().err


def test_panels_must_have_the_shape_of_the_map(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs 1 rows of 2 values"):
        heat_map.draw([heat_map.Panel("a", [[1.0]])], ("y", [0.0]), ("x", [0.0, 1.0]), tmp_path / "a.png", "t")
