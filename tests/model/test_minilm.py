"""Our MiniLM beside transformers' BERT, which reads the same published file."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from flowmusic.model.minilm import MiniLM
from flowmusic.model.text import MAX_TOKENS, TextEncoder, weights_folder

ROOT = Path(__file__).resolve().parents[2]
STRANGE = (
    "",
    " ",
    "x",
    "!!! ... — ?",
    "word " * 200,
    "antidisestablishmentarianism " * 30,
    "café niño, façade",
    "тёплый джаз",
    "静かなピアノ 音楽",
    "موسيقى هادئة",
    "🎵 jazz 🎵🔥",
    "𝓳𝓪𝔃𝔃 ﬁne",
    "tab\tand\nline",
    "zero\u200bwidth \u0301",
    "[CLS] [MASK] [SEP] [UNK]",
    "90's 808s #1 @120bpm F#m7b5",
)
CAPTIONS = (
    *STRANGE,
    *(
        f"{mood} {genre} {rest}".strip()
        for mood, genre, rest in itertools.product(
            ("", "warm", "dark and slow", "Bright"),
            ("lo-fi beat", "jazz trio", "reggae", "drum and bass", "bossa nova", "orchestral piece"),
            (
                "",
                "with electric piano",
                "at 96 bpm in A minor",
                "without drums; a flute carries the tune over strings",
                "that begins quietly, grows over eight bars and ends with the whole band in unison, " * 2,
                "(live, 1974)",
                "for a film about the sea",
                "band, brushes on the snare, upright bass, muted trumpet and a singer who hums",
            ),
        )
    ),
)[:200]


@pytest.fixture(scope="module")
def text() -> TextEncoder:
    return TextEncoder()


@pytest.fixture(scope="module")
def reference() -> tuple[Any, Any]:
    """Model and tokenizer as transformers loads them."""
    from transformers import AutoTokenizer, BertModel

    folder = weights_folder()
    model = BertModel.from_pretrained(str(folder), add_pooling_layer=False).eval()
    return model, AutoTokenizer.from_pretrained(str(folder))


@torch.no_grad()
def test_states_of_200_captions(text: TextEncoder, reference: tuple[Any, Any]) -> None:
    model, tokenizer = reference
    assert len(set(CAPTIONS)) == len(CAPTIONS) == 200
    ids = tokenizer(list(CAPTIONS), truncation=True, max_length=MAX_TOKENS)["input_ids"]
    assert max(map(len, ids)) == MAX_TOKENS
    found = text._encode(CAPTIONS)
    by_length: dict[int, list[int]] = {}
    for index, row in enumerate(ids):
        by_length.setdefault(len(row), []).append(index)
    for group in by_length.values():
        wanted = model(input_ids=torch.tensor([ids[index] for index in group])).last_hidden_state
        for index, states in zip(group, wanted, strict=True):
            inner = states[1:-1] if len(states) > 2 else states
            torch.testing.assert_close(found[CAPTIONS[index]], inner, atol=1e-5, rtol=0)


def test_embeddings_in_place_of_words_and_their_gradients(text: TextEncoder, reference: tuple[Any, Any]) -> None:
    own, _ = text.loaded()
    ids = torch.tensor([[101, 4942, 2189, 3614, 102]])
    words = own.embeddings.word_embeddings(ids)
    assert torch.equal(own(inputs_embeds=words).last_hidden_state, own(input_ids=ids).last_hidden_state)
    gradients: list[Tensor] = []
    for model in (own, reference[0]):
        given = words.clone().requires_grad_()
        model(inputs_embeds=given).last_hidden_state.square().mean().backward()
        assert given.grad is not None and given.grad.any()
        gradients.append(given.grad)
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-4)
    assert not any(parameter.requires_grad for parameter in own.parameters())


def test_any_size_has_the_names_of_the_published_file(reference: tuple[Any, Any]) -> None:
    from transformers import BertConfig, BertModel

    sizes = {"vocab_size": 11, "max_position_embeddings": 8, "hidden_size": 12, "num_hidden_layers": 2}
    config = BertConfig(**sizes, num_attention_heads=3, intermediate_size=20)
    torch.manual_seed(0)
    theirs = BertModel(config, add_pooling_layer=False).eval()
    ours = MiniLM(vocabulary=11, positions=8, dim=12, layers=2, heads=3, hidden=20).eval()
    ours.load_state_dict(theirs.state_dict())
    ids = torch.randint(11, (3, 8))
    torch.testing.assert_close(ours(ids).last_hidden_state, theirs(ids).last_hidden_state, atol=1e-6, rtol=0)


@pytest.mark.parametrize("given", [{}, {"input_ids": torch.tensor([[1]]), "inputs_embeds": torch.zeros(1, 1, 384)}])
def test_either_ids_or_embeddings(text: TextEncoder, given: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        text.loaded()[0](**given)


def test_prompts_and_their_notices_need_no_transformers() -> None:
    code = (
        "import sys; from flowmusic.model.text import TextEncoder; text = TextEncoder(); text.states('slow jazz'); "
        "assert text.unread('тёплый jazz'); print([n for n in ('transformers', 'scipy', 'sympy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
