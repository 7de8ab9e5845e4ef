"""Generator: seeds, batches, guidance branches, lengths, inpainting and refusals, on a tiny model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmusic.generate.branches import merge, present
from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.generator import NotFinite, check_seed
from flowmusic.generate.sampling import MAX_SEED
from flowmusic.types import ALL, Controls, FrameGrid, Guidance, Term, Track
from tests.generate.tiny import DIM, FRAME_RATE, RATE, chords, tiny_generator


def both(seconds: float = 2.0, text: str | None = "ab") -> Controls:
    grid = FrameGrid.of_seconds(seconds, FRAME_RATE)
    drums = Track(torch.ones(1, grid.length, 2), torch.ones(1, grid.length, dtype=torch.bool), grid)
    return Controls((text,), {"chords": chords(grid), "drums": drums})


def test_the_same_seed_gives_the_same_take_and_another_seed_another() -> None:
    generator = tiny_generator()
    first, again, other = (generator.generate(both(), seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first.audio.samples, again.audio.samples)
    assert not torch.equal(first.audio.samples, other.audio.samples)
    assert (first.seed, first.solver, first.steps, first.num_evals) == (5, "midpoint", 4, 8)


def test_an_omitted_seed_is_drawn_and_repeats_the_take() -> None:
    generator = tiny_generator()
    take = generator.generate(both())
    assert torch.equal(generator.generate(both(), seed=take.seed).latents, take.latents)
    assert generator.generate(both()).seed != take.seed  # two of 2^31


def test_the_global_random_state_is_neither_read_nor_moved() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    tiny_generator().generate(both(), seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)


@given(seed=st.integers(0, 1000), batch=st.integers(1, 4))
@settings(max_examples=10)
def test_item_b_of_a_batch_is_the_take_of_seed_plus_b(seed: int, batch: int) -> None:
    generator = tiny_generator()
    texts = ["abc", None, "b", "zz"][:batch]
    together = generator.generate(Controls.stack([both(text=text) for text in texts]), seed=seed)
    for item, text in enumerate(texts):
        alone = generator.generate(both(text=text), seed=seed + item)
        torch.testing.assert_close(together.latents[item : item + 1], alone.latents, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seconds", [0.2, 1.3, 2.0, 2.04, 7.3])
def test_any_length(seconds: float) -> None:
    generator = tiny_generator()
    take = generator.generate(both(seconds), seed=0)
    frames = generator.grid(seconds).length
    assert take.latents.shape == (1, frames, DIM)
    assert take.audio.samples.shape == (1, 1, frames * RATE // FRAME_RATE)


@pytest.mark.parametrize(("seconds", "frames"), [(0.3, 10), (0.6, 15), (1.0, 25), (2.0, 50), (3.2, 50)])
def test_a_short_take_is_drawn_in_its_share_of_a_window(seconds: float, frames: int) -> None:
    generator = tiny_generator()
    generator.defaults = replace(generator.defaults, shortest_window=0.4)
    drawn: list[int] = []
    generator.field.register_forward_pre_hook(lambda _, inputs: drawn.append(inputs[0].shape[1]))
    grid = generator.grid(seconds)
    assert generator.generate(Controls(("ab",)), grid=grid, seed=3).latents.shape[1] == grid.length
    assert set(drawn) == {frames}


def test_a_shorter_take_is_the_start_of_a_full_one() -> None:
    generator = tiny_generator()
    full = generator.generate(Controls(("ab",)), seed=3)
    short = generator.generate(Controls(("ab",)), grid=generator.grid(0.8), seed=3)
    assert torch.equal(short.latents, full.latents[:, :20])


def test_long_takes_continue_their_past_and_follow_their_own_controls() -> None:
    generator = tiny_generator()
    seconds = 5.0
    ids = [1] * 60 + [5] * 65
    grid = generator.grid(seconds)
    seen: list[tuple[int, int]] = []
    take = generator.generate(
        Controls(("ab",), {"chords": chords(grid, ids)}), seed=3, progress=lambda *at: seen.append(at)
    )
    # 125 frames in windows of 50 that overlap by 25 (half a window, since 2.5 s is more than that).
    assert take.num_evals == 4 * 8
    assert seen == [(i + 1, 32) for i in range(32)]
    assert [context for _, context in generator.encoder.seen] == [False] * 2 + [True] * 6
    changed = generator.generate(Controls(("ab",), {"chords": chords(grid, ids[:100] + [0] * 25)}), seed=3)
    assert torch.equal(take.latents[:, :75], changed.latents[:, :75])
    assert not torch.equal(take.latents[:, 100:], changed.latents[:, 100:])


def test_context_frames_come_back_and_shape_the_rest() -> None:
    generator = tiny_generator()
    known = torch.randn(1, 50, DIM, generator=torch.Generator().manual_seed(0))
    keep = torch.zeros(1, 50, dtype=torch.bool)
    keep[:, :20] = True
    take = generator.generate(both(), seed=1, context=(known, keep))
    assert torch.equal(take.latents[keep], known[keep])
    assert all(context for _, context in generator.encoder.seen)
    with pytest.raises(ValueError, match=r"context must be latents \(1, 50, 4\)"):
        generator.generate(both(), context=(known[:, :40], keep[:, :40]))


def test_terms_with_equal_effect_are_one_branch() -> None:
    generator = tiny_generator()
    # With text alone, `all` and `text` see the same, and `chords` sees nothing.
    generator.generate(Controls(("ab",)), guidance=Guidance.split(all=2.0, text=1.5, chords=-1.0), seed=0)
    assert generator.encoder.seen == [(frozenset({"text"}), False), (frozenset(), False)]
    assert set(generator.field.batches) == {2}
    generator = tiny_generator()
    generator.generate(Controls((None,)), guidance=Guidance.split(all=7.0), seed=0)
    assert set(generator.field.batches) == {1}


def test_weight_one_is_the_plain_conditional_field() -> None:
    generator = tiny_generator()
    generator.generate(both(), guidance=Guidance.plain(1.0), seed=0)
    assert generator.encoder.seen == [(frozenset({"text", "chords", "drums"}), False)]
    assert set(generator.field.batches) == {1}


def test_outside_the_interval_everything_given_has_weight_1() -> None:
    generator = tiny_generator(guidance={"text": 2.0}, guidance_interval=[0.0, 0.3], solver="euler")
    generator.generate(both(), seed=0)
    # Steps at 0, 0.25, 0.5 and 0.75; everything is a branch of its own here, beside text and nothing.
    assert generator.field.batches == [2, 2, 1, 1]
    assert frozenset({"text", "chords", "drums"}) in {names for names, _ in generator.encoder.seen}
    plain = tiny_generator(guidance={"all": 1.0}, solver="euler").generate(both(), seed=0)
    late = generator.generate(both(), guidance=Guidance.of({"text": 2.0}, (0.9, 1.0)), seed=0)
    torch.testing.assert_close(late.latents, plain.latents)


@pytest.mark.parametrize("weights", [{"all": 3.0}, {"all": 2.0, "text": 1.5}, {"alpha": 2.0, "beta": 3.0}])
def test_projection_with_eta_1_is_no_projection(weights: dict[str, float]) -> None:
    generator = tiny_generator(guidance=weights)
    expected = generator.generate(both(), seed=0).latents
    same = generator.generate(both(), guidance=Guidance.of(weights, apg={"eta": 1.0}), seed=0).latents
    torch.testing.assert_close(same, expected, atol=1e-5, rtol=1e-5)
    other = generator.generate(both(), guidance=Guidance.of(weights, apg={"eta": 0.0}), seed=0).latents
    assert float((other - expected).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("shares", "weight"), [([[DIM, 1.0]], 3.0), ([[DIM, 0.0]], 1.0), ([[1, 0.5], [DIM - 1, 0.5]], 2.0)]
)
def test_a_model_may_guide_its_channels_less(shares: list[list[float]], weight: float) -> None:
    generator = tiny_generator()
    wanted = generator.generate(both(), seed=1, guidance=Guidance.of({"all": weight}))
    generator.defaults = replace(generator.defaults, guided_channels=shares)
    found = generator.generate(both(), seed=1, guidance=Guidance.of({"all": 3.0}))
    torch.testing.assert_close(found.latents, wanted.latents, atol=1e-5, rtol=1e-5)


def test_a_model_may_take_back_what_guidance_makes_larger() -> None:
    """Chords that change make the tiny field move with them, the more the stronger they count."""
    generator, grid = tiny_generator(), FrameGrid.of_seconds(2, 25)
    controls = Controls((None,), {"chords": chords(grid, [0, 9] * 25)})
    made = {}
    for weight, rescale in ((1.0, 0.0), (6.0, 0.0), (6.0, 1.0)):
        generator.defaults = replace(generator.defaults, guidance_rescale=rescale)
        made[weight, rescale] = generator.generate(controls, seed=1, guidance=Guidance.of({"all": weight})).latents
    plain, loud, found = (float(latents.std(1).mean()) for latents in made.values())
    assert loud > 1.2 * plain and found < plain + 0.3 * (loud - plain)
    assert float((made[6.0, 1.0] - made[1.0, 0.0]).square().mean()) > 0.01


def test_momentum_begins_afresh_with_every_take() -> None:
    generator = tiny_generator(apg={"momentum": -0.5})
    first, again = (generator.generate(both(3.3), seed=0).latents for _ in range(2))
    assert torch.equal(first, again)


def test_defaults_give_way_one_by_one() -> None:
    defaults = GenerationDefaults(guidance={"all": 3.0}, guidance_interval=[0.1, 0.8], apg={"eta": 0.0})
    assert defaults.guide() == Guidance.of({"all": 3.0}, (0.1, 0.8), {"eta": 0.0})
    assert defaults.guide({"text": 2.0}) == Guidance.of({"text": 2.0}, (0.1, 0.8), {"eta": 0.0})
    assert defaults.guide(interval=(0.0, 1.0), apg={"eta": 1.0}) == Guidance.of({"all": 3.0}, None, {"eta": 1.0})


WEIGHT = st.floats(-3, 3)
KEEPS = st.sampled_from([ALL, *map(frozenset, ([], ["text"], ["chords"], ["drums"], ["text", "drums"], ["absent"]))])


@given(terms=st.lists(st.tuples(KEEPS, WEIGHT), max_size=6))
def test_merging_keeps_the_weight_of_every_effective_set(terms: list[tuple[frozenset[str], float]]) -> None:
    rest = 1.0 - sum(weight for _, weight in terms)
    guidance = Guidance((*(Term(keep, weight) for keep, weight in terms), Term(frozenset(), rest)))
    controls = both()
    merged = merge(guidance, controls)
    assert sum(term.weight for term in merged) == pytest.approx(1.0)
    assert len({term.keep for term in merged}) == len(merged)
    for term in merged:
        same = [
            t.weight
            for t in guidance.terms
            if controls.only(present(controls) if t.keep == ALL else t.keep).names() == term.keep
        ]
        assert term.weight == pytest.approx(sum(same))


def test_a_track_without_known_frames_counts_as_absent() -> None:
    controls = both()
    tracks = {"chords": controls.tracks["chords"].unknown(), "drums": controls.tracks["drums"]}
    assert present(Controls((None,), tracks)) == {"drums"}


def test_one_grid_for_all() -> None:
    generator = tiny_generator()
    with pytest.raises(ValueError, match=r"'chords' has 25 frames at 25 Hz.*take has 50"):
        generator.generate(both(1.0), grid=generator.grid(2.0))
    fast = FrameGrid(50, 100)
    with pytest.raises(ValueError, match="runs at 25 Hz, got a grid at 50 Hz"):
        generator.generate(Controls(("a",), {"chords": chords(fast)}))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"solver": "newton"}, "unknown solver 'newton'; choose one of euler"),
        ({"steps": 0}, "steps must be .* from 1 to 10000, got 0"),
        ({"time_grid": "odd"}, "unknown time grid 'odd'"),
        ({"time_grid": "epss", "steps": 9}, "5, 6, 7, 10, 12, 16 steps, got 9"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_any_work(settings_: dict[str, object], message: str) -> None:
    generator = tiny_generator()
    with pytest.raises(ValueError, match=message):
        generator.generate(both(), **settings_)
    assert generator.encoder.seen == []


def test_divergence_is_an_error_not_a_noise() -> None:
    generator = tiny_generator()
    generator.field.weight.data.fill_(float("nan"))
    with pytest.raises(NotFinite, match="smaller guidance weights or more steps"):
        generator.generate(both(), seed=0)


def test_seed_range() -> None:
    assert check_seed(MAX_SEED - 1) == MAX_SEED - 1
    with pytest.raises(ValueError, match=f"to {MAX_SEED - 1}"):
        check_seed(MAX_SEED)
