"""LAION-CLAP as the judge of words, on random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from flowmusic.audio import Audio
from flowmusic.hashes import of_file
from flowmusic.interop import text_audio
from flowmusic.interop.clap import Clap
from flowmusic.interop.fitting import ModelError
from flowmusic.metrics.text_audio import TextAudio
from flowmusic.model.encode import ConditionEncoder
from tests.interop import tiny_clap


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clap.write(tmp_path_factory.mktemp("weights") / "clap")


def tone(hz: float, rate: int, seconds: float = 2.0) -> Audio:
    time = torch.arange(round(seconds * rate)) / rate
    return Audio(0.3 * torch.sin(2 * torch.pi * hz * time)[None], rate)


def test_recordings_and_texts_meet_in_one_space(folder: Path) -> None:
    judge = TextAudio.load(f"clap:{folder}")
    takes = [tone(300.0, 32_000), tone(3000.0, 48_000, 3.0)]
    heard, said = judge.embed_audio(takes), judge.embed_text(["slow jazz", "fast " * 40])
    assert heard.shape == said.shape == (2, tiny_clap.DIM)
    assert torch.allclose(heard.norm(dim=-1), torch.ones(2)) and torch.allclose(said.norm(dim=-1), torch.ones(2))
    assert not torch.allclose(heard[0], heard[1], atol=1e-3) and not torch.allclose(said[0], said[1], atol=1e-3)
    assert torch.allclose(judge.text_cos(takes, ["slow jazz"] * 2), (heard @ said[:1].T)[:, 0], atol=1e-6)


def test_texts_do_not_depend_on_their_neighbours(folder: Path) -> None:
    clap = Clap(folder)
    together = clap.embed_texts(["slow jazz", "a much longer description"])
    assert torch.allclose(together[0], clap.embed_texts(["slow jazz"])[0], atol=1e-5)


def test_weights_that_lack_something_are_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("text_projection.linear1.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"missing \['text_projection.linear1.weight'\]"):
        Clap(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="does not hold a CLAP"):
        Clap(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"has no preprocessor_config\.json"):
        TextAudio.load(f"clap:{tmp_path}")


def test_it_can_be_what_a_generator_reads_words_with(folder: Path) -> None:
    settings = {"model": f"clap:./{folder.name}", "dim": tiny_clap.DIM, "words": False}
    encoder = ConditionEncoder(4, 16, {}, joint=settings)
    text_audio.attach(encoder, folder.parent)
    assert encoder.joint is not None and encoder.joint.sha256 == of_file(folder / "model.safetensors")
    vectors, there = encoder.joint.vectors(["slow jazz", None])
    assert there.tolist() == [[True], [False]]
    assert torch.allclose(vectors[0], Clap(folder).embed_texts(["slow jazz"])[0], atol=1e-5)
    with pytest.raises(ValueError, match=r"mentions <dusk>, but clap.*takes no pseudowords"):
        encoder.joint(["a <dusk> tune"])


def test_an_unknown_name_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="neither a folder nor a hub id"):
        TextAudio.load("clap:nothing here")
