"""Guidance: one stacked evaluation equals the sum of branches, and costs no more than it must."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from flowmusic.flow.guide import guided, guided_by_loop, stack
from flowmusic.types import Condition, Guidance

GOLDEN = Path(__file__).parents[1] / "golden"
WEIGHTS = st.floats(-5, 5)


class MaskedField:
    """Attends to the tokens that the mask allows, and sees frames: like a real field, on two lines."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, z: torch.Tensor, t: torch.Tensor, condition: Condition) -> torch.Tensor:
        self.batches.append(z.shape[0])
        mask = condition.tokens_mask[..., None]
        text = (condition.tokens * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
        frames = 0 if condition.frames is None else condition.frames
        return z * t[:, None, None] + text + frames


def condition(seed: int, tokens: int, batch: int = 2) -> Condition:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch, tokens, generator=generator) < 0.6
    mask[:, 0] = True
    frames = torch.randn(batch, 6, 3, generator=generator)
    return Condition(frames, torch.randn(batch, tokens, 3, generator=generator), mask)


@given(a=WEIGHTS, b=WEIGHTS, lengths=st.tuples(*[st.integers(1, 7)] * 3), seed=st.integers(0, 999))
def test_stacked_equals_looped(a: float, b: float, lengths: tuple[int, int, int], seed: int) -> None:
    branches = [(condition(seed + i, m), w) for i, (m, w) in enumerate(zip(lengths, (a, b, 1 - a - b)))]
    z = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(seed))
    t = torch.tensor([0.25, 0.5])
    field = MaskedField()
    torch.testing.assert_close(
        guided(field, branches)(z, t), guided_by_loop(field, branches)(z, t), atol=1e-4, rtol=1e-4
    )


@given(a=WEIGHTS, b=WEIGHTS)
def test_equal_branches_give_that_branch_for_any_weights(a: float, b: float) -> None:
    same = condition(0, 3)
    z, t = torch.ones(2, 6, 3), torch.tensor([0.1, 0.9])
    v = guided(MaskedField(), [(same, a), (same, b), (same, 1 - a - b)])(z, t)
    torch.testing.assert_close(v, MaskedField()(z, t, same), atol=1e-4, rtol=1e-4)


def test_zero_weight_branches_are_never_evaluated() -> None:
    field = MaskedField()
    branches = [(condition(0, 3), 0.0), (condition(1, 5), 1.0), (condition(2, 4), 0.0)]
    z, t = torch.ones(2, 6, 3), torch.full((2,), 0.5)
    assert torch.equal(guided(field, branches)(z, t), MaskedField()(z, t, condition(1, 5)))
    assert field.batches == [2]
    # 1 - 0.1 - 0.2 - 0.7 is 1e-16 in floating point, and means zero.
    rounding = [(condition(i, 3), w) for i, w in enumerate((0.1, 0.2, 0.7, 1 - 0.1 - 0.2 - 0.7))]
    guided(field, rounding)(z, t)
    assert field.batches == [2, 6]


def test_one_call_of_the_field_per_evaluation_and_inputs_left_alone() -> None:
    field = MaskedField()
    branches = [(condition(0, 3), 2.0), (condition(1, 5), -1.0)]
    before = [(c.tokens.clone(), c.tokens_mask.clone()) for c, _ in branches]
    velocity = guided(field, branches)
    for _ in range(3):
        velocity(torch.ones(2, 6, 3), torch.full((2,), 0.5))
    assert field.batches == [4, 4, 4]
    for (tokens, mask), (c, _) in zip(before, branches):
        assert torch.equal(tokens, c.tokens) and torch.equal(mask, c.tokens_mask)


@pytest.mark.parametrize("weights", [[1.0, 0.5], [float("nan"), 1.0], [float("inf"), float("-inf")], []])
def test_weights_must_sum_to_one(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="finite and sum to 1"):
        guided(MaskedField(), [(condition(0, 2), w) for w in weights])


def test_frames_in_some_branches_only_are_refused() -> None:
    bare = Condition(None, torch.zeros(2, 1, 3), torch.ones(2, 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="1 of 2 guidance branches have frame controls"):
        stack([condition(0, 2), bare])
    assert stack([bare, bare]).frames is None


@given(a=WEIGHTS, b=WEIGHTS, c=WEIGHTS)
def test_constructors_sum_to_one(a: float, b: float, c: float) -> None:
    for guidance in (Guidance.plain(a), Guidance.split(all=a, text=b, chords=c), Guidance.double(a, b)):
        assert sum(term.weight for term in guidance.terms) == pytest.approx(1.0, abs=1e-9)


def test_double_guidance_matches_the_reference() -> None:
    """Golden vectors of MusicGen-Style's sampler (audiocraft), whose branches are full, style only and null."""
    golden = load_file(GOLDEN / "double_cfg.safetensors")
    full, style, null = golden["in.logits_full_style_null"][..., -1, :]  # the last step
    by_keep = {frozenset({"*"}): full, frozenset({"style"}): style, frozenset(): null}

    def combine(guidance: Guidance) -> torch.Tensor:
        # The logits stand in for the field: each branch's tokens are its values.
        shape = full.shape
        branches = [
            (Condition(None, by_keep[k.keep].flatten(1)[:, None], torch.ones(2, 1, dtype=torch.bool)), k.weight)
            for k in guidance.terms
        ]
        field = guided(lambda z, t, c: c.tokens, branches)
        return field(torch.zeros(2, 1, full[0].numel()), torch.zeros(2)).reshape(shape)

    for alpha, beta in [(2.5, 4.0), (3.0, 1.0), (3.0, 5.0)]:
        key = f"out.a{alpha:g}_b{beta:g}"
        logits = combine(Guidance.double(alpha, beta))
        # Weights of 15 on logits of order 1 in float32, summed in another order.
        torch.testing.assert_close(logits, golden[f"{key}.logits_last"], atol=1e-4, rtol=1e-5)
        assert torch.equal(logits.argmax(-1, keepdim=True), golden[f"{key}.greedy"])
    by_keep[frozenset()] = style  # single guidance: blocks 0 and 1 are (cond, uncond)
    torch.testing.assert_close(combine(Guidance.plain(3.0)), golden["out.single_a3.logits_last"], atol=1e-4, rtol=1e-5)
