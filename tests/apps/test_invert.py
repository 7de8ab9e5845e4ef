"""`flowmusic invert`, and `flowmusic generate` with what it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle, concept
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.field import VectorField
from flowmusic.model.pseudowords import Concept
from flowmusic.model.text import DIM as TEXT_DIM
from flowmusic.model.text import SHA256, TextEncoder
from tests.apps.conftest import tone
from tests.generate.tiny import DIM, TinyCodec

Write = Callable[[str, torch.Tensor], Path]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Generator:
    """Encoder and field of the real kinds, small and random, behind `--model nano`."""
    torch.manual_seed(0)
    encoder = ConditionEncoder(DIM, 16, {})
    field = VectorField(DIM, encoder.frames_dim, 16, layers=2, heads=2)
    for parameter in field.parameters():  # the zero start would hear no text
        torch.nn.init.normal_(parameter, std=0.2)
    for part in (encoder, field):
        part.requires_grad_(False)
    generator = Generator(field, encoder, TinyCodec(), name="nano", seconds=2.0)
    monkeypatch.setattr(bundle, "load", lambda name, device="cpu", precision="fp32": generator)
    return generator


def clip(wav: Write, seconds: float = 3.2) -> Path:
    return wav("ref.wav", tone(220.0, seconds) * tone(1.5, seconds))


def saved(name: str = "dusk", file: str = "dusk.safetensors", model: str = "nano") -> str:
    # As large as embeddings of words are: the layer norm behind them hides the scale of much larger ones.
    rows = 0.055 * torch.randn(3, TEXT_DIM, generator=torch.Generator().manual_seed(sum(name.encode())))
    concept.write(file, Concept(name, rows[1:], rows[0], SHA256, {"model": model}))
    return file


def test_from_recordings_to_a_take(
    here: Path, toy: Generator, ears: object, wav: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    ref = str(clip(wav))
    argv = ["invert", ref, ref, "--token", "<dusk>", "--vectors", "3", "--steps", "2", "--seed", "5", "--init", "piano"]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert out == "dusk.safetensors\n" and "held-out loss" in err
    assert sorted(path.name for path in here.iterdir()) == ["dusk.safetensors", "ref.wav"]
    found = concept.read("dusk.safetensors", TextEncoder())
    assert (found.name, found.vectors.shape) == ("dusk", (3, TEXT_DIM))
    assert {key: found.record[key] for key in ("model", "seed", "steps", "init")} == {
        "model": "nano",
        "seed": 5,
        "steps": 2,
        "init": "piano",
    }
    assert main([*argv, "--out", "again.safetensors", "--quiet"]) == 0
    assert capsys.readouterr() == ("again.safetensors\n", "")
    assert Path("again.safetensors").read_bytes() == Path("dusk.safetensors").read_bytes()

    take = ["generate", "a <dusk>:0.6 waltz", "--concept", "dusk.safetensors", "--seconds", "1", "--quiet"]
    assert main([*take, "--seed", "1", "--steps", "1"]) == 0
    record = json.loads(Path("take.json").read_text())
    assert record["text"] == "a <dusk>:0.6 waltz"
    assert record["controls"]["sources"] == {"<dusk>": "dusk.safetensors"}


def test_concepts_change_the_take(here: Path, toy: Generator, ears: object) -> None:
    files = ["--concept", saved(), "--concept", saved("dawn", "dawn.safetensors")]
    waves = {}
    for prompt in ("<dusk>", "<dawn>", "<dusk> <dawn>", "<dusk>:2"):
        argv = ["generate", prompt, *files, "--seconds", "1", "--seed", "1", "--steps", "2", "--quiet"]
        assert main(argv) == 0
        waves[prompt] = Path("take.wav").read_bytes()
    assert len(set(waves.values())) == 4
    sources = json.loads(Path("take.json").read_text())["controls"]["sources"]
    assert sources == {"<dusk>": "dusk.safetensors", "<dawn>": "dawn.safetensors"}


def test_what_does_nothing_is_said(
    here: Path, toy: Generator, ears: object, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["generate", "a waltz", "--concept", saved(model="mega"), "--seconds", "1", "--steps", "1"]
    assert main(argv) == 0
    err = capsys.readouterr().err
    assert "does not mention <dusk> of dusk.safetensors" in err and "learned with mega; nano" in err


def refused(argv: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"flowmusic {argv[0]}: error: ") and err.count("\n") == 1, err
    assert all(word in err for word in words), err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a <noon> waltz", ["<noon>", "known pseudowords: <dusk>"]),
        ("a <dusk>:0,5 waltz", ["<dusk>:0,5", "from 0"]),
        ("slow " * 70 + "<dusk>", ["<dusk>", "first 62 tokens"]),
    ],
)
def test_prompts_that_cannot_be_said(
    text: str, words: list[str], here: Path, toy: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(["generate", text, "--concept", saved()], words, capsys)
    assert [path.name for path in here.iterdir()] == ["dusk.safetensors"]


def test_concept_files_that_do_not_serve(here: Path, toy: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["generate", "a <dusk> waltz"], ["<dusk>", "known pseudowords: none", "--concept"], capsys)
    refused(["generate", "x", "--concept", "gone"], ["--concept", "gone", "not found"], capsys)
    Path("words.safetensors").write_text("words")
    refused(["generate", "x", "--concept", "words.safetensors"], ["not a concept file"], capsys)
    twice = ["--concept", saved(), "--concept", saved(file="other.safetensors")]
    refused(["generate", "x", *twice], ["dusk.safetensors", "other.safetensors", "<dusk>"], capsys)


def test_models_without_pseudowords(
    here: Path, model: Generator, wav: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(["generate", "x", "--concept", saved()], ["tiny has no text encoder"], capsys)
    refused(["invert", str(clip(wav)), "--token", "dusk"], ["tiny cannot learn a pseudoword", "nano"], capsys)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--token", "two words"], ["two words", "1 to 32"]),
        (["--token", "<>"], ["<>", "1 to 32"]),
        (["--token", "x" * 33], ["1 to 32"]),
        ([], ["--token"]),
        (["--token", "x", "--vectors", "0"], ["--vectors", "between 1 and 16"]),
        (["--token", "x", "--steps", "0"], ["--steps"]),
        (["--token", "x", "--seed", "-1"], ["--seed"]),
        (["--token", "x", "--out", "x.wav"], ["x.wav", ".safetensors"]),
        (["--token", "x", "--out", "gone/x.safetensors"], ["gone", "create it"]),
        (["--token", "x", "--model", "mega"], ["mega", "nano"]),
        (["--token", "x", "--init", "zzqxv"], ["zzqxv", "single token"]),
    ],
)
def test_flags_of_invert(
    argv: list[str], words: list[str], here: Path, toy: Generator, wav: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(["invert", str(clip(wav)), *argv], words, capsys)
    assert [path.name for path in here.iterdir()] == ["ref.wav"]


def test_clips_of_invert(here: Path, toy: Generator, wav: Write, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["invert", "gone.wav", "--token", "x"], ["gone.wav", "not found"], capsys)
    refused(["invert", str(clip(wav, 2.9)), "--token", "x"], ["ref.wav", "2.900 s", "3.0 s"], capsys)
    wav("quiet.wav", torch.zeros(16_000 * 4))
    refused(["invert", "quiet.wav", "--token", "x"], ["quiet.wav", "silent"], capsys)


def test_a_damaged_state_is_named(here: Path, toy: Generator, wav: Write, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.partial").write_text("words")
    refused(["invert", str(clip(wav)), "--token", "x", "--quiet"], ["x.partial", "delete it"], capsys)


def test_another_run_and_a_second_one_at_once_are_refused(
    here: Path, toy: Generator, wav: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["invert", str(clip(wav)), "--token", "dusk", "--steps", "2", "--quiet"]

    def second(path: Path, found: Concept) -> Path:
        refused(argv, ["another run goes on in dusk.partial", "--out"], capsys)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(concept, "write", second)
    assert main(argv) == 1
    capsys.readouterr()
    before = Path("dusk.partial").read_bytes()
    refused([*argv, "--seed", "1", "--vectors", "3"], ["dusk.partial", "vectors was 2, is 3; seed was 0, is 1"], capsys)
    assert Path("dusk.partial").read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == ["dusk.partial", "ref.wav"]


def test_the_state_outlives_a_result_that_cannot_be_written(
    here: Path, toy: Generator, wav: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["invert", str(clip(wav)), "--token", "dusk", "--steps", "2", "--quiet"]
    write = concept.write

    def full(path: Path, found: Concept) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(concept, "write", full)
    assert main(argv) == 1
    assert sorted(path.name for path in here.iterdir()) == ["dusk.partial", "ref.wav"]
    monkeypatch.setattr(concept, "write", write)
    assert main(argv) == 0
    assert sorted(path.name for path in here.iterdir()) == ["dusk.safetensors", "ref.wav"]
