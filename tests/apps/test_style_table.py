"""The style table as a command, on a tiny model and clips whose sound is known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import style_table
from flowmusic.generate.generator import Generator
from flowmusic.metrics.text_audio import TextAudio
from flowmusic.model.pseudowords import Concept
from flowmusic.model.text import SHA256, TextEncoder
from flowmusic.train import invert as training
from tests.apps.conftest import RATE, pitched, tiny_style, tone


@pytest.fixture
def many(here: Path) -> Path:
    """Four clips of 12 s: two low, two high."""
    return pitched(here / "many", (110.0, 115.0, 1500.0, 1600.0))


def test_bound_floor_and_every_detail(
    many: Path, here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    model.encoder.style = tiny_style()
    asked: list[int | None] = []
    encode = model.encoder.forward

    def forward(controls, grid, context=None):  # type: ignore[no-untyped-def]
        asked.extend(style.detail for style in controls.style if style is not None)
        return encode(controls, grid, context)

    model.encoder.forward = forward
    arguments = ["--corpus", str(many), "--clips", "4", "--neighbours", "1", "--details", "1,4", "--steps", "1"]
    assert style_table.main([*arguments, "--out", "styles", "--batch", "3"]) == 0
    assert "| reference |" in capsys.readouterr().out
    rows = json.loads((here / "styles" / "style.json").read_text())["systems"]
    assert set(rows) == {"text only", "style 1", "style 4", "reference", "other clip"}
    assert set(asked) == {1, 4}
    # A part of the same tone: the same neighbour, and nearest to its own clip.
    assert rows["reference"]["knn_common"]["raw"]["mean"] >= 0.75
    assert rows["reference"]["knn_overfit"]["raw"]["mean"] >= 0.75
    assert rows["reference"]["similarity"]["raw"]["mean"] > rows["other clip"]["similarity"]["raw"]["mean"] + 0.3
    assert rows["style 1"]["similarity"]["raw"]["count"] == 4


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["--clips", "9"], "has 4 clips, --clips asks for 9"),
        (["--details", "7"], "choose from 1, 2, 3, 4, 5, 6"),
        (["--corpus", "."], "not a finished corpus"),
    ],
)
def test_wrong_use(
    extra: list[str], says: str, many: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    model.encoder.style = tiny_style()
    assert style_table.main(["--corpus", str(many), "--out", "styles", *extra]) == 2
    assert says in capsys.readouterr().err


def test_a_model_without_style(many: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    assert style_table.main(["--corpus", str(many), "--out", "styles"]) == 2
    assert "has no style control" in capsys.readouterr().err


def test_pseudowords_are_learned_from_the_clip_and_said_in_every_way(
    many: Path, here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.encoder.style, model.encoder.text = tiny_style(), TextEncoder()
    learned_from: list[float] = []
    initial = torch.randn(2, 384, generator=torch.Generator().manual_seed(0))

    def invert(generator, clips, name, steps, seed):  # type: ignore[no-untyped-def]
        learned_from.append(clips[0].seconds)
        return SimpleNamespace(concept=Concept(name, initial, initial[0], SHA256))

    monkeypatch.setattr(training, "invert", invert)
    asked: list[str | None] = []
    encode = model.encoder.forward

    def forward(controls, grid, context=None):  # type: ignore[no-untyped-def]
        asked.extend(controls.text)
        return encode(controls, grid, context)

    model.encoder.forward = forward
    arguments = ["--corpus", str(many), "--clips", "4", "--neighbours", "1", "--details", "1", "--steps", "1"]
    assert style_table.main([*arguments, "--pseudowords", "7", "--out", "styles"]) == 0
    rows = json.loads((here / "styles" / "style.json").read_text())["systems"]
    assert {"pseudoword", "starting word", "random vectors", "other words", "other words, pseudoword"} <= set(rows)
    assert learned_from == pytest.approx([9.0] * 4)
    assert {"<learned1>:0", "<random1>", "<learned1>", "clip 2", "clip 2, <learned1>"} <= set(asked)
    random, found = (model.encoder.text.concepts[name].vectors for name in ("random1", "learned1"))
    torch.testing.assert_close(random.norm(dim=1), found.norm(dim=1))
    assert not torch.allclose(random, found, atol=0.1)


class Fake:
    """A listener who takes 110 Hz for caption 0, 115 and 1500 Hz for caption 1, and all else for caption 3."""

    def embed_audio(self, takes):  # type: ignore[no-untyped-def]
        rows = []
        for take in takes:
            spectrum = torch.fft.rfft(take.samples[0]).abs()
            hz = float(spectrum.argmax()) * take.rate / len(take.samples[0])
            rows.append(
                torch.nn.functional.one_hot(
                    torch.tensor(0 if hz < 112 else 1 if hz < 200 or abs(hz - 1500) < 1 else 3), 4
                ).float()
            )
        return torch.stack(rows)

    def embed_text(self, texts):  # type: ignore[no-untyped-def]
        return torch.eye(4)[[int(text.split()[-1]) for text in texts]]


def test_words_are_judged_by_a_listener(
    many: Path, here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.encoder.style = tiny_style()
    monkeypatch.setattr(TextAudio, "load", staticmethod(lambda name: Fake()))
    arguments = ["--corpus", str(many), "--clips", "4", "--neighbours", "1", "--details", "1", "--steps", "1"]
    assert style_table.main([*arguments, "--listener", "ear", "--out", "styles"]) == 0
    report = json.loads((here / "styles" / "style.json").read_text())
    words = {name: row["words"]["raw"]["mean"] for name, row in report["systems"].items()}
    # Only 1500 Hz is not known by its own caption.
    assert words["reference"] == pytest.approx((3 - 1 / 3) / 4)
    assert words["other clip"] < 0.1
    assert "ear" in report["notes"]["words"] and report["metrics"][-1] == "words"
    takes = [SimpleNamespace(samples=tone(hz, 1.0)[None], rate=RATE) for hz in (115.0, 1500.0, 1600.0, 110.0)]
    captions = Fake().embed_text([f"clip {n}" for n in range(4)])
    shifted = style_table.heeded(Fake().embed_audio(takes), captions, 1)
    assert shifted == pytest.approx([1.0, -1 / 3, 1.0, 1.0])
