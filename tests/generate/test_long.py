"""Long pieces: windows on bar lines, blocks that join to the whole, and the present window alone in memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.controls.beats import from_bpm
from flowmusic.controls.tracks import batched
from flowmusic.curves import Curve, GuidanceOverTime
from flowmusic.generate import long
from flowmusic.generate.piece import Piece
from flowmusic.generate.windows import cover
from flowmusic.interop import bundle
from flowmusic.types import Controls, FrameGrid, Guidance
from tests.generate.tiny import DIM, chords, tiny_generator

MODEL = tiny_generator()


@given(
    length=st.integers(1, 700),
    window=st.integers(4, 60),
    data=st.data(),
    lines=st.lists(st.integers(0, 700), max_size=40, unique=True),
)
def test_parts_follow_each_other_and_see_what_was_before(
    length: int, window: int, data: st.DataObject, lines: list[int]
) -> None:
    overlap = data.draw(st.integers(0, window - 1))
    parts = long.in_order(length, window, overlap, lines)
    assert [parts[0].start, parts[-1].stop] == [0, length]
    assert all(before.stop == after.start for before, after in pairwise(parts))
    for part in parts:
        assert part.window.stop - part.window.start == window
        assert part.window.start <= part.start < part.stop <= part.window.stop
        assert part.start == 0 or part.start - part.window.start >= overlap
    plain = long.in_order(length, window, overlap)
    assert [part.window for part in plain] == list(cover(length, window, overlap))


def test_parts_end_on_bar_lines_and_not_on_one_that_leaves_half_of_the_room() -> None:
    every_bar = long.in_order(1000, 250, 62, range(0, 1000, 48))
    assert all(part.stop % 48 == 0 for part in every_bar[:-1])
    assert [part.stop for part in long.in_order(500, 250, 62, [10, 200])] == [200, 388, 500]


def test_bar_lines_are_read_from_the_beats_and_a_piece_ends_its_parts_there() -> None:
    grid = FrameGrid.of_seconds(9, 25)
    controls = Controls(("a",), {"beats": batched(from_bpm(300, "3/4", grid))})
    lines = long.bar_lines(controls)
    assert lines == [15 * n for n in range(15)]
    assert all(part.stop in lines for part in MODEL.parts(grid, controls)[:-1])
    assert long.bar_lines(Controls(("a",))) == []


def controls(grid: FrameGrid) -> Controls:
    return Controls(("ab",), {"chords": chords(grid, [n // 7 % 5 for n in range(grid.length)])})


@pytest.mark.parametrize("seconds", [0.6, 2.0, 7.3])
def test_blocks_join_to_the_take_that_is_made_at_once(seconds: float) -> None:
    grid = MODEL.grid(seconds)
    piece = Piece(MODEL, controls(grid), grid, seed=3)
    blocks = list(piece.blocks())
    whole = MODEL.generate(controls(grid), grid=grid, seed=3)
    assert torch.equal(torch.cat([block.samples for block in blocks], -1), whole.audio.samples)
    made = piece.made()
    assert (made.seed, made.num_evals, made.steps) == (3, whole.num_evals, whole.steps)
    torch.testing.assert_close(made.latents, whole.latents, atol=2e-3, rtol=2e-3)


def test_decoding_as_latents_come_is_decoding_them_at_once() -> None:
    """Phases that nano2_codec iterates settle a little differently behind another beginning (here 1e-3 of noise)."""
    codec = bundle.load_codec("nano2_codec")
    noise = 0.1 * torch.randn(1, 1, 190 * codec.hop, generator=torch.Generator().manual_seed(0))
    latents = codec.encode(Audio(noise, codec.rate))
    pieces = latents.split([3, 90, 1, 60, 36], dim=1)
    blocks = [block.samples for block in long.decoded(codec, pieces, frames=40)]
    assert len(blocks) > 2
    torch.testing.assert_close(torch.cat(blocks, -1), codec.decode(latents).samples, atol=5e-3, rtol=0)


class Looking:
    """A codec that looks two frames to each side, and remembers how much it was given at once."""

    rate, channels, frame_rate, dim, context_frames = 100, 1, FrameGrid.of_seconds(1, 25).frame_rate, DIM, 2

    def __init__(self) -> None:
        self.most = 0

    def encode(self, audio: Audio) -> Tensor:
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Audio:
        self.most = max(self.most, latents.shape[1])
        mean = torch.nn.functional.avg_pool1d(latents.mean(-1)[:, None], 5, 1, 2)
        return Audio(mean.repeat_interleave(4, -1), self.rate)


def test_a_long_piece_holds_the_latents_of_a_window_and_a_block() -> None:
    model = tiny_generator(steps=1, solver="euler")
    codec = Looking()
    model.codec = codec
    held: list[int] = []

    def counting(latents: Iterator[Tensor]) -> Iterator[Tensor]:
        for number, piece in enumerate(latents):
            yield piece
            if number % 20 == 19:  # a look at everything that is alive takes its time
                held.append(sum(len(x.untyped_storage()) // 4 // DIM for x in tensors()))

    def tensors() -> list[Tensor]:
        """Those of latents that are alive, each storage once."""
        found = {}
        for each in gc.get_objects():
            if type(each) is Tensor and each.ndim == 3 and each.shape[-1] == DIM:
                found[each.untyped_storage().data_ptr()] = each
        return list(found.values())

    grid = model.grid(100.0)
    piece = Piece(model, Controls(("ab",)), grid, seed=0, keep_latents=False)
    frames = 0
    for block in long.decoded(codec, counting(piece.latents()), frames=100):
        frames += block.samples.shape[-1] // 4
    assert frames == grid.length
    assert codec.most <= 100 + 2 * 2 + 50
    assert len(held) >= 4 and 0 < max(held) < 1000, "the piece has 2500 frames"


def test_a_constant_curve_is_the_constant_to_the_bit() -> None:
    grid = MODEL.grid(5.0)
    weights = {"all": 3.0, "chords": 1.5}
    constant = Piece(MODEL, controls(grid), grid, guidance=Guidance.of(weights), seed=1).whole()
    for text in ("1.5@0 1.5@2 1.5@4", "1.5"):
        curve = GuidanceOverTime({"all": 3.0, "chords": Curve.of(text)})
        assert torch.equal(Piece(MODEL, controls(grid), grid, guidance=curve, seed=1).whole().latents, constant.latents)


def test_a_curve_is_its_first_value_before_it_and_its_last_one_behind() -> None:
    """The tiny field looks at one frame at a time, so frames with equal weights are equal."""
    grid = MODEL.grid(2.0)
    low, high = (Piece(MODEL, controls(grid), grid, guidance=Guidance.plain(w), seed=1).whole() for w in (1.0, 4.0))
    curve = GuidanceOverTime({"all": Curve.of("1@0.8 4@1.2")})
    found = Piece(MODEL, controls(grid), grid, guidance=curve, seed=1).whole().latents
    torch.testing.assert_close(found[:, :20], low.latents[:, :20])
    torch.testing.assert_close(found[:, 30:], high.latents[:, 30:])
    assert not torch.allclose(found[:, 20:30], low.latents[:, 20:30])
