"""Guidance: one stacked evaluation equals the sum of branches, and costs no more than it must."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from flowmusic.flow import time_grids
from flowmusic.flow.apg import Projector, split
from flowmusic.flow.guide import guided, guided_by_loop, stack
from flowmusic.flow.solve import solve
from flowmusic.types import Condition, Guidance, Projection

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


# Interval


def test_outside_the_interval_only_the_plain_branch_is_evaluated() -> None:
    everything, nothing = condition(0, 3), condition(1, 5)
    branches = [(everything, 3.0), (nothing, -2.0)]
    field = MaskedField()
    velocity = guided(field, branches, plain=everything, interval=(0.25, 0.75))
    z = torch.ones(2, 6, 3)
    for time, batch in ((0.0, 2), (0.2, 2), (0.25, 4), (0.5, 4), (0.75, 4), (0.8, 2), (1.0, 2)):
        field.batches.clear()
        t = torch.full((2,), time)
        found = velocity(z, t)
        assert field.batches == [batch]
        expected = guided(MaskedField(), branches)(z, t) if batch == 4 else MaskedField()(z, t, everything)
        torch.testing.assert_close(found, expected)


def test_items_at_different_times_are_guided_each_by_its_own() -> None:
    everything, nothing = condition(0, 3), condition(1, 5)
    branches = [(everything, 3.0), (nothing, -2.0)]
    z, t = torch.ones(2, 6, 3), torch.tensor([0.1, 0.6])
    found = guided(MaskedField(), branches, plain=everything, interval=(0.5, 1.0))(z, t)
    torch.testing.assert_close(found[0], MaskedField()(z, t, everything)[0])
    torch.testing.assert_close(found[1], guided(MaskedField(), branches)(z, t)[1])


def test_the_whole_interval_is_plain_guidance_and_an_empty_one_nearly_none() -> None:
    everything, nothing = condition(0, 3), condition(1, 5)
    branches = [(everything, 3.0), (nothing, -2.0)]
    z_0 = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))

    def end(interval: tuple[float, float], weights: float = 3.0) -> torch.Tensor:
        terms = [(everything, weights), (nothing, 1.0 - weights)]
        field = guided(MaskedField(), terms, plain=everything, interval=interval)
        return solve(field, z_0, time_grids.uniform(64), "midpoint").z

    strong = solve(guided(MaskedField(), branches), z_0, time_grids.uniform(64), "midpoint").z
    torch.testing.assert_close(end((0.0, 1.0)), strong)
    weak = end((0.0, 1.0), 1.0)
    torch.testing.assert_close(end((0.999, 1.0)), weak, atol=0.05, rtol=0.0)
    torch.testing.assert_close(end((0.001, 1.0)), strong, atol=0.1, rtol=0.0)
    # In between it moves from one to the other.
    moved = [float((end((low, 1.0)) - weak).norm()) for low in (0.0, 0.25, 0.5, 0.75)]
    assert moved == sorted(moved, reverse=True) and moved[-1] > 0.1


def test_channels_keep_their_share_of_what_guidance_adds() -> None:
    """Share 1 is the guided sum, 0 the plain branch, between them the weight is between; the branches are as many."""
    field, (said, nothing) = MaskedField(), (condition(0, 3), condition(1, 4))
    shares = torch.tensor([1.0, 0.5, 0.0])
    z, t = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0.2, 0.7])
    found = guided(field, [(said, 3.0), (nothing, -2.0)], plain=said, channels=shares)(z, t)
    assert field.batches == [4]
    for channel, weight in enumerate((3.0, 2.0, 1.0)):
        wanted = guided_by_loop(MaskedField(), [(said, weight), (nothing, 1.0 - weight)])(z, t)
        torch.testing.assert_close(found[..., channel], wanted[..., channel])
    # Weights that fade from one condition to another amplify nothing, and one without plain amplifies what it holds.
    third = condition(0, 2)
    for weights in ([(said, 0.5), (nothing, 0.5)], [(nothing, 1.0)], [(said, 0.25), (third, 0.75)]):
        wanted = guided_by_loop(MaskedField(), weights)(z, t)
        torch.testing.assert_close(guided(field, weights, plain=said, channels=shares)(z, t), wanted)
    field.batches.clear()
    style = guided(field, [(said, 0.0), (third, 3.0), (nothing, -2.0)], plain=said, channels=torch.zeros(3))(z, t)
    torch.testing.assert_close(style, MaskedField()(z, t, third))
    assert field.batches == [4]  # plain has no weight, and costs nothing
    # By frames: the first half is amplified, the second is another condition alone.
    halves = torch.tensor([3.0, 3.0, 3.0, 0.0, 0.0, 0.0])
    found = guided(field, [(said, halves), (nothing, 1.0 - halves)], plain=said, channels=torch.zeros(3))(z, t)
    for frames, alone in ((slice(0, 3), said), (slice(3, 6), nothing)):
        torch.testing.assert_close(found[:, frames], MaskedField()(z, t, alone)[:, frames])
    # After a projection, of what that left.
    eta = Projection(eta=0.0)
    projected = guided(field, [(said, 3.0), (nothing, -2.0)], plain=said, projection=eta)(z, t)
    both = guided(field, [(said, 3.0), (nothing, -2.0)], plain=said, projection=eta, channels=shares)(z, t)
    plain = field(z, t, said)
    torch.testing.assert_close(both, plain + shares * (projected - plain))


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_rescale_gives_guided_data_the_deviations_of_the_plain_ones(amount: float) -> None:
    """By channel over the frames; their means stay guided, and so does what is no guidance."""
    field, (said, nothing) = MaskedField(), (condition(0, 3), condition(1, 4))
    z, t = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0.2, 0.7])
    branches = [(said, 3.0), (nothing, -2.0)]
    left = 1.0 - t[:, None, None]

    def data(velocity: torch.Tensor) -> torch.Tensor:
        return z + left * velocity

    found = data(guided(field, branches, plain=said, rescale=amount)(z, t))
    assert field.batches == [4]
    loud, plain = data(guided(MaskedField(), branches)(z, t)), data(MaskedField()(z, t, said))
    torch.testing.assert_close(found.mean(1), loud.mean(1))
    wanted = loud.std(1) * (plain.std(1) / loud.std(1)) ** amount
    torch.testing.assert_close(found.std(1), wanted)
    assert bool(((plain.std(1) / loud.std(1)).log().abs() > 0.1).any())
    torch.testing.assert_close(data(guided(field, [(said, 1.0)], plain=said, rescale=amount)(z, t)), plain)
    at_the_end = guided(field, branches, plain=said, rescale=amount)(z, torch.ones(2))
    torch.testing.assert_close(at_the_end.std(1), guided(MaskedField(), branches)(z, torch.ones(2)).std(1))


def test_interval_projection_channels_and_rescale_need_the_plain_condition() -> None:
    branches = [(condition(0, 3), 3.0), (condition(1, 5), -2.0)]
    for settings in (
        {"interval": (0.0, 0.5)},
        {"projection": Projection()},
        {"channels": torch.ones(3)},
        {"rescale": 0.5},
    ):
        with pytest.raises(ValueError, match="need the plain condition"):
            guided(MaskedField(), branches, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("interval", [(0.5, 0.5), (0.8, 0.2), (-0.1, 0.5), (0.0, 1.5), (float("nan"), 1.0), (0.5,)])
def test_intervals_that_are_none_are_refused(interval: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="two times LOW < HIGH"):
        Guidance.of({"all": 2.0}, interval)


# Projection


@given(a=WEIGHTS, b=WEIGHTS, seed=st.integers(0, 99))
def test_eta_1_without_norm_and_momentum_is_plain_guidance(a: float, b: float, seed: int) -> None:
    branches = [(condition(seed + i, m), w) for i, (m, w) in enumerate(zip((3, 5, 2), (a, b, 1 - a - b)))]
    z = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(seed))
    t = torch.tensor([0.25, 0.5])
    expected = guided(MaskedField(), branches)(z, t)
    for plain in (branches[0][0], condition(seed, 3)):  # among the branches, and beside them
        found = guided(MaskedField(), branches, plain=plain, projection=Projection(eta=1.0))(z, t)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@given(seed=st.integers(0, 999))
def test_the_parts_of_an_update_add_up_and_are_orthogonal_per_item(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    update, along = torch.randn(2, 3, 6, 4, generator=generator)
    parallel, orthogonal = split(update, along)
    torch.testing.assert_close(parallel + orthogonal, update)
    assert (orthogonal * along).flatten(1).sum(1).abs().max() < 1e-4
    for item in range(3):
        ratio = parallel[item] / along[item]
        torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio), atol=1e-4, rtol=1e-3)
    assert torch.equal(split(update, torch.zeros_like(along))[1], update)


@given(seed=st.integers(0, 999), t=st.floats(0.0, 0.95))
def test_eta_0_leaves_the_length_of_the_predicted_data_along_itself(seed: int, t: float) -> None:
    branches = [(condition(seed, 3), 4.0), (condition(seed + 1, 5), -3.0)]
    z = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(seed))
    times = torch.full((2,), t)
    plain = MaskedField()(z, times, branches[0][0])
    found = guided(MaskedField(), branches, plain=branches[0][0], projection=Projection())(z, times)
    data = z + (1 - t) * plain
    moved = (1 - t) * (found - plain)
    assert (moved * data).flatten(1).sum(1).abs().max() < 1e-3 * float(data.flatten(1).square().sum(1).max())


def test_the_norm_limits_the_update_of_the_data_and_nothing_shorter() -> None:
    generator = torch.Generator().manual_seed(0)
    update, plain, z = torch.randn(3, 2, 6, 4, generator=generator)
    t = torch.tensor([0.5, 0.5])
    size = 0.5 * update.square().flatten(1).mean(1).sqrt()
    limit = float(size.mean())
    found = Projector(Projection(eta=1.0, norm=limit))(update, plain, z, t)
    sizes = 0.5 * found.square().flatten(1).mean(1).sqrt()
    torch.testing.assert_close(sizes, size.clamp_max(limit))
    end = Projector(Projection(norm=limit))(update, plain, z, torch.ones(2))
    assert bool(torch.isfinite(end).all())


def test_momentum_adds_a_share_of_the_updates_before() -> None:
    plain = z = torch.zeros(1, 2, 2)
    projector = Projector(Projection(eta=1.0, momentum=-0.5))
    first, second, third = (torch.full((1, 2, 2), value) for value in (1.0, 2.0, 4.0))
    t = torch.zeros(1)
    assert torch.equal(projector(first, plain, z, t), first)
    assert torch.equal(projector(second, plain, z, t), second - 0.5 * first)
    assert torch.equal(projector(third, plain, z, t), third - 0.5 * (second - 0.5 * first))


def test_projection_evaluates_the_branches_once_in_one_call() -> None:
    everything, text, nothing = condition(0, 3), condition(1, 5), condition(2, 2)
    field = MaskedField()
    z, t = torch.ones(2, 6, 3), torch.full((2,), 0.5)
    guided(field, [(everything, 3.0), (nothing, -2.0)], plain=everything, projection=Projection())(z, t)
    guided(field, [(text, 3.0), (nothing, -2.0)], plain=everything, projection=Projection())(z, t)
    guided(field, [(everything, 1.0)], plain=everything, projection=Projection())(z, t)
    assert field.batches == [4, 6, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eta": float("nan")}, "eta must be a number from -1000 to 1000, got nan"),
        ({"norm": 0.0}, "norm must be .* got 0 .positive"),
        ({"momentum": 1.0}, "momentum must be a number from -0.999 to 0.999"),
        ({"beta": 0.5}, "unknown apg setting 'beta'; allowed: eta, norm, momentum"),
    ],
)
def test_projections_that_make_no_sense_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Guidance.of({"all": 2.0}, apg=settings)
