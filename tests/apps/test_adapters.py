"""`--adapter` of generate and `adapter=` of evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from flowmusic.apps import evaluate as evaluating
from flowmusic.apps.cli import main
from flowmusic.audio import Audio
from flowmusic.errors import UsageError
from flowmusic.generate.generator import Generator
from flowmusic.interop import adapter, bundle, model_files
from flowmusic.metrics.adherence import Detectors
from flowmusic.model import lora
from flowmusic.model.lora import LoraSettings
from tests.generate.tiny import tiny_generator
from tests.interop import checkpoints
from tests.model import tiny_t5


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = checkpoints.write(tmp_path_factory.mktemp("published"))
    tiny_t5.write(folder / "t5-base", width=12)
    return folder


@pytest.fixture(scope="module")
def made(checkpoint: Path) -> Path:
    """An adapter of the tiny checkpoint that changes every kind of matrix."""
    generator = bundle.load(checkpoint, trainable=True)
    pair = nn.ModuleDict({"encoder": generator.encoder, "field": generator.field})
    lora.inject(pair, LoraSettings(["field.blocks.*"], rank=2))
    drawn = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(tensor.shape, generator=drawn) for name, tensor in lora.tensors_of(pair).items()}
    about = {"base": "tiny", "base_sha256": model_files.fingerprint(checkpoint), "rank": 2, "alpha": 1.0}
    return adapter.write(checkpoint.parent / "made.safetensors", tensors, about)


def test_a_take_with_adapters_and_its_record(
    checkpoint: Path, made: Path, here: Path, ears: Detectors, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", "slow jazz", "--model", str(checkpoint), "--seconds", "2", "--steps", "1", "--seed", "5"]

    def take(name: str, *uses: str) -> tuple[bytes, dict[str, Any]]:
        flags = [word for use in uses for word in ("--adapter", use)]
        assert main([*words, *flags, "--out", f"{name}.wav", "--quiet"]) == 0, capsys.readouterr().err
        return (here / f"{name}.wav").read_bytes(), json.loads((here / f"{name}.json").read_text())

    base, plain = take("base")
    zero, _ = take("zero", f"{made}:0")
    whole, told = take("whole", str(made))
    _, both = take("halves", f"{made}:0.5", f"{made}:0.5")
    assert "adapters" not in plain
    assert told["adapters"] == [{"name": "made.safetensors", "hash": adapter.read(made).sha256, "scale": 1.0}]
    assert [each["scale"] for each in both["adapters"]] == [0.5, 0.5]
    assert zero == base != whole
    one, other = (Audio.read(here / f"{name}.wav").samples for name in ("whole", "halves"))
    torch.testing.assert_close(one, other, atol=1e-3, rtol=0.0)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("gone.safetensors:0.8", "file not found: gone.safetensors"),
        ("{made}:3", "from -2 to 2"),
        ("{made}:much", "'much'"),
        ("text.safetensors", "is no adapter"),
    ],
)
def test_what_cannot_be_applied_exits_2(
    checkpoint: Path, made: Path, here: Path, capsys: pytest.CaptureFixture[str], use: str, message: str
) -> None:
    (here / "text.safetensors").write_text("no tensors")
    words = ["generate", "jazz", "--model", str(checkpoint), "--adapter", use.format(made=made)]
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not (here / "take.wav").exists()


def test_an_adapter_of_another_model_exits_2(made: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "jazz", "--adapter", str(made)]) == 2
    err = capsys.readouterr().err
    assert "does not fit nano" in err and "trained on tiny" in err and not (here / "take.wav").exists()


def test_evaluate_takes_a_file_or_a_list(
    made: Path, corpus: Path, here: Path, ears: Detectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def load(name: str, device: str = "cpu", precision: str = "fp32", adapters: Any = ()) -> Generator:
        asked.append(tuple(adapters))
        generator = tiny_generator(seconds=2.0)
        applied = [adapter.AdapterUse.parse(use) for use in adapters]
        generator.adapters = tuple({"name": u.path.name, "hash": "h", "scale": u.scale} for u in applied)
        return generator

    monkeypatch.setattr(bundle, "load", load)
    monkeypatch.setattr(model_files, "find", lambda name: Path("nano"))
    monkeypatch.setattr(model_files, "fingerprint", lambda name: "0" * 64)
    words = [f"corpus={corpus}", "out=eval", "text_audio=null", "alone=false", "page_clips=0", "controls=[chords]"]
    for use in ("", f"adapter={made}:0", f"adapter=[{made}:0.5,{made}:-1]"):
        found = evaluating.evaluate(evaluating.compose([*words, *([use] if use else [])]))
    assert asked == [(), (f"{made}:0",), (f"{made}:0.5", f"{made}:-1")]
    assert "nano + 0.5 made.safetensors + -1 made.safetensors" in found.summary.notes["model"]
    # Scale 0 is the base, whose takes it finds; the other one makes its own.
    assert len(list((here / "eval" / "takes" / "model").glob("*.flac"))) == 6
    for use, message in (("gone.safetensors", "file not found"), (f"{made}:9", "from -2 to 2")):
        with pytest.raises(UsageError, match=f"adapter: .*{message}"):
            evaluating.evaluate(evaluating.compose([*words, f"adapter={use}"]))
