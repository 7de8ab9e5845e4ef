"""Three ways to vary music: exact at both ends of their sliders, at any length, nearer the smaller the amount."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from flowmusic.flow.morph import morphing
from flowmusic.generate import vary
from flowmusic.generate.generator import Generator
from flowmusic.generate.sampling import SeededNoise
from flowmusic.types import Controls, FrameGrid, Generation, Guidance
from tests.generate.tiny import FRAME_RATE, chords, tiny_generator

LENGTHS = [7, 50, 130]
"""Frames: less than a window, one, and several that overlap."""

Slider = Callable[[float], Generation]


def far(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean().sqrt())


def request(text: str, length: int, chord: int = 1) -> Controls:
    return Controls((text,), {"chords": chords(FrameGrid(FRAME_RATE, length), [chord] * length)})


def ways(generator: Generator, length: int) -> tuple[Generation, dict[str, Slider]]:
    """A take, and its variations by way and amount."""
    before, after = request("calm", length), request("loud", length, 3)
    take = generator.generate(before, seed=3)
    return take, {
        "variation": lambda a: vary.variation(generator, before, a, first=3, seed=9),
        "strength": lambda a: vary.strength(generator, take.latents, after, a, seed=9),
        "morph": lambda a: vary.morph(generator, take.latents, before, after, a, seed=9),
    }


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("way", ["variation", "strength", "morph"])
def test_zero_is_the_source_and_distances_rise(way: str, length: int) -> None:
    take, sliders = ways(tiny_generator(), length)
    made = [sliders[way](amount) for amount in (0.0, 0.2, 0.5, 0.8, 1.0)]
    assert torch.equal(made[0].latents, take.latents)
    distances = [far(each.latents, take.latents) for each in made]
    assert distances == sorted(distances) and distances[1] > 0.0
    assert all(each.audio.samples.shape == take.audio.samples.shape for each in made)


@pytest.mark.parametrize("length", LENGTHS)
def test_one_is_free(length: int) -> None:
    generator = tiny_generator()
    take, sliders = ways(generator, length)
    torch.testing.assert_close(
        sliders["variation"](1.0).latents, generator.generate(request("calm", length), seed=9).latents
    )
    torch.testing.assert_close(
        sliders["strength"](1.0).latents, generator.generate(request("loud", length, 3), seed=9).latents
    )
    assert take.num_evals == sliders["strength"](1.0).num_evals > sliders["strength"](0.3).num_evals > 0


def test_a_batch_repeats_takes_that_are_made_one_by_one() -> None:
    generator = tiny_generator()
    pair = Controls.stack([request("calm", 50), request("loud", 50, 3)])
    takes = generator.generate(pair, seed=1)
    both = vary.strength(generator, takes.latents, pair, 0.6, seed=5).latents
    alone = vary.strength(generator, takes.latents[1:], request("loud", 50, 3), 0.6, seed=6).latents
    torch.testing.assert_close(both[1:], alone)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("fresh", [False, True])
def test_a_morph_between_equal_requests_changes_nothing(length: int, fresh: bool) -> None:
    generator = tiny_generator()
    asked = request("calm", length)
    take = generator.generate(asked, seed=3)
    plain = Guidance.plain(2.0)
    same = vary.morph(
        generator, take.latents, asked, asked, 0.9, guidance=plain, away=plain, seed=1, noises=2, fresh=fresh
    )
    torch.testing.assert_close(same.latents, take.latents, atol=1e-5, rtol=1e-5)


def test_a_morph_leaves_what_is_held_and_averages_over_noises() -> None:
    x, held = torch.ones(1, 4, 2), torch.full((1, 4, 2), 5.0)
    keep = torch.tensor([[True, False, False, True]])
    seen: list[Tensor] = []

    def target(z: Tensor, t: Tensor) -> Tensor:
        seen.append(z)
        return 3.0 * z

    noises = [torch.randn(1, 4, 2), torch.randn(1, 4, 2)]
    velocity = morphing(lambda z, t: z, target, x, lambda: noises, (held, keep), sigma_min=0.0)
    found = velocity(x, torch.tensor([0.5]))
    assert len(seen) == 2 and torch.allclose(seen[0][0, 0], 0.5 * noises[0][0, 0] + 2.5)
    mean = 0.5 * (noises[0] + noises[1]) * 0.5 + 0.5
    assert torch.equal(found[0, [0, 3]], torch.zeros(2, 2))
    torch.testing.assert_close(found[0, 1:3], 2.0 * mean[0, 1:3])


def test_noise_between_two_seeds_stays_white() -> None:
    noise = vary.BetweenNoises(SeededNoise([1]), SeededNoise([2]), 0.3).draw(4000, 4)
    assert abs(float(noise.std()) - 1.0) < 0.02


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_amounts_lie_between_zero_and_one(amount: float) -> None:
    _, sliders = ways(tiny_generator(), 50)
    for make in sliders.values():
        with pytest.raises(ValueError, match="from 0 to 1"):
            make(amount)


def test_what_does_not_fit_the_source_is_refused() -> None:
    generator = tiny_generator()
    latents = torch.zeros(1, 50, 4)
    with pytest.raises(ValueError, match="the source has 50"):
        vary.strength(generator, latents, request("calm", 40), 0.5)
    with pytest.raises(ValueError, match="must be latents"):
        vary.morph(generator, latents[0], request("calm", 50), request("loud", 50), 0.5)
    with pytest.raises(ValueError, match="at least one noise"):
        vary.morph(generator, latents, request("calm", 50), request("loud", 50), 0.5, noises=0, fresh=True)


def test_amounts_too_small_for_a_step_change_nothing() -> None:
    take, sliders = ways(tiny_generator(), 50)
    for amount in (1e-18, 1e-9):
        assert far(sliders["strength"](amount).latents, take.latents) < 1e-4
