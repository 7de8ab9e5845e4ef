"""Loops: exact lengths, ends that meet, controls that go round, and parts that fit together."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from flowmusic.controls import chords
from flowmusic.controls.request import request
from flowmusic.generate import loops
from flowmusic.generate.loops import Length
from flowmusic.generate.parts import PARTS, guidance, part
from flowmusic.limits import LimitError
from flowmusic.types import Controls, FrameGrid, Track
from tests.generate.local import HOP, RATE, local_generator


def asked(length: Length, bpm: float = 120.0, meter: str = "4/4") -> Controls:
    grid = FrameGrid(length.frame_rate, math.ceil(length.period))
    return request("ab", grid=grid, chords="C Am", bpm=bpm, meter=meter)


@pytest.mark.parametrize(
    ("bars", "beats", "bpm"), [(1, 4, 120.0), (2, 4, 97.3), (4, 3, 133.0), (1, 2, 73.0), (8, 4, 61.7), (3, 5, 180.5)]
)
def test_a_loop_has_exactly_its_bars(bars: int, beats: int, bpm: float) -> None:
    model = local_generator()
    length = Length.of_bars(bars, beats, bpm, RATE, model.codec.frame_rate)
    assert length.samples == round(RATE * 60 * bars * beats / Fraction(bpm))
    take = loops.loop(model, asked(length, bpm, f"{beats}/4"), length, seed=1)
    assert take.audio.samples.shape == (1, 1, length.samples)
    assert take.latents.shape[1] == math.ceil(length.period)


@pytest.mark.parametrize("samples", [50 * HOP, 50 * HOP + 37, 130 * HOP + 100])
def test_the_end_of_a_loop_runs_on_into_its_beginning(samples: int) -> None:
    """The codec is smooth: what is cut at a bar line steps there, and a loop does not."""
    model = local_generator()
    length = Length(samples, RATE, model.codec.frame_rate)

    def steps(method: str) -> tuple[float, float]:
        wave = loops.loop(model, asked(length), length, seed=3, method=method).audio.samples[0, 0]
        return float((wave[0] - wave[-1]).abs()), float(wave.diff().abs().max())

    seam, most = steps(loops.INFILLED)
    assert seam <= 1.5 * most
    assert steps(loops.PLAIN)[0] > 3 * seam


@pytest.mark.parametrize("method", [loops.TIED, loops.ROLLED])
def test_loops_of_whole_frames_are_resampled_to_their_samples(method: str) -> None:
    model = local_generator()
    length = Length(50 * HOP + 60, RATE, model.codec.frame_rate)
    assert length.frames == 50 and 0 < -length.cents < 20
    wave = loops.loop(model, asked(length), length, seed=3, method=method).audio.samples[0, 0]
    assert len(wave) == length.samples
    assert float((wave[0] - wave[-1]).abs()) <= 2 * float(wave.diff().abs().max())


@pytest.mark.parametrize("method", [loops.TIED, loops.ROLLED])
def test_a_circle_has_no_beginning(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise that is turned gives the same loop, turned as much, though the field looks to either side."""
    model, total, turn = local_generator(), 40, 10
    model.field.forward = lambda z, t, condition: z.roll(1, 1) - 0.5 * z.roll(-1, 1)  # type: ignore[method-assign]
    base = torch.randn(1, total, model.codec.dim, generator=torch.Generator().manual_seed(0))

    def latents(shift: int) -> torch.Tensor:
        class Turned:
            @staticmethod
            def counted(seed: int, batch: int) -> Turned:
                return Turned()

            def draw(self, length: int, dim: int) -> torch.Tensor:
                margin = 0 if method == loops.ROLLED else round(loops.MARGIN_SECONDS * 25)
                return base[:, (torch.arange(length) - margin - shift) % total]

        monkeypatch.setattr(loops, "SeededNoise", Turned)
        length = Length(total * HOP, RATE, model.codec.frame_rate)
        return loops.loop(model, Controls(("ab",)), length, seed=0, method=method).latents

    torch.testing.assert_close(latents(turn), latents(0).roll(turn, 1), atol=1e-5, rtol=1e-5)


def test_the_same_seed_gives_the_same_loop_and_batches_repeat_single_ones() -> None:
    model = local_generator()
    length = Length(55 * HOP + 5, RATE, model.codec.frame_rate)
    one, two = (loops.loop(model, asked(length), length, seed=seed).audio.samples for seed in (4, 5))
    both = loops.loop(model, Controls.stack([asked(length), asked(length)]), length, seed=4).audio.samples
    torch.testing.assert_close(both, torch.cat([one, two]), atol=1e-5, rtol=1e-5)
    assert not torch.equal(one, two)


def test_controls_go_round() -> None:
    grid = FrameGrid.of_seconds(0.4, 25)
    track = Track(torch.arange(10)[None], torch.ones(1, 10, dtype=torch.bool), grid)
    turned = loops.around(Controls((None,), {"chords": track}), Fraction(19, 2), -2, 14)
    # Frame 10 has its middle at 10.5, which is 1.0 of the second turn; frame -1 at -0.5, 9.0 of the one before.
    assert turned.tracks["chords"].values.tolist() == [[8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2]]


@pytest.mark.parametrize("samples", [RATE // 2, 121 * RATE])
def test_a_loop_that_is_no_loop_is_refused(samples: int) -> None:
    model = local_generator()
    length = Length(samples, RATE, model.codec.frame_rate)
    with pytest.raises(LimitError, match="a loop's length"):
        loops.loop(model, Controls(("a",)), length, seed=0)


@pytest.mark.parametrize("method", [loops.TIED, loops.ROLLED])
def test_ways_that_need_a_window_say_so(method: str) -> None:
    model = local_generator()
    length = Length(150 * HOP, RATE, model.codec.frame_rate)
    with pytest.raises(ValueError, match="window"):
        loops.loop(model, asked(length), length, seed=0, method=method)


def test_parts_of_a_request() -> None:
    grid = FrameGrid.of_seconds(2, 25)
    whole = request("funk", grid=grid, chords="C", bpm=120, drums=[0.0, 0.5])
    full, drums, rest = (part(whole, name, grid, ("beats", "chords", "drums")) for name in PARTS)
    assert full is whole
    assert drums.tracks["drums"] is whole.tracks["drums"] and rest.tracks["chords"] is whole.tracks["chords"]
    assert set(drums.tracks) == set(rest.tracks) == {"beats", "chords", "drums"}  # and no melody, which nobody reads
    assert chords.from_track(drums.tracks["chords"]) == ((0.0, 2.0, "N"),)
    assert bool(rest.tracks["drums"].known.all()) and float(rest.tracks["drums"].values.abs().max()) == 0.0
    assert (drums.text, rest.text) == (("funk, drums only, drum loop",), ("funk, no drums",))
    assert guidance({"alpha": 3.0}, "no-drums") == {"alpha": 3.0} and guidance({"all": 3.0}, "drums") == {"all": 3.0}
    with pytest.raises(ValueError, match="unknown part 'bass'"):
        part(whole, "bass", grid, ())
