"""Pseudowords in prompts: parsing, what they become in the text encoder, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flowmusic.model.jasco.t5 import T5Encoder
from flowmusic.model.pseudowords import Concept, Mention, mentioned, parse
from flowmusic.model.text import DIM, MAX_TOKENS, SHA256, TextEncoder


@pytest.fixture(scope="module")
def shared() -> TextEncoder:
    return TextEncoder()


@pytest.fixture
def text(shared: TextEncoder) -> TextEncoder:
    """Loaded once, with no concepts and nothing remembered."""
    shared.concepts.clear()
    shared.cache.clear()
    return shared


def concept(text: TextEncoder, word: str = "music", vectors: int = 2, name: str = "dusk", seed: int = 0) -> Concept:
    start = text.word_embedding(word)
    noise = torch.randn(vectors, DIM, generator=torch.Generator().manual_seed(seed))
    return Concept(name, start + 0.05 * noise, start, SHA256)


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("", []),
        ("a slow waltz", ["a slow waltz"]),
        ("<dusk>", [Mention("dusk")]),
        ("a <dusk> waltz", ["a ", Mention("dusk"), " waltz"]),
        ("<a>:0.6<b>:2", [Mention("a", 0.6), Mention("b", 2.0)]),
        ("<a>:.5, slow", [Mention("a", 0.5), ", slow"]),
        ("like <a>:0.6. Slow", ["like ", Mention("a", 0.6), ". Slow"]),
        ("<a>: slow", [Mention("a"), ": slow"]),
        ("<a>:0", [Mention("a", 0.0)]),
        ("3 < 4 > 2, <two words>, <>, i <3 u", ["3 < 4 > 2, <two words>, <>, i <3 u"]),
    ],
)
def test_parsing(prompt: str, parts: list[str | Mention]) -> None:
    assert parse(prompt) == parts
    assert mentioned(prompt) == [part.name for part in parts if isinstance(part, Mention)]


@pytest.mark.parametrize("scale", ["-1", "11", "0,6", "1.2.3"])
def test_a_scale_that_is_none_is_refused(scale: str) -> None:
    with pytest.raises(ValueError, match=rf"<dusk>:{scale}.*0 .*1 .*10"):
        parse(f"a <dusk>:{scale} waltz")


def test_prompts_without_pseudowords_take_the_old_path(text: TextEncoder) -> None:
    prompt = "a slow waltz (3 < 4)"
    before = text.states(prompt)
    text.concepts["dusk"] = concept(text)
    assert torch.equal(text.states(prompt), before)
    text.remember([prompt])
    assert torch.equal(text.states(prompt), before.half().float())


def test_the_starting_word_itself_is_the_plain_prompt(text: TextEncoder) -> None:
    text.concepts["dusk"] = concept(text, "piano", vectors=1)
    plain = text.states("a slow piano waltz, please")
    assert torch.equal(text.states("a slow <dusk>:0 waltz, please"), plain)
    assert not torch.allclose(text.states("a slow <dusk> waltz, please"), plain, atol=1e-3)


def test_every_vector_is_a_position(text: TextEncoder) -> None:
    text.concepts["dusk"] = concept(text, vectors=3)
    assert text.states("a <dusk> waltz").shape == (2 + 3, DIM)
    assert text.states("<dusk>").shape == (3, DIM)
    assert text.states("a <dusk>:0 waltz").shape == text.states("a music music music waltz").shape
    torch.testing.assert_close(text.states("a <dusk>:0 waltz"), text.states("a music music music waltz"))


def test_concepts_are_scaled_and_mixed(text: TextEncoder) -> None:
    dusk, dawn = concept(text), concept(text, "piano", name="dawn", seed=1)
    text.concepts.update(dusk=dusk, dawn=dawn)
    half = Concept("half", dusk.initial + 0.6 * (dusk.vectors - dusk.initial), dusk.initial, SHA256)
    text.concepts["half"] = half
    torch.testing.assert_close(text.states("<dusk>:0.6 and <dawn>"), text.states("<half> and <dawn>"))
    assert not torch.allclose(text.states("<dusk>:0.6 and <dawn>"), text.states("<dusk> and <dawn>"), atol=1e-3)
    assert not torch.allclose(text.states("<dusk> and <dawn>"), text.states("<dawn> and <dusk>"), atol=1e-3)


def test_a_registered_name_is_the_one_that_counts(text: TextEncoder) -> None:
    text.concepts["evening"] = text.concepts["dusk"] = concept(text)
    assert torch.equal(text.states("<evening>"), text.states("<dusk>"))


def test_prompts_with_concepts_are_never_remembered(text: TextEncoder, tmp_path: Path) -> None:
    text.concepts["dusk"] = concept(text)
    text.remember(["plain", "a <dusk> piece"], tmp_path)
    assert list(text.cache) == ["plain"]
    before = text.states("a <dusk> piece")
    text.concepts["dusk"] = concept(text, seed=3)
    assert not torch.allclose(text.states("a <dusk> piece"), before, atol=1e-3)


def test_gradients_reach_the_vectors_alone(text: TextEncoder) -> None:
    plain = concept(text)
    vectors = plain.vectors.clone().requires_grad_(True)
    text.concepts["dusk"] = Concept("dusk", vectors, plain.initial, SHA256)
    states, mask = text(["a <dusk> waltz", "techno", None])
    assert mask.sum(1).tolist() == [4, 1, 0]
    states.square().sum().backward()
    assert vectors.grad is not None and bool((vectors.grad.abs().sum(1) > 0).all())
    model, _ = text.loaded()
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())


def test_an_unknown_name_lists_the_known_ones(text: TextEncoder) -> None:
    with pytest.raises(ValueError, match=r"<dusk>.*known pseudowords: none"):
        text.states("a <dusk> waltz")
    text.concepts.update(dusk=concept(text), dawn=concept(text, name="dawn"))
    for refuse in (text.check, text.states, lambda prompt: text.remember([prompt]), lambda prompt: text([prompt])):
        with pytest.raises(ValueError, match=r"<noon>.*<dawn>, <dusk>"):
            refuse("a <noon> waltz")
    text.check("a <dusk> waltz in the <dawn>")


def test_a_concept_of_another_encoder_is_refused(text: TextEncoder) -> None:
    good = concept(text)
    text.concepts["dusk"] = Concept("dusk", good.vectors, good.initial, "0" * 64)
    with pytest.raises(ValueError, match=r"000000000000.*53aa51172d14"):
        text.states("<dusk>")
    text.concepts["dusk"] = Concept("dusk", torch.zeros(1, 8), torch.zeros(8), SHA256)
    with pytest.raises(ValueError, match=r"8 dimensions.*384"):
        text.states("<dusk>")


def test_a_long_prompt_loses_its_end_but_no_pseudoword(text: TextEncoder) -> None:
    text.concepts["dusk"] = concept(text)
    room = MAX_TOKENS - 2
    assert text.states("slow " * (room - 2) + "<dusk>").shape == (room, DIM)
    assert text.states("<dusk>" + " slow" * 200).shape == (room, DIM)
    with pytest.raises(ValueError, match=r"<dusk> lies beyond the first 62 tokens"):
        text.states("slow " * (room - 1) + "<dusk>")


def test_a_pseudoword_is_known_and_takes_its_vectors_of_the_length(text: TextEncoder) -> None:
    text.concepts["dusk"] = concept(text)
    assert text.unread("<dusk>") == text.unread("<dusk>:0.5 " + "slow " * 60) == []
    assert "1 of its 62 words are not read, from 'waltz' on" in text.unread("<dusk> " + "slow " * 60 + "waltz")[0]


@pytest.mark.parametrize("word", ["lofi-beat", "", "two words", "zzqxv"])
def test_a_start_of_several_tokens_is_refused(text: TextEncoder, word: str) -> None:
    with pytest.raises(ValueError, match="single token"):
        text.word_embedding(word)


@pytest.mark.parametrize("name", ["", "two words", "x" * 33, "<dusk>", "naïve", "a.b"])
def test_a_name_that_is_no_word_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        Concept(name, torch.zeros(1, DIM), torch.zeros(DIM), SHA256)


def test_shapes_of_a_concept_are_checked() -> None:
    for vectors, initial in ((torch.zeros(DIM), torch.zeros(DIM)), (torch.zeros(0, DIM), torch.zeros(DIM))):
        with pytest.raises(ValueError, match=r"vectors of <dusk>"):
            Concept("dusk", vectors, initial, SHA256)
    with pytest.raises(ValueError, match=r"initial of <dusk>"):
        Concept("dusk", torch.zeros(1, DIM), torch.zeros(DIM - 1), SHA256)


def test_t5_says_that_it_takes_none(tmp_path: Path) -> None:
    encoder = T5Encoder(tmp_path / "never loaded")
    for refuse in (encoder.states, encoder.check, lambda prompt: encoder.remember([prompt])):
        with pytest.raises(ValueError, match=r"<dusk>.*takes no pseudowords"):
            refuse("a <dusk> waltz")
