"""T5 as a text encoder, from a folder that is made here: padding, absence, and what is said when it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flowmusic.model.jasco.t5 import T5Encoder
from flowmusic.model.text import TextWeightsError
from tests.model import tiny_t5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_t5.write(tmp_path_factory.mktemp("t5"))


def test_states_are_the_models_own_whatever_the_batch(folder: Path) -> None:
    from transformers import AutoTokenizer, T5EncoderModel

    text = T5Encoder(folder, dim=16)
    states, mask = text(("slow jazz", None, "fast", ""))
    assert states.shape == (4, 3, 16)
    assert mask.tolist() == [[True] * 3, [False] * 3, [True, True, False], [False] * 3]
    # As the reference does it: one padded batch with an attention mask.
    tokens = AutoTokenizer.from_pretrained(folder)(["slow jazz", "fast"], padding=True, return_tensors="pt")
    with torch.no_grad():
        wanted = T5EncoderModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    torch.testing.assert_close(states[0], wanted[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(states[2, :2], wanted[1, :2], atol=1e-5, rtol=1e-5)
    assert not states[1].any() and not states[2, 2:].any()


def test_it_is_no_part_of_the_weights(folder: Path) -> None:
    text = T5Encoder(folder, dim=16)
    text(("slow",))
    assert not list(text.parameters()) and not text.state_dict() and text.fingerprint == folder.name


def test_absent_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(TextWeightsError, match=r"not found .*hf download google-t5/t5-base.*beside the checkpoint"):
        T5Encoder(tmp_path / "nothing")(("slow",))
    with pytest.raises(TextWeightsError, match="states of width 16, this model reads 768"):
        T5Encoder(folder)(("slow",))


def test_words_that_it_has_no_piece_for_are_said_and_any_length_is_read(folder: Path) -> None:
    text = T5Encoder(folder, dim=16)
    assert text.unread("slow jazz " * 500) == []
    (some,) = text.unread("slow джаз")
    assert "not known to the text encoder in the prompt: 'джаз'" in some and "English and some German" in some
    (none,) = text.unread("медленный джаз")
    assert "follows no words of the prompt 'медленный джаз'" in none
