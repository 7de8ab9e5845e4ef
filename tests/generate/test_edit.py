"""Regions made anew and pieces made longer: what stays, what is seen, and what is asked of the new part."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.controls.beats import from_bpm, from_track
from flowmusic.controls.drums import onsets_from_track, onsets_to_track
from flowmusic.controls.tracks import batched
from flowmusic.generate.edit import edit, fill, frames, inside, plan
from flowmusic.generate.extend import continued, extend, turn_of
from flowmusic.generate.splice import splice
from flowmusic.generate.windows import Window
from flowmusic.types import Controls, FrameGrid, Style, Track
from tests.generate.tiny import DIM, TinyEncoder, chords, tiny_generator


@given(st.integers(1, 900), st.integers(0, 800), st.integers(1, 800), st.integers(8, 250))
def test_windows_fill_a_span_and_see_what_is_beside_it(length: int, start: int, size: int, window: int) -> None:
    start = min(start, length - 1)
    span, context = Window(start, min(length, start + size)), window // 4
    parts = plan(span, length, window, context)
    assert all(part.stop - part.start == window and part.start >= 0 for part in parts)
    assert all(part.stop <= max(length, window) for part in parts)
    filled = set(range(0, span.start)) | set(range(span.stop, length))
    for part in parts:
        here = set(range(part.start, min(part.stop, length)))
        # A window goes on from known frames wherever there are any.
        assert here & filled or (span.start == 0 and span.stop == length and part.start == 0)
        filled |= here
    assert filled >= set(range(length))
    if span.stop < length:
        assert any(part.start < span.stop < part.stop for part in parts), "no window sees what follows"


def test_outside_of_a_region_latents_stay_and_inside_they_change() -> None:
    model = tiny_generator(seconds=2.0)
    latents = torch.randn(1, 100, DIM)
    grid = FrameGrid.of_seconds(4, 25)
    controls = Controls(("a",), {"chords": chords(grid)})
    take = edit(model, latents, controls, [(0.5, 1.0), (3.0, 3.5)], seed=3)
    inner = torch.zeros(100, dtype=torch.bool)
    inner[12:25] = inner[75:88] = True
    assert torch.equal(take.latents[:, ~inner], latents[:, ~inner])
    assert bool((take.latents[:, inner] != latents[:, inner]).all())
    again = edit(model, latents, controls, [(0.5, 1.0), (3.0, 3.5)], seed=3)
    assert torch.equal(again.latents, take.latents) and take.seed == 3
    assert take.audio.samples.shape == (1, 1, 4 * 3200)


def test_a_batch_is_edited_as_its_items_are() -> None:
    model, latents = tiny_generator(), torch.randn(2, 50, DIM)
    both = edit(model, latents, Controls(("a", "b")), [(0.4, 1.2)], seed=5).latents
    alone = edit(model, latents[1:], Controls(("b",)), [(0.4, 1.2)], seed=6).latents
    torch.testing.assert_close(both[1:], alone)


@pytest.mark.parametrize("region", [(1.0, 1.0), (2.0, 1.0), (-0.5, 1.0), (1.0, 9.0), (math.nan, 1.0)])
def test_regions_that_are_none(region: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a region must begin before it ends, in 0 to 2 s"):
        edit(tiny_generator(), torch.zeros(1, 50, DIM), Controls(("a",)), [region])
    with pytest.raises(ValueError, match="at least one region"):
        edit(tiny_generator(), torch.zeros(1, 50, DIM), Controls(("a",)), [])


def test_frames_that_a_region_touches() -> None:
    grid = FrameGrid.of_seconds(10, 25)
    assert frames((2.5, 7.5), grid) == Window(62, 188)
    assert frames((2.0000001, 10.0), grid) == Window(50, 250)


def test_an_encoder_without_context_is_led_by_the_path_alone() -> None:
    """What an encoder that ignores the context computes is decided by its neighbours through the field alone."""

    class Deaf(TinyEncoder):
        reads_context = False

        def forward(self, controls, grid, context=None):  # type: ignore[no-untyped-def]
            return super().forward(controls, grid)

    model = tiny_generator()
    assert model.reads_context
    model.encoder = Deaf()
    assert not model.reads_context
    latents = torch.randn(1, 50, DIM)
    take = edit(model, latents, Controls(("a",)), [(0.4, 1.2)], seed=1)
    assert torch.equal(take.latents[:, :10], latents[:, :10])
    assert torch.equal(take.latents[:, 30:], latents[:, 30:])


def test_an_encoder_is_told_what_is_beside_a_region_only_where_asked() -> None:
    heard: list[bool] = []

    class Listening(TinyEncoder):
        def forward(self, controls, grid, context=None):  # type: ignore[no-untyped-def]
            heard.append(context is not None)
            return super().forward(controls, grid, context)

    model = tiny_generator()
    model.encoder = Listening()
    latents = torch.randn(1, 50, DIM)
    edit(model, latents, Controls(("a",)), [(0.4, 1.2)], seed=1)
    assert heard and not any(heard)
    heard.clear()
    edit(model, latents, Controls(("a",)), [(0.4, 1.2)], seed=1, told=True)
    assert heard and all(heard)


def test_controls_hold_where_they_are_given() -> None:
    grid = FrameGrid.of_seconds(4, 25)
    old = Controls(("old",), {"chords": chords(grid, [1] * 100), "drums": batched(onsets_to_track([0.0], grid))})
    new = Controls(("new",), {"chords": chords(grid, [5] * 100)}, (Style(torch.ones(2, DIM)),))
    both = inside(old, new, [(1.0, 2.0)], grid)
    assert both.text == ("new",) and both.style == new.style
    assert both.tracks["chords"].values[0].tolist() == [1] * 25 + [5] * 25 + [1] * 50
    assert both.tracks["drums"] is old.tracks["drums"]
    silent = inside(old, Controls((None,)), [(1.0, 2.0)], grid, free={"drums", "text"})
    assert silent.text == (None,) and silent.tracks["chords"] is old.tracks["chords"]
    assert silent.tracks["drums"].known[0].tolist() == [True] * 25 + [False] * 25 + [True] * 50
    # What the old one lacks is known in the region alone.
    added = inside(Controls(("old",)), new, [(1.0, 2.0)], grid)
    assert added.tracks["chords"].known[0].tolist() == [False] * 25 + [True] * 25 + [False] * 50
    codes = Controls((None,), {"drums": chords(grid)})
    with pytest.raises(ValueError, match="one kind"):
        inside(old, codes, [(1.0, 2.0)], grid)


def test_a_chord_of_a_region_does_not_reach_out_of_it() -> None:
    """A line in the middle of a frame: chords snap to the frame after it, hits stay in the frame that holds them."""
    grid = FrameGrid.of_seconds(4, 25)
    old = Controls((None,), {"chords": chords(grid, [1] * 100), "drums": batched(onsets_to_track([2.5], grid))})
    new = Controls((None,), {"chords": chords(grid, [5] * 100), "drums": batched(onsets_to_track([1.5], grid))})
    both = inside(old, new, [(1.5, 2.5)], grid)
    assert both.tracks["chords"].values[0].tolist() == [1] * 38 + [5] * 25 + [1] * 37
    assert onsets_from_track(both.tracks["drums"]) == pytest.approx((1.5, 2.5), abs=0.02)


@given(st.integers(1, 60), st.integers(40, 120), st.integers(0, 8), st.sampled_from([torch.float32, torch.float64]))
def test_a_splice_leaves_the_rest_and_does_not_jump(begin: int, end: int, fade: int, kind: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(begin)
    # Slow waves: neighbours differ by little, so a step would be seen.
    time = torch.arange(160, dtype=kind)
    old, new = (torch.sin(time / 9 + 6 * torch.rand(2, 1, generator=generator)).to(kind) for _ in range(2))
    end = max(end, begin + 3 * fade + 1)
    out = splice(old, new, [(begin, end)], fade)
    assert torch.equal(out[:, :begin], old[:, :begin]) and torch.equal(out[:, end:], old[:, end:])
    count = min(fade, (end - begin) // 2)
    assert torch.equal(out[:, begin + count : end - count], new[:, begin + count : end - count])
    if fade == 8 and begin >= 8:
        assert float(out.diff().abs().max()) < 0.9 < 2.0, "the fades are shorter than they are"


def test_a_splice_keeps_an_attack_at_its_beginning_and_the_one_after_it() -> None:
    old, new = torch.zeros(1, 100), torch.zeros(1, 100)
    old[:, 60], new[:, 20] = 0.9, 0.8
    out = splice(old, new, [(20, 60)], fade=10)
    # A click on the very first sample is the worst case: half of it is left, and all of it 10 ms later.
    assert float(out[0, 20]) >= 0.4 and float(out[0, 60]) == pytest.approx(0.9)
    assert float(out[:, 21:60].abs().max()) == 0.0, "nothing else sounds"
    alone = splice(old[:, :20], new, [(20, 100)], fade=10)
    assert float(alone[0, 20]) == pytest.approx(0.8), "an extension's first attack is whole"


def test_a_splice_on_to_an_end_and_before_a_beginning() -> None:
    old, new = torch.ones(1, 30), torch.zeros(1, 50)
    after = splice(old, new, [(30, 50)], fade=10)
    assert torch.equal(after[:, :30], old) and float(after[0, 30]) > 0.9 and float(after[0, 40:].abs().max()) == 0.0
    before = splice(old, new, [(0, 20)], fade=10, offset=20)
    assert torch.equal(before[:, 20:], old) and float(before[0, 19]) > 0.9 and float(before[0, :10].abs().max()) == 0.0


@pytest.mark.parametrize(("first", "known", "total"), [(0, 40, 100), (60, 40, 100), (0, 40, 45)])
def test_extensions_keep_what_is_known(first: int, known: int, total: int) -> None:
    model, latents = tiny_generator(), torch.randn(1, total, DIM)
    take = extend(model, latents, Controls(("a",)), first=first, known=known, seed=2)
    kept = slice(first, first + known)
    assert torch.equal(take.latents[:, kept], latents[:, kept])
    assert int((take.latents != latents).all(-1).sum()) == total - known
    other = latents.clone()
    other[:, :first], other[:, first + known :] = 7.0, 7.0
    assert torch.equal(extend(model, other, Controls(("a",)), first=first, known=known, seed=2).latents, take.latents)


def test_nothing_to_extend() -> None:
    with pytest.raises(ValueError, match="already has 150 of 150"):
        extend(tiny_generator(), torch.zeros(1, 150, DIM), Controls(("a",)), known=150)


def progression(bars: list[int], bar_frames: int = 50, length: int | None = None) -> Track:
    ids = [number for number in bars for _ in range(bar_frames)][:length]
    return chords(FrameGrid.of_seconds(len(ids) / 25, 25), ids)


@pytest.mark.parametrize(
    ("bars", "length", "then"),
    [
        ([1, 2, 3, 4], None, [1, 2, 3, 4]),
        ([1, 2, 3, 4, 1], None, [2, 3, 4, 1]),
        ([1, 1, 2, 2, 1, 1], None, [2, 2, 1, 1]),
        ([7, 7, 7], None, [7, 7, 7, 7]),
        ([1, 2, 3, 4], 190, [1, 2, 3, 4]),  # four fifths of the last bar, which is held to its end
        ([1, 2, 3], None, [1, 2, 3, 1]),
    ],
)
def test_a_progression_goes_on(bars: list[int], length: int | None, then: list[int]) -> None:
    track = progression(bars, length=length)
    beats = batched(from_bpm(120, "4/4", track.grid))
    longer = FrameGrid(track.grid.frame_rate, (len(bars) + 4) * 50)
    made = continued(Controls(("a",), {"chords": track, "beats": beats}), beats, longer)
    wanted = [number for number in (*bars, *then) for _ in range(50)]
    assert made.tracks["chords"].values[0].tolist() == wanted[: longer.length]
    assert bool(made.tracks["chords"].known.all())
    times = from_track(made.tracks["beats"])
    assert times.downbeats == pytest.approx([2.0 * n for n in range(len(bars) + 4)], abs=1e-3)
    # Leading up to it, the same bars come before.
    before = continued(
        Controls(("a",), {"chords": track, "beats": beats}), beats, longer, longer.length - len(track.values[0])
    )
    if length is None and turn_of({"chords": track}, beats).seconds == 2.0 * len(bars):  # type: ignore[union-attr]
        assert before.tracks["chords"].values[0].tolist() == [
            n for n in (bars * 3)[-len(bars) - 4 :] for _ in range(50)
        ]


def test_drums_go_on_between_frames_and_a_tune_does_not() -> None:
    grid, longer = FrameGrid.of_seconds(3.75, 25), FrameGrid.of_seconds(9.0, 25)
    beats = batched(from_bpm(128, "4/4", grid))  # a bar lasts 1.875 s, which is no whole number of frames
    hits = [0.0, 0.9, 1.875, 2.775]
    tracks = {
        "drums": batched(onsets_to_track(hits, grid)),
        "melody": Track(torch.ones(1, grid.length, 53), torch.ones(1, grid.length, dtype=torch.bool), grid),
        "beats": beats,
    }
    made = continued(Controls(("a",), tracks), beats, longer, seconds=3.75).tracks
    found = onsets_from_track(made["drums"])
    wanted = [time for turn in range(3) for time in (hit + 3.75 * turn for hit in hits) if time < 9.0]
    assert found == pytest.approx(wanted, abs=0.011)
    assert int(made["melody"].known.sum()) == grid.length
    free = continued(Controls(("a",), tracks), beats, longer, free={"drums"}).tracks
    assert int(free["drums"].known.sum()) == grid.length


def test_without_bars_a_piece_repeats_as_a_whole() -> None:
    track = progression([1, 2], bar_frames=30)
    made = continued(Controls(("a",), {"chords": track}), None, FrameGrid.of_seconds(4.8, 25))
    assert made.tracks["chords"].values[0].tolist() == [n for n in (1, 2, 1, 2) for _ in range(30)]
    assert turn_of({"chords": track}, None) is None


def test_spans_that_share_a_window_each_see_the_other_made() -> None:
    model = tiny_generator()
    latents = torch.randn(1, 50, DIM)
    take = fill(model, latents, Controls(("a",)), [Window(10, 20), Window(30, 40)], seed=1)
    assert torch.equal(take.latents[:, 20:30], latents[:, 20:30]) and take.num_evals == 2 * 8
