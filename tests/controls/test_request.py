"""What a person writes down, as Controls."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import flowmusic
from flowmusic.controls import beats, chords, drums, melody
from flowmusic.controls.notices import ControlNotice
from flowmusic.controls.request import request
from flowmusic.types import FrameGrid, Track

GRID = FrameGrid(Fraction(25), 250)


def times(start: float, step: float, count: int) -> list[float]:
    return [start + step * k for k in range(count)]


def test_it_is_the_public_function() -> None:
    assert flowmusic.request is request


def test_nothing_asked_is_nothing_given() -> None:
    controls = request(grid=GRID)
    assert controls.batch == 1 and controls.names() == frozenset()
    assert request("warm", grid=GRID).names() == {"text"}


def test_everything_asked_is_one_batch_on_the_grid() -> None:
    controls = request(
        "warm lo-fi", grid=GRID, chords="C Am F G", melody=[(0, 10, 60)], drums=times(0, 0.5, 20), bpm=90, meter="3/4"
    )
    assert controls.names() == {"text", "chords", "melody", "drums", "beats"}
    for name, features in (("chords", ()), ("melody", (53,)), ("drums", (12,)), ("beats", (4,))):
        track = controls.tracks[name]
        assert track.values.shape == (1, 250, *features) and track.known.shape == (1, 250) and track.grid == GRID
    assert chords.from_track(controls.tracks["chords"])[:2] == ((0, 2, "C"), (2, 4, "Am"))  # 3 beats at 90 bpm: 2 s
    assert beats.tempo(controls.tracks["beats"]) == pytest.approx(90, rel=1e-4)


def test_the_grid_may_have_any_rate() -> None:
    controls = request(grid=FrameGrid(Fraction(50), 100), chords="C", drums=[0.5], melody=[(0, 2, 60)], bpm=120)
    assert {name: tuple(track.values.shape) for name, track in controls.tracks.items()} == {
        "chords": (1, 100),
        "melody": (1, 100, 53),
        "drums": (1, 100, 6),
        "beats": (1, 100, 4),
    }


@pytest.mark.parametrize(
    ("arguments", "tempo", "second_chord"),
    [
        ({"chords": "C F"}, 120, 2.0),
        ({"chords": "C F", "bpm": 60}, 60, 4.0),
        ({"chords": "C F", "bpm": 60, "meter": "6/8"}, 60, 2.0),
        ({"chords": "0:C 3:F"}, None, 3.0),
        ({"chords": "0:C 3:F", "bpm": 80}, 80, 3.0),
        ({"chords": [(0, 3, "C"), (3, 10, "F")]}, None, 3.0),
        ({"bpm": 80}, 80, None),
        ({"drums": [1.0]}, None, None),
    ],
)
def test_when_a_tempo_places_chords_and_sets_the_grid(
    arguments: dict[str, Any], tempo: float | None, second_chord: float | None
) -> None:
    tracks = request(grid=GRID, **arguments).tracks
    found = beats.tempo(tracks["beats"]) if "beats" in tracks else None
    assert found == (None if tempo is None else pytest.approx(tempo, rel=1e-4))
    if second_chord is not None:
        assert chords.from_track(tracks["chords"])[1][0] == second_chord
    else:
        assert "chords" not in tracks


def test_given_beats_replace_the_grid_and_place_bars() -> None:
    given_beats = beats.from_bpm(100, "4/4", GRID, offset_s=0.6)
    tracks = request(grid=GRID, chords="C F", beats=given_beats).tracks
    assert torch.equal(tracks["beats"].values[0], given_beats.values)
    line = chords.from_track(tracks["chords"])
    # 0.6 s of pickup, then bars of 2.4 s, at the next frame.
    assert [start for start, _, _ in line] == pytest.approx([0.6, 3.0, 5.4, 7.8], abs=0.04)
    assert not tracks["chords"].known[0, :14].any()
    both = request(grid=GRID, chords="C F", beats=given_beats, bpm=120).tracks
    assert chords.from_track(both["chords"])[1][0] == 2.0
    assert torch.equal(both["beats"].values[0], given_beats.values)


def test_a_shorter_melody_is_unknown_after_its_end_and_drums_are_taken_as_they_are() -> None:
    tracks = request(grid=GRID, melody=[(0, 1, 60), (2, 4, 62)], drums=[0.0, 1.0]).tracks
    assert tracks["melody"].known[0].tolist() == [n < 100 for n in range(250)]
    assert tracks["drums"].known.all()
    assert drums.onsets_from_track(tracks["drums"]) == pytest.approx((0.005, 1.005))


def test_tracks_are_cut_with_a_notice_or_filled() -> None:
    long = melody.to_track([(0, 20, 60)], FrameGrid(Fraction(25), 500))
    with pytest.warns(ControlNotice, match="melody of 20 s is cut at the clip's 10 s"):
        assert request(grid=GRID, melody=long).tracks["melody"].known.shape == (1, 250)
    short = chords.to_track([(0, 2, "C")], FrameGrid(Fraction(25), 50))
    assert request(grid=GRID, chords=short).tracks["chords"].known[0].tolist() == [n < 50 for n in range(250)]
    wrong = chords.to_track([(0, 2, "C")], FrameGrid(Fraction(50), 100))
    with pytest.raises(ValueError, match="chords: the track has 50 frames per second, the grid 25"):
        request(grid=GRID, chords=wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chords": "Csus4 F"}, "chord Csus4 is taken as C"),
        ({"chords": [(0, 5, "G9")]}, r"chord G9 is taken as G7 \(at 0-5 s\)"),
        ({"chords": [(0, 12, "G")]}, "chords of 12 s are cut at the clip's 10 s"),
        ({"chords": "C F G A D E"}, "6 bars of chords last 12 s and are cut"),
        ({"melody": [(0, 1, 30)]}, r"1 note\(s\) outside MIDI 43-95.*30"),
        ({"melody": [(0, 11, 60)]}, "melody of 11 s are cut"),
        ({"drums": [1.0, 12.5]}, "drums of 12.5 s are cut"),
    ],
)
def test_what_is_taken_differently_is_said(arguments: dict[str, Any], message: str) -> None:
    with pytest.warns(ControlNotice, match=message):
        request(grid=GRID, **arguments)


def test_a_clean_request_is_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        request("jazz", grid=GRID, chords="C Am | F G", melody=[(0, 9, 60)], drums=[0.0, 9.9], bpm=120)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bpm": 0}, "20 to 400.*got 0"),
        ({"bpm": -5}, "got -5"),
        ({"bpm": float("nan")}, "got nan"),
        ({"bpm": 401}, "got 401"),
        ({"meter": "5/7"}, "'5/7' is not a time signature"),
        ({"chords": ""}, "empty"),
        ({"chords": "C Foo"}, "'Foo'.*bar 2, chord 1"),
        ({"chords": [(0, 1, "Foo")]}, "'Foo'"),
        ({"chords": [(2, 1, "C")]}, r"chord 0 \(C\).*got 2 to 1"),
        ({"melody": []}, "melody has no notes"),
        ({"melody": [(0, 0, 60)]}, "note 0"),
        ({"melody": [(9.99, 12, 60)]}, r"melody would only begin at 9.99 s.*clip's end at 10 s.*--seconds 14\)"),
        ({"melody": [(7199, 7200, 60)]}, "would only begin at 7199 s, after the clip's end at 10 s; cut what comes"),
        ({"drums": [12.0]}, "first onset would only begin at 12 s"),
        ({"drums": [float("inf")]}, "drum onset 0.*got inf"),
    ],
)
@pytest.mark.filterwarnings("ignore::flowmusic.controls.notices.ControlNotice")
def test_errors_name_the_value(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        request(grid=GRID, **arguments)


def test_batches_are_refused() -> None:
    track = chords.to_track([(0, 10, "C")], GRID)
    two = Track(track.values.expand(2, -1), track.known.expand(2, -1), GRID)
    with pytest.raises(ValueError, match=r"chords: expected one track.*\(2, 250\)"):
        request(grid=GRID, chords=two)


@given(st.floats(20, 400), st.sampled_from(["4/4", "3/4", "6/8", "7/8"]))
@pytest.mark.filterwarnings("ignore::flowmusic.controls.notices.ControlNotice")
def test_bars_begin_on_downbeats(bpm: float, meter: str) -> None:
    tracks = request(grid=GRID, chords="C F", bpm=bpm, meter=meter).tracks
    downbeats = beats.grid_times(bpm, meter, GRID.seconds)[1]
    starts = [start for start, _, _ in chords.from_track(tracks["chords"])]
    assert len(starts) in (len(downbeats), len(downbeats) - 1)  # a bar shorter than its last frame has none
    assert all(-1e-9 <= start - downbeat < 0.04 + 1e-6 for start, downbeat in zip(starts, downbeats))
