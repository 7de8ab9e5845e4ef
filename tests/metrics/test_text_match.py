"""Cosine and attributes by a space in which everything is known."""

from __future__ import annotations

import pytest
import torch

from flowmusic.audio import Audio
from flowmusic.metrics.text_match import TextMatch

WORDS = {"slow": [1.0, 0.0], "fast": [0.0, 1.0], "slow jazz": [0.8, 0.6]}
MATCH = TextMatch("known", lambda audio: audio.samples[:, :2], lambda texts: torch.tensor([WORDS[t] for t in texts]))
SLOW = Audio(torch.tensor([[1.0, 0.0]]), 2)


def test_cosine_and_attributes() -> None:
    choices = {"tempo": ["fast", "slow"], "mood": ["slow"]}
    found = MATCH.scores(SLOW, "slow jazz", {"tempo": "slow"}, choices)
    assert found == {"text_cos": pytest.approx(0.8), "text_attr": 1.0}
    assert MATCH.scores(SLOW, "fast", {"tempo": "fast"}, choices) == {"text_cos": 0.0, "text_attr": 0.0}


def test_what_cannot_be_judged_is_left_out() -> None:
    assert MATCH.scores(SLOW, None) == {}
    assert MATCH.scores(SLOW, None, {"mood": "slow"}, {"mood": ["slow"]}) == {}
