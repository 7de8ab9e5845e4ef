"""A recording in place of words: one meaning of absent, two sides brought together, other models as they were."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.text_audio_conditioner import TextAudioConditioner, embed_audio
from flowmusic.types import AudioPrompt, Controls, FrameGrid

GRID = FrameGrid(Fraction(25), 10)
DIM, WIDTH = 6, 16
JOINT = {"model": "fake", "dim": DIM, "tokens": 2, "noise": 0.5}


class FakeNetwork:
    """Texts by their letters; audio by the loudness of its beginning."""

    rate = 100
    words = None

    def embed_samples(self, samples: Tensor) -> Tensor:
        found = torch.zeros(len(samples), DIM)
        found[:, 0], found[:, 1] = samples[:, :10].mean(1), 1.0
        return torch.nn.functional.normalize(found, dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        rows = [torch.randn(DIM, generator=torch.Generator().manual_seed(len(text))) for text in texts]
        return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


def encoder(**settings: object) -> ConditionEncoder:
    torch.manual_seed(0)
    made = ConditionEncoder(4, WIDTH, {}, pooled=True, joint={**JOINT, **settings}).eval()
    assert made.joint is not None
    made.joint.attach(FakeNetwork(), "hash")
    made.text.cache["slow jazz"] = torch.randn(2, 384)  # spares loading the text encoder
    return made


def heard(seed: int = 0) -> AudioPrompt:
    vector = torch.randn(DIM, generator=torch.Generator().manual_seed(100 + seed))
    return AudioPrompt(torch.nn.functional.normalize(vector, dim=-1))


@torch.no_grad()
def test_a_recording_goes_where_words_go_and_is_dropped_with_them() -> None:
    model = encoder()
    both = Controls((heard(), "slow jazz", None, "  "))
    found = model(both, GRID)
    # One token that is always there, then those of words, which a recording has none of, then two of the vector.
    assert found.tokens_mask[:, -2:].tolist() == [[True] * 2, [True] * 2, [False] * 2, [False] * 2]
    assert found.tokens_mask[0, 1:-2].sum() == 0 and found.tokens_mask[1, 1:-2].sum() > 0
    assert (found.tokens[2:] == 0).all() and (found.pooled[2:] == 0).all()
    assert (found.pooled[:2].abs().sum(1) > 0).all()
    dropped = model(both.only({"chords"}), GRID)
    assert not dropped.tokens_mask[:, 1:].any() and (dropped.pooled == 0).all()
    assert both.names() == {"text"} and Controls((heard(),)).names() == {"text"}
    assert model(both.only({"text"}), GRID).pooled.equal(found.pooled)
    alone = model(Controls((heard(),)), GRID)
    assert torch.allclose(alone.pooled[0], found.pooled[0], atol=1e-6)


@torch.no_grad()
def test_words_are_left_to_the_text_audio_model_where_it_was_said_so() -> None:
    found = encoder(words=False)(Controls(("slow jazz",)), GRID)
    assert found.tokens_mask.sum() == 3 and found.pooled.abs().sum() > 0


@torch.no_grad()
def test_noise_blurs_recordings_in_training_only_and_comes_from_the_generator() -> None:
    joint = encoder().joint
    assert joint is not None
    prompts = (heard(), "words")
    plain, _ = joint.vectors(prompts)
    assert joint.vectors(prompts)[0].equal(plain)
    joint.train()
    noisy = []
    for seed in (1, 1, 2):
        joint.generator = torch.Generator().manual_seed(seed)
        noisy.append(joint.vectors(prompts)[0])
    assert noisy[0].equal(noisy[1]) and not noisy[0][0].equal(noisy[2][0]) and not noisy[0][0].equal(plain[0])
    assert all(rows[1].equal(plain[1]) for rows in noisy)
    assert torch.allclose(torch.stack(noisy).norm(dim=-1), torch.ones(3, 2))


@torch.no_grad()
def test_centring_takes_the_mean_of_each_side_away() -> None:
    joint = encoder().joint
    assert joint is not None
    offset = torch.zeros(DIM)
    offset[0] = 5.0
    rows = torch.randn(200, DIM, generator=torch.Generator().manual_seed(3))
    sides = [torch.nn.functional.normalize(rows + sign * offset, dim=-1) for sign in (1.0, -1.0)]
    before = (sides[0] * sides[1]).sum(1).mean()
    joint.centre(*sides)
    joint.cache = {str(n): row for n, row in enumerate(sides[1])}
    audio, _ = joint.vectors([AudioPrompt(row) for row in sides[0]])
    text, _ = joint.vectors(list(joint.cache))
    after = (audio * text).sum(1).mean()
    assert before < -0.5 and after > 0.7
    plain = TextAudioConditioner("fake", WIDTH, DIM, centred=False).eval()
    plain.centre(*sides)
    assert plain.vectors([AudioPrompt(sides[0][0])])[0][0].equal(sides[0][0])


def test_what_does_not_fit_is_explained() -> None:
    known = TextAudioConditioner("nano_text_audio", WIDTH, DIM, sha256="a" * 64)
    with pytest.raises(ValueError, match=r"nano_text_audio has weights bbbb.*trained with aaaa"):
        known.attach(FakeNetwork(), "b" * 64)
    with pytest.raises(RuntimeError, match="not attached"):
        known(["words"])
    with pytest.raises(ValueError, match="heard with 3 numbers, fake hears with 6"):
        encoder()(Controls((AudioPrompt(torch.ones(3)),)), GRID)
    with pytest.raises(ValueError, match=r"noise >= 0 and one token or more, got -1"):
        TextAudioConditioner("fake", WIDTH, noise=-1.0)
    with pytest.raises(ValueError, match=r"AudioPrompt.vector must be \[E\] floats"):
        AudioPrompt(torch.ones(2, 3))
    words_only = ConditionEncoder(4, WIDTH, {}, pooled=True)
    with pytest.raises(ValueError, match=r"only a model with a text-audio model understands that.*text=mixed"):
        words_only(Controls((heard(),)), GRID)


def test_pseudowords_need_a_text_audio_model_that_takes_them() -> None:
    class Literal(FakeNetwork):
        def __getattribute__(self, name: str) -> object:
            if name == "words":
                raise AttributeError(name)
            return super().__getattribute__(name)

    model = encoder(words=False)
    assert model.joint is not None
    model.joint.attach(Literal(), "hash")
    with pytest.raises(ValueError, match=r"mentions <dusk>, but fake.*takes no pseudowords"):
        model(Controls(("a <dusk> tune",)), GRID)


def test_models_without_it_start_from_the_same_weights() -> None:
    torch.manual_seed(0)
    plain = ConditionEncoder(4, WIDTH, {}, pooled=True).state_dict()
    with_it = encoder().state_dict()
    assert all(plain[name].equal(with_it[name]) for name in plain)
    assert {name for name in with_it if name not in plain} == {
        f"joint.{name}" for name in ("tokens.weight", "tokens.bias", "pool.weight", "audio_mean", "text_mean")
    }


def test_a_recording_is_heard_in_windows_that_cover_it() -> None:
    network = FakeNetwork()
    ramp = torch.arange(2400, dtype=torch.float32)[None] / 2400
    found = embed_audio(network, Audio(ramp, 100))
    # 24 s: windows of 10 s that begin at 0, 4.67, 9.33 and 14 s.
    begins = found[:, 0] / found[:, 1] * 24.0 - 0.045
    assert begins.tolist() == pytest.approx([0.0, 4.67, 9.33, 14.0], abs=0.02)
    assert len(embed_audio(network, Audio(ramp[:, :300], 100))) == 1
    with pytest.raises(ValueError, match=r"0.50 s is too short to"):
        embed_audio(network, Audio(ramp[:, :50], 100))
    with pytest.raises(ValueError, match="NaN or infinite"):
        embed_audio(network, Audio(ramp / 0.0, 100))
