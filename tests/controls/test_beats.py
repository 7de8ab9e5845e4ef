"""Beat and bar phase."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.controls import beats as b
from flowmusic.controls.tracks import crop
from flowmusic.types import FrameGrid

GRID = FrameGrid(Fraction(25), 250)
TEMPI = st.floats(40, 200)


def test_an_even_tempo_in_closed_form() -> None:
    values = b.from_bpm(120, "4/4", GRID).values
    centres = (torch.arange(250, dtype=torch.float64) + 0.5) / 25
    for column, period in ((0, 0.5), (2, 2.0)):
        angle = 2 * math.pi * centres / period
        torch.testing.assert_close(values[:, column].double(), angle.sin(), atol=1e-5, rtol=0)
        torch.testing.assert_close(values[:, column + 1].double(), angle.cos(), atol=1e-5, rtol=0)


@given(TEMPI, st.sampled_from(["4/4", "3/4", "6/8", "5/4"]), st.floats(0, 3), st.sampled_from([25, 50]))
def test_tempo_to_track_to_times(bpm: float, meter: str, offset_s: float, rate: int) -> None:
    grid = FrameGrid.of_seconds(10, rate)
    track = b.from_bpm(bpm, meter, grid, offset_s)
    beats, downbeats = b.grid_times(bpm, meter, 10, offset_s)
    found = b.from_track(track)
    # Times at the very ends may fall to either side of the clip.
    inside = lambda times: [t for t in times if 0.001 < t < 9.999]  # noqa: E731
    assert inside(found.beats) == pytest.approx(inside(beats), abs=1e-3)
    assert inside(found.downbeats) == pytest.approx(inside(downbeats), abs=1e-3)
    assert b.tempo(track) == pytest.approx(bpm, rel=1e-3)
    assert track.known.all() and torch.allclose(track.values[:, :2].norm(dim=1), torch.ones(grid.length), atol=1e-5)


def test_grid_times() -> None:
    assert b.grid_times(120, "3/4", 2.0) == ((0.0, 0.5, 1.0, 1.5), (0.0, 1.5))
    beats, downbeats = b.grid_times(60, "4/4", 5.0, offset_s=1.25)
    assert beats == pytest.approx([0.25, 1.25, 2.25, 3.25, 4.25]) and downbeats == pytest.approx([1.25])
    # In 6/8 two dotted quarters are felt in a bar.
    assert b.grid_times(60, "6/8", 4.0) == ((0.0, 1.0, 2.0, 3.0), (0.0, 2.0))


def test_phase_follows_a_changing_tempo_and_goes_on_at_both_ends() -> None:
    track = b.to_track([2.0, 3.0, 3.5, 4.0], [2.0, 3.5], GRID)

    def turns(frame: int, pair: int) -> float:
        sin, cos = track.values[frame, pair : pair + 2].tolist()
        return math.atan2(sin, cos) / (2 * math.pi) % 1

    centre = lambda frame: (frame + 0.5) / 25  # noqa: E731
    assert turns(60, 0) == pytest.approx(centre(60) - 2.0, abs=1e-5)  # 1 s a beat
    assert turns(80, 0) == pytest.approx((centre(80) - 3.0) / 0.5, abs=1e-5)  # 0.5 s a beat
    assert turns(10, 0) == pytest.approx((centre(10) - 2.0) % 1, abs=1e-5)  # before: at the first tempo
    assert turns(240, 0) == pytest.approx((centre(240) - 4.0) / 0.5 % 1, abs=1e-5)  # after: at the last
    # A bar of two beats: half way at the second beat, whatever their lengths.
    assert turns(75, 2) == pytest.approx((1 + (centre(75) - 3.0) / 0.5) / 2, abs=1e-5)


def test_too_few_beats_are_unknown_and_missing_downbeats_leave_the_bar_zero() -> None:
    assert not b.to_track([1.0], [], GRID).known.any()
    assert not b.to_track([], [], GRID).known.any()
    track = b.to_track([0.0, 0.5], [], GRID)
    assert track.known.all() and track.values[:, 2:].abs().sum() == 0
    one = b.to_track([0.0, 0.5], [0.0], GRID, beats_per_bar=4)
    torch.testing.assert_close(one.values, b.from_bpm(120, "4/4", GRID).values)
    assert b.to_track([0.0, 0.5], [0.0], GRID).values[:, 2:].abs().sum() == 0
    assert b.tempo(b.to_track([], [], GRID)) is None
    assert b.from_track(track).downbeats == ()


def test_short_clips_have_a_tempo() -> None:
    grid = FrameGrid(Fraction(25), 10)  # 0.4 s at 60 bpm: less than one beat
    assert b.from_bpm(60, "4/4", grid).known.all()


@given(TEMPI, st.integers(0, 200), st.integers(1, 50))
def test_cropping_a_track_is_rebuilding_it_from_shifted_beats(bpm: float, first: int, length: int) -> None:
    beats, downbeats = b.grid_times(bpm, "4/4", 16, 0.3)
    shift = first / 25
    rebuilt = b.to_track([t - shift for t in beats], [t - shift for t in downbeats], FrameGrid(GRID.frame_rate, length))
    cropped = crop(b.to_track(beats, downbeats, FrameGrid(GRID.frame_rate, 400)), first, length)
    torch.testing.assert_close(cropped.values, rebuilt.values, atol=1e-4, rtol=0)


METERS = {
    "4/4": (4, 1.0, "quarter"), "3/4": (3, 1.0, "quarter"), "2/2": (2, 2.0, "half"), "6/4": (6, 1.0, "quarter"),
    "6/8": (2, 1.5, "dotted quarter"), "12/8": (4, 1.5, "dotted quarter"), "7/8": (7, 0.5, "eighth"),
    "3/8": (3, 0.5, "eighth"), "6/16": (2, 0.75, "dotted eighth"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "told"), METERS.items())
def test_meters(text: str, told: tuple[int, float, str]) -> None:
    meter = b.parse_meter(text)
    assert (meter.name, meter.beats_per_bar, meter.beat_quarters, meter.beat) == (text, *told)
    assert b.Meter.of(5, 32).beat == "1/32"


@pytest.mark.parametrize("text", ["", "4", "4/5", "0/4", "17/4", "four/four", "4/4/4", "-3/4"])
def test_bad_meters_are_named(text: str) -> None:
    with pytest.raises(ValueError, match=rf"meter '{text}' is not a time signature.*such as 4/4 or 6/8"):
        b.parse_meter(text)


@pytest.mark.parametrize("bpm", [0, -60, 19.9, 401, float("nan"), float("inf"), "fast", True])
def test_bad_tempi_are_named(bpm: float) -> None:
    with pytest.raises(ValueError, match=rf"bpm must be .*20 to 400.*got {bpm!r}".replace("'", ".")):
        b.from_bpm(bpm, "4/4", GRID)


def test_bad_times_are_named() -> None:
    with pytest.raises(ValueError, match=r"beats must ascend, but beats\[2\] = 1 s follows 1 s"):
        b.to_track([0, 1, 1], [], GRID)
    with pytest.raises(ValueError, match=r"downbeats\[1\] must be a finite number of seconds, got nan"):
        b.to_track([0, 1, 2], [0, float("nan")], GRID)
