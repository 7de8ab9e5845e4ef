"""Two passes over a long piece: parts that cover it, one take on any number of threads, errors that come through."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic import progress
from flowmusic.controls.beats import from_bpm
from flowmusic.controls.tracks import batched
from flowmusic.generate import long
from flowmusic.generate.piece import Piece
from flowmusic.generate.sampling import SeededNoise
from flowmusic.generate.skeleton import in_two_passes, skeleton
from flowmusic.types import Controls, FrameGrid, Guidance
from tests.generate.tiny import DIM, chords, tiny_generator

MODEL = tiny_generator()
GUIDANCE = Guidance.plain(2.0)


@given(
    length=st.integers(5, 700),
    window=st.integers(4, 60),
    data=st.data(),
    lines=st.lists(st.integers(0, 700), max_size=40, unique=True),
)
def test_parts_cover_a_piece_and_those_between_see_both_sides(
    length: int, window: int, data: st.DataObject, lines: list[int]
) -> None:
    window = min(window, length - 1)
    around = data.draw(st.integers(0, (window - 1) // 2))
    parts = skeleton(length, window, around, lines)
    assert [parts[0].start, parts[-1].stop] == [0, length]
    assert all(before.stop == after.start for before, after in zip(parts, parts[1:], strict=False))
    for number, part in enumerate(parts):
        assert part.window.stop - part.window.start == window
        assert 0 <= part.window.start <= part.start < part.stop <= part.window.stop <= length
        if number % 2:
            assert part.start - part.window.start >= around
            assert part.stop == length or part.window.stop == length or part.window.stop - part.stop >= around


def test_parts_end_on_bar_lines() -> None:
    parts = skeleton(1000, 250, 40, range(0, 1000, 48))
    assert [part.stop for part in parts] == [240, 384, 624, 768, 1000]


@pytest.mark.parametrize(("length", "around", "words"), [(250, 40, "no longer"), (300, 125, "below half")])
def test_what_cannot_be_planned_is_refused(length: int, around: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        skeleton(length, 250, around)


def asked(seconds: float) -> tuple[Controls, FrameGrid]:
    grid = FrameGrid.of_seconds(seconds, 25)
    tracks = {
        "chords": chords(grid, [n // 12 % 5 for n in range(grid.length)]),
        "beats": batched(from_bpm(250, "4/4", grid)),
    }
    return Controls(("ab",), tracks), grid


def drawn(threads: int, batch: int = 1) -> torch.Tensor:
    controls, grid = asked(9.0)
    controls = Controls.stack([controls] * batch)
    parts = skeleton(grid.length, MODEL.grid().length, 10, long.bar_lines(controls))
    ask, noise = long.asking(controls, GUIDANCE), SeededNoise.counted(3, batch)
    passes = in_two_passes(MODEL, ask, parts, noise, MODEL.sampling(), threads=threads)
    return torch.cat([latents for latents, _ in passes], 1)


def test_a_take_does_not_depend_on_threads_or_its_batch_and_their_number_stays() -> None:
    before = torch.get_num_threads()
    one = drawn(threads=1)
    assert one.shape == (1, 225, DIM)
    assert torch.equal(drawn(threads=3), one)
    torch.testing.assert_close(drawn(threads=2, batch=2)[:1], one, atol=1e-5, rtol=1e-5)
    assert torch.get_num_threads() == before


def test_levels_are_those_of_the_opening() -> None:
    controls, grid = asked(9.0)
    parts = skeleton(grid.length, MODEL.grid().length, 10, long.bar_lines(controls))
    latents = drawn(threads=1)
    opening = latents[:, : parts[0].stop].mean(1)
    for part in parts[2::2]:
        torch.testing.assert_close(latents[:, part.start : part.stop].mean(1), opening, atol=1e-5, rtol=1e-5)


def test_harmony_and_beat_known_a_piece_is_made_in_two_passes_and_else_left_to_right() -> None:
    controls, grid = asked(9.0)
    both = Piece(MODEL, controls, grid, guidance=GUIDANCE, seed=3).whole().latents
    torch.testing.assert_close(MODEL.generate(controls, guidance=GUIDANCE, seed=3).latents, both)
    told: list[tuple[int, int]] = []
    Piece(MODEL, controls, grid, seed=3).whole(lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)

    def first_seen(wanted: Controls) -> list[bool]:
        MODEL.encoder.seen.clear()
        Piece(MODEL, wanted, grid, guidance=GUIDANCE, seed=3).whole()
        return [context for _, context in MODEL.encoder.seen]

    without = Controls(("ab",), {"chords": controls.tracks["chords"]})
    # Left to right all windows but the first are told of music; of two passes, the second's.
    assert sum(first_seen(without)) == len(MODEL.parts(grid, without)) * 2 - 2
    assert sum(not seen for seen in first_seen(controls)) > 2


def test_who_listens_to_the_progress_of_a_thread_hears_its_workers() -> None:
    controls, grid = asked(9.0)
    heard: list[int] = []
    with progress.telling(lambda bar: heard.append(bar.done)), progress.Bar("making", "eval") as bar:
        Piece(MODEL, controls, grid, seed=3).whole(bar.to)
    assert len(set(heard)) > 1 + MODEL.sampling().evals()


def test_what_goes_wrong_in_a_thread_comes_through() -> None:
    controls, grid = asked(9.0)

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        Piece(MODEL, controls, grid, seed=3).whole(stop)
    assert torch.get_num_threads() == before
