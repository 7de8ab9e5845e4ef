"""What is said of prompts that the text encoder does not read."""

from __future__ import annotations

from fractions import Fraction

import pytest

from flowmusic.model.text import MAX_TOKENS, TextEncoder
from flowmusic.types import Controls
from tests.generate.tiny import tiny_generator

ROOM = MAX_TOKENS - 2


@pytest.fixture(scope="module")
def text() -> TextEncoder:
    return TextEncoder()


@pytest.mark.parametrize(
    "prompt", ["warm lo-fi beat + 808s, 90's!", "café niño", "langsamer Walzer", "123", "word " * ROOM, "a — b … «c»"]
)
def test_a_prompt_that_is_read_is_silent(text: TextEncoder, prompt: str) -> None:
    assert text.unread(prompt) == []


@pytest.mark.parametrize(
    "prompt", ["тёплый джаз", "音楽 ジャズ", "静かなピアノ", "موسيقى", "हल्का संगीत", "가나다 음악", "🎵🎶 🔥", "𝓳𝓪𝔃𝔃"]
)
def test_nothing_known(text: TextEncoder, prompt: str) -> None:
    (said,) = text.unread(prompt)
    assert repr(prompt) in said and "nothing of it is known to the text encoder; write English words" in said


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("... — !?", "the prompt '... — !?': it holds no words"),
        ("🎵 jazz 🎵", "not known to the text encoder in the prompt: '🎵'; write English words"),
        ("jazz ЖЖ ПП ФФ ЛЛ", "in the prompt: 'ЖЖ', 'ПП', 'ФФ' and 1 more;"),
        ("word " * ROOM + "late", f"reads {ROOM} word pieces: 1 of its {ROOM + 1} words are not read, from 'late' on"),
        ("slow " * (ROOM - 1) + "zzqxv", f"1 of its {ROOM} words are not read, from 'zzqxv' on"),
        ("warm, " * ROOM, f"{ROOM // 2} of its {ROOM} words are not read, from 'warm,' on"),
    ],
)
def test_what_is_left_out_is_said(text: TextEncoder, prompt: str, said: str) -> None:
    (notice,) = text.unread(prompt)
    assert said in notice and len(notice) < 300


def test_a_take_carries_what_was_not_read(text: TextEncoder) -> None:
    generator = tiny_generator(seconds=1.0)
    assert generator.generate(Controls(("ничего",)), seed=1).warnings == ()  # it has no such encoder
    generator.encoder.text = text
    take = generator.generate(Controls(("ничего", None, "slow", "ничего")), grid=generator.grid(1.0), seed=1)
    assert len(take.warnings) == 1 and "'ничего'" in take.warnings[0]
    assert take.audio.seconds == pytest.approx(1.0, abs=float(Fraction(1, 25)))
