"""JASCO's field: the bound form is the plain one, and each shortcut is exact; its encoder and the named quirks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from flowmusic.flow.guide import guided, guided_by_loop, stack
from flowmusic.generate.branches import merge
from flowmusic.model.jasco.encoder import QUIRKS, JascoEncoder
from flowmusic.model.jasco.field import JascoField, time_features
from flowmusic.model.jasco.layers import positions
from flowmusic.model.text import FrozenText
from flowmusic.types import Condition, Controls, FrameGrid, Guidance, Track

WIDTH, FRAMES, TEXT = 16, 34, 6


class Letters(FrozenText):
    """A stand-in for T5: one state a letter, and one for the end."""

    dim = TEXT

    @property
    def fingerprint(self) -> str:
        return "letters"

    def _load(self) -> tuple[Any, Any]:
        raise AssertionError("nothing to load")

    def _token_ids(self, text: str) -> list[int]:
        raise AssertionError("nothing to tokenise")

    def _encode(self, texts: Sequence[str], batch: int = 64) -> dict[str, Tensor]:
        rows = {}
        for text in texts:
            codes = torch.tensor([ord(letter) for letter in text + "."], dtype=torch.float32)
            rows[text] = torch.sin(codes[:, None] * torch.arange(1, TEXT + 1))
        return rows


def field(skips: bool = False, layers: int = 4) -> JascoField:
    torch.manual_seed(0)
    made = JascoField(128, FRAMES, WIDTH, layers, 2, skips=skips).eval().requires_grad_(False)
    for name, parameter in made.named_parameters():
        if "norm" in name:  # as after training: no norm is the identity
            parameter.add_(0.3 * torch.randn_like(parameter))
        elif parameter.ndim == 2:
            parameter.mul_(2.0)
    return made


def condition(seed: int = 0, batch: int = 2, frames: int = 20, tokens: int = 5) -> Condition:
    generator = torch.Generator().manual_seed(seed)
    words = torch.randn(batch, tokens, WIDTH, generator=generator)
    words[-1, tokens - 2 :] = 0.0  # padding, which is attended
    features = torch.randn(batch, frames, FRAMES, generator=generator)
    return Condition(features, words, torch.ones(batch, tokens, dtype=torch.bool))


def point(batch: int = 2, frames: int = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(9)
    return torch.randn(batch, frames, 128, generator=generator), torch.rand(batch, generator=generator)


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("silent", [0, 1, 2])
def test_bound_equals_plain(skips: bool, silent: int) -> None:
    """Also where the last items, or all, have no word."""
    model, given = field(skips), condition()
    given.tokens[2 - silent :] = 0.0
    z, t = point()
    torch.testing.assert_close(model.bind(given)(z, t), model(z, t, given), atol=2e-5, rtol=1e-5)


def test_a_wordless_item_before_others_is_treated_like_them() -> None:
    model, given = field(), condition()
    given.tokens[0] = 0.0
    z, t = point()
    torch.testing.assert_close(model.bind(given)(z, t), model(z, t, given), atol=2e-5, rtol=1e-5)


def test_packed_weights_compute_the_same() -> None:
    given, (z, t) = condition(), point()
    exact = field()(z, t, given)
    packed = field().pack()
    torch.testing.assert_close(packed.bind(given)(z, t), exact, atol=5e-5, rtol=1e-4)
    torch.testing.assert_close(packed(z, t, given), exact, atol=5e-5, rtol=1e-4)


def test_lowered_matrices_keep_norms_and_residuals_in_full() -> None:
    given, (z, t) = condition(), point()
    exact, model = field()(z, t, given), field().lower(torch.bfloat16)
    assert model.blocks[0].dtype == torch.bfloat16 and model.blocks[0].norm_ff.weight.dtype == torch.float32
    rough = model.bind(given)(z, t)
    assert rough.dtype == torch.float32
    assert 0 < float((rough - exact).abs().max()) < 0.1 * float(exact.std())


def test_one_time_for_all_and_a_time_each() -> None:
    model, given, (z, _) = field(), condition(), point()
    same = model(z, torch.tensor(0.4), given)
    torch.testing.assert_close(same, model(z, torch.full((2,), 0.4), given))
    torch.testing.assert_close(model.bind(given)(z, torch.tensor(0.4)), same, atol=2e-5, rtol=1e-5)


@given(lengths=st.tuples(*[st.integers(1, 7)] * 3), a=st.floats(-3, 3), b=st.floats(-3, 3))
@settings(max_examples=20)
def test_guidance_stacks_branches_of_different_length(lengths: tuple[int, int, int], a: float, b: float) -> None:
    """Padding by stacking is masked; padding by the encoder is attended."""
    model, (z, t) = field(layers=2), point()
    branches = [(condition(i, tokens=m), w) for i, (m, w) in enumerate(zip(lengths, (a, b, 1 - a - b)))]
    together = guided(model, branches)(z, t)
    torch.testing.assert_close(together, guided_by_loop(model, branches)(z, t), atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(together, guided(lambda z, t, c: model(z, t, c), branches)(z, t), atol=2e-4, rtol=1e-3)


def test_padding_of_a_shorter_prompt_is_heard() -> None:
    """Q4: a token of zeros still takes part in the softmax."""
    model, given, (z, t) = field(), condition(), point()
    padded = Condition(given.frames, torch.nn.functional.pad(given.tokens, (0, 0, 0, 3)), torch.ones(2, 8).bool())
    assert not torch.allclose(model(z, t, given), model(z, t, padded), atol=1e-3)
    masked = stack([padded])
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[:, 5:] = False
    masked = Condition(padded.frames, padded.tokens, mask)
    for way in (lambda c: model(z, t, c), lambda c: model.bind(c)(z, t)):
        torch.testing.assert_close(way(masked), way(given), atol=2e-5, rtol=1e-5)


def test_mistakes_are_explained() -> None:
    model, given, (z, t) = field(), condition(), point()
    with pytest.raises(ValueError, match="bound to 2 conditions, got a batch of 3"):
        model.bind(given)(torch.zeros(3, 20, 128), torch.zeros(3))
    without = Condition(None, given.tokens, given.tokens_mask)
    for way in (lambda: model(z, t, without), lambda: model.bind(without)):
        with pytest.raises(ValueError, match="needs frame conditions"):
            way()
    with pytest.raises(ValueError, match="takes no second time r"):
        model(z, t, given, r=t)
    with pytest.raises(ValueError, match="multiple of the number of heads, 3"):
        JascoField(width=16, heads=3)
    with pytest.raises(ValueError, match="even number"):
        JascoField(width=17, heads=1)


def test_sinusoids_by_hand() -> None:
    assert positions(3, 4).tolist()[2] == pytest.approx([math.cos(2), math.cos(2e-4), math.sin(2), math.sin(2e-4)])
    row = time_features(torch.tensor([0.5]), 4)[0].tolist()
    assert row == pytest.approx([math.sin(0.5), math.sin(0.5e-4), math.cos(0.5), math.cos(0.5e-4)])


def test_the_published_size_has_its_parameters() -> None:
    """404 745 362 with melody, 404 728 114 without (reference, random weights), on no memory at all."""
    for melody, parameters in ((16, 404_745_362), (0, 404_728_114)):
        with torch.device("meta"):
            encoder = JascoEncoder(1024, Letters(), melody_dim=melody)
            model = JascoField(frames_dim=encoder.frames_dim)
        assert sum(p.numel() for part in (encoder, model) for p in part.parameters()) == parameters


# The encoder

GRID = FrameGrid(Fraction(50), 12)


def encoder(quirks: frozenset[str] = QUIRKS, melody_dim: int = 16) -> JascoEncoder:
    torch.manual_seed(1)
    made = JascoEncoder(WIDTH, Letters(), melody_dim=melody_dim, drums_latent_dim=5, text_dim=TEXT, quirks=quirks)
    made.set_drum_codes(torch.randn(7, 5), torch.tensor([3, 3, 4]))
    return made.eval().requires_grad_(False)


def track(values: Tensor, known: slice = slice(None)) -> Track:
    mask = torch.zeros(values.shape[:2], dtype=torch.bool)
    mask[:, known] = True
    return Track(values, mask, GRID)


def everything(text: str | None = "abc") -> Controls:
    generator = torch.Generator().manual_seed(3)
    melody = torch.nn.functional.one_hot(torch.randint(53, (1, 12), generator=generator), 53).float()
    drums = torch.randint(7, (1, 12), generator=generator)
    chords = torch.randint(1, 190, (1, 12), generator=generator)
    return Controls((text,), {"chords": track(chords), "drums": track(drums), "melody": track(melody)})


def parts(condition: Condition) -> tuple[Tensor, Tensor, Tensor]:
    assert condition.frames is not None
    chords, drums, melody = condition.frames.split([16, 2, 16], dim=-1)
    return chords, drums, melody


def test_nulls_are_those_of_training() -> None:
    model = encoder()
    chords, drums, melody = parts(model(Controls((None,)), GRID))
    assert torch.equal(chords, model.chords.weight[194].expand(1, 12, 16))
    assert torch.equal(drums, model.drums.bias.expand(1, 12, 2))
    assert torch.equal(melody, model.melody.bias.expand(1, 12, 16))
    tokens = model(Controls((None, "ab")), GRID)
    assert tokens.tokens.shape == (2, 3, WIDTH) and not tokens.tokens[0].any() and bool(tokens.tokens_mask.all())


def test_drums_are_blurred_codebook_vectors() -> None:
    model, controls = encoder(), everything()
    vectors = model.codebook[controls.tracks["drums"].values]
    means = vectors.unflatten(1, (4, 3)).mean(2).repeat_interleave(3, dim=1)
    torch.testing.assert_close(parts(model(controls, GRID))[1], model.drums(means))
    torch.testing.assert_close(model.drum_features(vectors), model.drums(means))


def test_dropped_drums_are_encoded_silence_in_guidance_only() -> None:
    """Q1."""
    controls, model = everything(), encoder()
    silence = torch.tensor([3, 3] + [4] * 10)
    heard = model.drum_features(model.codebook[silence][None])
    torch.testing.assert_close(parts(model.branch(controls, frozenset(), GRID))[1], heard)
    assert torch.equal(parts(model(controls.only([]), GRID))[1], model.drums.bias.expand(1, 12, 2))
    # Nobody asked for drums: the null of training.
    quiet = controls.only(["chords", "text"])
    assert torch.equal(parts(model.branch(quiet, frozenset(), GRID))[1], model.drums.bias.expand(1, 12, 2))
    plain = encoder(QUIRKS - {"encoded silence"})
    assert torch.equal(parts(plain.branch(controls, frozenset(), GRID))[1], plain.drums.bias.expand(1, 12, 2))
    # In a batch, an item without drums hears silence too.
    both = Controls.stack([controls, controls.only(["text"])])
    drums = parts(model.branch(both, frozenset({"drums"}), GRID))[1]
    torch.testing.assert_close(drums[1:], heard)


def test_a_melody_without_chords_is_in_every_branch() -> None:
    """Q2."""
    controls, model = everything(), encoder()
    alone = controls.only(["melody", "text"])
    kept = parts(model.branch(alone, frozenset(), GRID))[2]
    torch.testing.assert_close(kept, parts(model(alone, GRID))[2])
    assert torch.equal(parts(model.branch(controls, frozenset(), GRID))[2], model.melody.bias.expand(1, 12, 16))
    plain = encoder(QUIRKS - {"melody stays"})
    assert torch.equal(parts(plain.branch(alone, frozenset(), GRID))[2], plain.melody.bias.expand(1, 12, 16))


def test_before_the_first_chord_is_no_chord() -> None:
    controls, model = everything().only(["chords"]), encoder()
    later = Controls((None,), {"chords": track(controls.tracks["chords"].values, slice(4, 9))})
    ids = parts(model(later, GRID))[0]
    assert torch.equal(ids[0, :4], model.chords.weight[0].expand(4, 16))
    assert torch.equal(ids[0, 9:], model.chords.weight[194].expand(3, 16))
    plain = encoder(frozenset())
    assert torch.equal(parts(plain(later, GRID))[0][0, :4], plain.chords.weight[194].expand(4, 16))


def test_branches_of_multi_source_guidance_differ_as_they_should() -> None:
    controls, model = everything(), encoder()
    terms = merge(Guidance.split(all=1.75, text=3.5), controls)
    assert [term.weight for term in terms] == pytest.approx([1.75, 3.5, -4.25])
    made = [model.branch(controls, term.keep, GRID) for term in terms]
    assert torch.equal(made[0].tokens, made[1].tokens) and not made[2].tokens.any()
    assert torch.equal(made[1].frames, made[2].frames) and not torch.equal(made[0].frames, made[1].frames)


def test_features_of_another_length_are_cut_or_end_in_zeros() -> None:
    model = encoder()
    features = {name: torch.ones(1, n, d) for name, n, d in (("chords", 9, 16), ("drums", 12, 2), ("melody", 14, 16))}
    joined = model.joined(features, 12)
    assert joined.shape == (1, 12, 34) and joined.sum() == 9 * 16 + 12 * 2 + 12 * 16 and not joined[0, 9:, :16].any()


def test_a_model_without_melody_and_other_mistakes() -> None:
    small = encoder(melody_dim=0)
    assert small.names == ("chords", "drums") and small.frames_dim == 18
    with pytest.raises(ValueError, match=r"no control named \['melody'\]; it has: chords, drums, text"):
        small(everything(), GRID)
    with pytest.raises(ValueError, match="no melody control"):
        small.melody_features(torch.zeros(1, 12, 53))
    with pytest.raises(ValueError, match=r"unknown quirks.*encoded silence"):
        encoder(frozenset({"odd"}))
    with pytest.raises(ValueError, match="12 frames, the grid has 13"):
        encoder()(everything(), FrameGrid(Fraction(50), 13))
    controls = Controls((None,), {"drums": track(torch.full((1, 12), 9))})
    with pytest.raises(ValueError, match="below 7, the size of the first codebook, got 9"):
        encoder()(controls, GRID)
