"""`flowmusic generate --style`: the excerpt that is taken, the sliders, and double guidance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import flowmusic as fm
from flowmusic import audio
from flowmusic.apps.cli import main
from flowmusic.audio import Audio
from flowmusic.generate import piece
from flowmusic.generate.branches import merge
from flowmusic.generate.generator import Generator
from flowmusic.metrics.adherence import Detectors
from flowmusic.types import Controls, Guidance, Style
from tests.apps.conftest import RATE, tiny_style, tone

Wav = Callable[[str, torch.Tensor], Path]


@pytest.fixture
def seen(model: Generator, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Controls, Guidance]]:
    """What a model that has a style was asked for."""
    model.encoder.style = tiny_style()
    kept: list[tuple[Controls, Guidance]] = []

    class Watched(piece.Piece):
        def __init__(self, model: Generator, controls: Controls, *rest: Any, **settings: Any) -> None:
            super().__init__(model, controls, *rest, **settings)
            kept.append((controls, self.guidance))

    monkeypatch.setattr(piece, "Piece", Watched)
    return kept


def test_the_loudest_part_is_taken(
    here: Path, wav: Wav, ears: Detectors, seen: list, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet, loud = 0.05 * tone(300.0, 4.0), tone(300.0, 2.0)
    wav("song.wav", torch.cat([quiet, loud, quiet]))
    assert main(["generate", "jazz", "--seconds", "2", "--style", "song.wav", "--style-seconds", "2"]) == 0
    ((controls, _),) = seen
    (style,) = controls.style
    assert style.features.shape == (250, 4) and style.detail is None  # 2 s at 16 kHz; the tiny codec does not resample
    assert "from 4.00 to 6.00 s of song.wav" in capsys.readouterr().err
    assert json.loads((here / "take.json").read_text())["controls"]["sources"]["style"] == "song.wav"


def test_detail_and_double_guidance(here: Path, wav: Wav, ears: Detectors, seen: list) -> None:
    wav("song.wav", tone(300.0, 3.0))
    arguments = ["generate", "jazz", "--seconds", "2", "--style", "song.wav", "--style-detail", "5", "--chords", "C F"]
    arguments += ["--style-timbre", "0.25"]
    assert main([*arguments, "--guidance", "alpha=3,beta=5"]) == 0
    ((controls, guidance),) = seen
    assert (controls.style[0].detail, controls.style[0].timbre) == (5, 0.25)
    terms = {term.keep: term.weight for term in merge(guidance, controls)}
    wordless = frozenset({"style", "chords", "beats"})
    assert terms == {wordless | {"text"}: pytest.approx(15.0), wordless: pytest.approx(-12.0), frozenset(): -2.0}
    assert json.loads((here / "take.json").read_text())["guidance"] == {"alpha": 3.0, "beta": 5.0}


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--style-detail", "3"], "--style, which is not given"),
        (["--style-timbre", "0"], "--style, which is not given"),
        (["--style", "song.wav", "--style-timbre", "1.5"], "between 0 and 1"),
        (["--style", "song.wav", "--style-detail", "7"], "between 1 and 6"),
        (["--style", "song.wav", "--style-seconds", "9"], "between 1.5 and 4.5"),
        (["--style", "short.wav"], "at least 1.5 s"),
        (["--style", "silent.wav"], "is silent"),
        (["--style", "no.wav"], "file not found"),
        (["--guidance", "beta=5"], "give both, as in alpha=3,beta=5"),
        (["--guidance", "alpha=3,all=2"], "alpha and all"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    extra: list[str], words: str, here: Path, wav: Wav, ears: Detectors, seen: list, capsys: pytest.CaptureFixture[str]
) -> None:
    wav("song.wav", tone(300.0, 3.0))
    wav("short.wav", tone(300.0, 1.0))
    wav("silent.wav", torch.zeros(3 * RATE))
    assert main(["generate", "jazz", "--seconds", "2", *extra]) == 2
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(re.escape(words), err), err
    assert not seen


def test_a_model_without_style_says_so(
    here: Path, wav: Wav, ears: Detectors, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    wav("song.wav", tone(300.0, 3.0))
    assert main(["generate", "jazz", "--seconds", "2", "--style", "song.wav"]) == 0
    assert "has no style control" in capsys.readouterr().err


def test_named_weights() -> None:
    both = Controls(("a",), {}, (Style(torch.zeros(5, 2)),))
    assert Guidance.of({"all": 2.0, "text": 1.0}) == Guidance.split(all=2.0, text=1.0)
    plus = {term.keep: term.weight for term in merge(Guidance.of({"alpha": 2.0, "beta": 1.0, "style": 0.5}), both)}
    assert plus == {frozenset({"text", "style"}): 2.0, frozenset({"style"}): 0.5, frozenset(): -1.5}


def test_style_in_python(model: Generator) -> None:
    """What `--style` does, by hand: the loudest stretch, the model's style, the request."""
    samples = torch.cat([0.1 * torch.ones(1, 3 * RATE), 0.5 * torch.ones(1, RATE), 0.1 * torch.ones(1, RATE)], dim=1)
    part, begin = audio.loudest(Audio(samples, RATE), 1.6)
    assert part.seconds == 1.6 and begin in (2.5, 2.75, 3.0) and float(part.samples.max()) == 0.5
    whole, first = audio.loudest(Audio(samples, RATE), 60.0)
    assert whole.samples.shape == samples.shape and first == 0.0
    with pytest.raises(ValueError, match="has no style control"):
        model.style(part)
    model.encoder.style = tiny_style()
    found = model.style(part, 2)
    assert found.detail == 2 and found.features.shape[1] == 4
    wanted = fm.request("jazz", grid=model.grid(2.0), style=found)
    assert wanted.style == (found,) and fm.request("jazz", grid=model.grid(2.0)).style == ()
    with pytest.raises(ValueError, match="1 to 6 levels, got 7"):
        model.style(part, 7)
    with pytest.raises(ValueError, match="too short for a style"):
        model.style(Audio(part.samples[:, :384], RATE))
