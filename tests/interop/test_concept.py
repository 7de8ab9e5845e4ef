"""Concept files: what they hold, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from flowmusic.interop import concept
from flowmusic.interop.fitting import ModelError
from flowmusic.model.jasco.t5 import T5Encoder
from flowmusic.model.pseudowords import Concept
from flowmusic.model.text import DIM, SHA256, TextEncoder

RECORD = {"model": "nano", "steps": 40, "seed": 3, "held_out": [1.0, 0.9]}


def example(vectors: int = 2) -> Concept:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(vectors + 1, DIM, generator=generator)
    return Concept("slow-dusk", rows[1:], rows[0], SHA256, RECORD)


def test_a_round_trip(tmp_path: Path) -> None:
    written = example()
    path = concept.write(tmp_path / "dusk.safetensors", written)
    found = concept.read(path, TextEncoder())
    assert (found.name, found.encoder, found.record) == ("slow-dusk", SHA256, RECORD)
    assert torch.equal(found.vectors, written.vectors) and torch.equal(found.initial, written.initial)
    assert path.stat().st_size < 6_000
    assert [p.name for p in tmp_path.iterdir()] == ["dusk.safetensors"]


def test_the_file_says_what_it_is_and_is_the_same_every_time(tmp_path: Path) -> None:
    first = concept.write(tmp_path / "a.safetensors", example())
    with safe_open(first, framework="pt") as file:
        described = json.loads(file.metadata()["flowmusic"])
    assert described == {
        "format": "flowmusic concept 1",
        "token": "slow-dusk",
        "encoder": {"fingerprint": SHA256[:8], "sha256": SHA256},
        "record": RECORD,
    }
    assert concept.write(tmp_path / "b.safetensors", example()).read_bytes() == first.read_bytes()


def test_vectors_that_are_being_learned_can_be_written(tmp_path: Path) -> None:
    plain = example()
    moving = Concept("x", plain.vectors.clone().requires_grad_(True), plain.initial, SHA256)
    path = concept.write(tmp_path / "x.safetensors", moving)
    assert torch.equal(concept.read(path, TextEncoder()).vectors, plain.vectors)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = concept.write(tmp_path / "x.safetensors", example())
    before = path.read_bytes()
    for record in ({"model": object()}, {"loss": float("nan")}):
        bad = Concept("x", torch.zeros(1, DIM), torch.zeros(DIM), SHA256, record)
        with pytest.raises(ValueError, match=r"plain data|not JSON compliant"):
            concept.write(path, bad)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def altered(path: Path, tensors: dict[str, torch.Tensor] | None = None, **changes: Any) -> Path:
    """A file with some of its description or tensors replaced."""
    described: dict[str, Any] = {
        "format": concept.FORMAT,
        "token": "dusk",
        "encoder": {"fingerprint": SHA256[:8], "sha256": SHA256},
        "record": {},
        **changes,
    }
    good = {"vectors": torch.zeros(2, DIM), "initial": torch.zeros(DIM)}
    save_file({**good, **(tensors or {})}, path, metadata={concept.KEY: json.dumps(described)})
    return path


def test_the_altered_file_is_read_when_nothing_is_altered(tmp_path: Path) -> None:
    assert concept.read(altered(tmp_path / "x.safetensors"), TextEncoder()).name == "dusk"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": {"fingerprint": "0" * 8, "sha256": "0" * 64}}, r"000000000000.*53aa51172d14.*flowmusic invert"),
        ({"encoder": None}, r"text encoder None"),
        ({"format": "flowmusic concept 99"}, r"concept 99.*concept 1"),
        ({"token": "two words"}, r"'two words'.*1 to 32"),
        ({"token": "x" * 33}, r"1 to 32"),
        ({"token": 5}, r"damaged"),
        ({"record": None}, r"damaged"),
        ({"tensors": {"vectors": torch.zeros(2, 8)}}, r"\[K, 384\].*\(2, 8\)"),
        ({"tensors": {"vectors": torch.zeros(17, DIM)}}, r"1 to 16"),
        ({"tensors": {"vectors": torch.zeros(DIM)}}, r"\[K, D\]"),
        ({"tensors": {"initial": torch.zeros(8)}}, r"D=384"),
        ({"tensors": {"vectors": torch.full((2, DIM), float("nan"))}}, r"finite"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = altered(tmp_path / "x.safetensors", **changes)
    with pytest.raises(ModelError, match=message) as caught:
        concept.read(path, TextEncoder())
    assert str(path) in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    words, tensors, no_json = tmp_path / "words", tmp_path / "tensors", tmp_path / "no_json"
    words.write_text("not tensors at all")
    save_file({"vectors": torch.zeros(1, DIM)}, tensors)
    save_file({"vectors": torch.zeros(1, DIM)}, no_json, metadata={concept.KEY: "{"})
    for path in (words, tensors, no_json):
        with pytest.raises(ModelError, match="not a concept file"):
            concept.read(path, TextEncoder())
    with pytest.raises(ModelError, match=r"not found.*flowmusic invert"):
        concept.read(tmp_path / "gone", TextEncoder())


def test_an_encoder_without_pseudowords_is_refused(tmp_path: Path) -> None:
    path = concept.write(tmp_path / "x.safetensors", example())
    with pytest.raises(ModelError, match="takes no pseudowords"):
        concept.read(path, T5Encoder(tmp_path))
