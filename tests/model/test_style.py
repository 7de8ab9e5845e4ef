"""Style tokens: batching, absence and detail; the quantiser's prefixes, training step and revival of dead codes."""

from __future__ import annotations

import pytest
import torch

from flowmusic.flow.guide import guided, stack
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.field import VectorField
from flowmusic.model.rvq import ResidualVQ
from flowmusic.model.style import StyleConditioner
from flowmusic.types import Condition, Controls, FrameGrid, Guidance, Style

GRID = FrameGrid(25, 10)
SETTINGS = {"dim": 8, "layers": 1, "heads": 2, "levels": 3, "bins": 8, "stride": 5, "detail": 2}


def features(seed: int, frames: int = 23) -> torch.Tensor:
    return torch.randn(frames, 6, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def conditioner() -> StyleConditioner:
    torch.manual_seed(0)
    made = StyleConditioner(features=6, out=12, **SETTINGS)
    made.train()
    made.quantiser.generator = torch.Generator().manual_seed(1)
    for step in range(5):
        made(torch.stack([features(10 * step + row) for row in range(8)]))
    return made.eval().requires_grad_(False)


def test_tokens_are_at_a_fifth_of_the_rate(conditioner: StyleConditioner) -> None:
    assert conditioner(features(0)[None]).shape == (1, 5, 12)
    assert conditioner(features(0, 25)[None]).shape == (1, 5, 12)


def test_excerpts_of_any_length_and_absent_ones_share_a_batch(conditioner: StyleConditioner) -> None:
    styles = (Style(features(0)), None, Style(features(1, 40), detail=1), Style(features(2)))
    tokens, mask = conditioner.tokens(styles)
    assert tokens.shape == (4, 8, 12) and mask.sum(1).tolist() == [5, 0, 8, 5]
    torch.testing.assert_close(tokens[0, :5], conditioner(features(0)[None])[0])
    torch.testing.assert_close(tokens[2], conditioner(features(1, 40)[None], 1)[0])
    assert not tokens[1].any() and not tokens[3, 5:].any()
    nothing, none = conditioner.tokens((None, None))
    assert nothing.shape == (2, 1, 12) and not none.any()


def test_detail_keeps_the_first_levels(conditioner: StyleConditioner) -> None:
    encoded = conditioner.encode(features(3)[None])
    fine, coarse = conditioner.quantise(encoded, 3), conditioner.quantise(encoded, 1)
    assert torch.equal(fine.codes[:, :1], coarse.codes) and fine.codes.shape == (1, 3, 23)
    assert float(fine.penalty) < float(coarse.penalty)
    assert torch.equal(conditioner.quantise(encoded).codes, conditioner.quantise(encoded, 2).codes)
    with pytest.raises(ValueError, match="1 to 3 levels, got 7"):
        conditioner.quantise(encoded, 7)
    with pytest.raises(ValueError, match="at least 1 level, got 0"):
        Style(features(0), detail=0)
    with pytest.raises(ValueError, match=r"\[frames, channels\]"):
        Style(torch.zeros(3))


def test_the_bottleneck_is_discrete(conditioner: StyleConditioner) -> None:
    """What passes is one of bins^levels vectors a token."""
    values = conditioner.quantise(conditioner.encode(torch.stack([features(n) for n in range(50)])), 1).values
    assert len(values.reshape(-1, 8).unique(dim=0)) <= 8


def test_codebooks_learn_clusters() -> None:
    centres = 4.0 * torch.eye(4, 6)
    generator = torch.Generator().manual_seed(0)
    model = ResidualVQ(6, levels=1, bins=12, dropout=False)
    model.generator = generator
    for _ in range(30):
        rows = torch.randint(4, (1, 64), generator=generator)
        found = model(centres[rows] + 0.1 * torch.randn(1, 64, 6, generator=generator))
    assert float(found.penalty) < 0.02
    owners = [set(found.codes[0, 0, rows[0] == c].tolist()) for c in range(4)]
    assert sum(map(len, owners)) == len(set().union(*owners))  # no code serves two clusters


def test_dead_codes_are_revived() -> None:
    model = ResidualVQ(2, levels=1, bins=4, dropout=False)
    model(torch.randn(1, 64, 2, generator=torch.Generator().manual_seed(0)))
    level = model.levels[0]
    level.embed[2:] = 1e4  # nothing is near these
    level.embed_avg[2:] = 1e4
    for _ in range(600):
        model(torch.randn(1, 64, 2, generator=torch.Generator().manual_seed(0)))
    assert float(level.embed.abs().max()) < 5.0
    assert float(level.cluster_size.min()) > 0.1


def test_gradients_pass_straight_through() -> None:
    model = ResidualVQ(3, levels=2, bins=4, dropout=False)
    x = torch.randn(1, 16, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = model(x)
    (gradient,) = torch.autograd.grad((2.0 * found.values).sum(), x)
    assert torch.equal(gradient, torch.full_like(x, 2.0))
    assert not torch.equal(found.values, x)


def test_quantiser_dropout_and_initialisation_follow_the_generator() -> None:
    def run():
        model = ResidualVQ(3, levels=4, bins=4)
        counts = []
        for step in range(12):
            model.generator = torch.Generator().manual_seed(step)
            counts.append(model(features(step)[None, :, :3]).codes.shape[1])
        return counts, model.levels[0].embed

    (one, first), (two, second) = run(), run()
    assert one == two and torch.equal(first, second)
    assert len(set(one)) > 1 and set(one) <= {1, 2, 3, 4}


# In a model


def controls(*styles: Style | None) -> Controls:
    return Controls((None,) * len(styles), {}, tuple(styles))


def test_style_joins_the_tokens_and_can_be_dropped() -> None:
    torch.manual_seed(0)
    encoder = ConditionEncoder(6, 12, {}, style=SETTINGS).eval().requires_grad_(False)
    both = controls(Style(features(0)), None)
    assert both.names() == {"style"} and both.only([]).names() == frozenset()
    condition = encoder(both, GRID)
    assert condition.tokens.shape == (2, 1 + 1 + 5, 12)
    assert condition.tokens_mask.tolist() == [[True, False] + [True] * 5, [True] + [False] * 6]
    assert encoder(both.only([]), GRID).tokens.shape == (2, 2, 12)
    without = ConditionEncoder(6, 12, {})
    with pytest.raises(ValueError, match="no style control"):
        without(both, GRID)


def test_controls_carry_style_through_everything() -> None:
    one, other = controls(Style(features(0))), controls(Style(features(1)))
    assert one.swap("style", other).style is other.style and one.swap("text", other).style is one.style
    stacked = Controls.stack([one, Controls(("x",))])
    assert stacked.style[0] is one.style[0] and stacked.style[1] is None
    assert stacked.rows(slice(1, 2)).style == (None,)
    assert torch.equal(one.to("cpu").style[0].features, features(0))
    with pytest.raises(ValueError, match="2 styles for 1 texts"):
        Controls(("a",), {}, (None, None))


def test_nested_guidance_is_double_guidance_and_goes_on() -> None:
    v = {frozenset(): 1.0, frozenset({"style"}): 3.0, frozenset({"*"}): 10.0}

    def value(guidance: Guidance) -> float:
        return sum(term.weight * v[term.keep] for term in guidance.terms)

    a, b = 2.5, 4.0
    assert value(Guidance.double(a, b)) == pytest.approx(1 + a * (3 + b * (10 - 3) - 1))
    assert value(Guidance.nested(({"*"}, a))) == pytest.approx(value(Guidance.plain(a)))
    v[frozenset({"style", "chords"})] = 4.0
    three = Guidance.nested(({"style"}, 2.0), ({"style", "chords"}, 3.0), ({"*"}, 0.5))
    assert value(three) == pytest.approx(1 + 2 * ((3 - 1) + 3 * ((4 - 3) + 0.5 * (10 - 4))))
    assert sum(term.weight for term in three.terms) == pytest.approx(1.0)


def test_pooled_tokens_enter_with_time() -> None:
    """What is absent adds nothing, text and style add up, and branches of guidance keep theirs."""
    torch.manual_seed(0)
    encoder = ConditionEncoder(6, 12, {}, style=SETTINGS, pooled=True).eval().requires_grad_(False)
    field = VectorField(6, 7, 12, 2, 2, pooled=True).eval().requires_grad_(False)
    for parameter in field.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape))
    text, style = Controls(("slow jazz", "fast rock")), controls(Style(features(0)), None)
    nothing, words, feel = encoder(text.only([]), GRID), encoder(text, GRID), encoder(style, GRID)
    both = encoder(Controls(text.text, {}, style.style), GRID)
    assert nothing.pooled is not None and not nothing.pooled.any()
    assert not feel.pooled[1].any() and feel.pooled[0].any()
    torch.testing.assert_close(both.pooled, words.pooled + feel.pooled)
    assert not encoder.null_token.any() and "null_token" not in dict(encoder.named_parameters())
    z, t = torch.randn(2, 10, 6), torch.tensor([0.3, 0.6])
    silent = Condition(words.frames, nothing.tokens, nothing.tokens_mask, words.pooled)
    assert not torch.allclose(field(z, t, silent), field(z, t, nothing), atol=1e-4)  # without any attention to words
    together = guided(field, [(words, 2.0), (nothing, -1.0)])(z, t)
    torch.testing.assert_close(together, 2 * field(z, t, words) - field(z, t, nothing), atol=1e-4, rtol=1e-4)
    text_summary, style_summary = encoder.summary(Controls(text.text, {}, style.style))
    torch.testing.assert_close(text_summary + style_summary, both.pooled)
    with pytest.raises(ValueError, match="pooled=True"):
        ConditionEncoder(6, 12, {}, style=SETTINGS).summary(style)
    with pytest.raises(ValueError, match="1 of 2 guidance branches have pooled tokens"):
        stack([words, Condition(words.frames, words.tokens, words.tokens_mask)])
