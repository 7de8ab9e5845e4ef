"""Seconds to frames by one rule, and back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.labels_file import of_record
from flowmusic.annotations.tracks import from_tracks, request_tracks, to_tracks
from flowmusic.controls import TRACKS, drums
from flowmusic.controls.request import request
from flowmusic.controls.vocabulary import label_id
from flowmusic.types import AudioPrompt, FrameGrid

FIVE = FrameGrid(Fraction(25), 125)
THREE = Annotations(
    seconds=3.0,
    beats=(0.0, 0.5, 1.0),
    chords=((0.0, 5.0, "C"),),
    melody=((0.0, 1.0, 60),),
    drums=DrumHits((0.0, 4.0)),
)
LABELS = {
    "chords": [[0.0, 4.0, "C"], [4.0, 8.0, "Am"]],
    "melody": [[1.0, 5.0, 60]],
    "beats": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "downbeats": [1.0, 5.0],
    "drums": {"onsets": [0.5, 3.5], "classes": {"kick": [3.5]}},
}


def known(annotations: Annotations, **part: float) -> dict[str, int]:
    """How many frames of 5 s are known, all from the first."""
    tracks = to_tracks(annotations, FIVE, **part)  # type: ignore[arg-type]
    counts = {name: int(track.known.sum()) for name, track in tracks.items()}
    for name, track in tracks.items():
        assert track.known[: counts[name]].all()
        assert not track.values.is_floating_point() or not track.values[~track.known].any()
    return counts


def test_frames_after_the_end_are_unknown_for_every_control() -> None:
    assert known(THREE) == dict.fromkeys(TRACKS, 75)
    assert known(THREE, seconds=2.0) == dict.fromkeys(TRACKS, 50)
    assert known(THREE, start=1.0, seconds=5.0) == dict.fromkeys(TRACKS, 50)
    # A frame counts where its centre lies before the end: that of frame 75 is 3.02 s.
    ends = {seconds: known(replace(THREE, seconds=seconds))["drums"] for seconds in (3.01, 3.02, 3.03)}
    assert ends == {3.01: 75, 3.02: 75, 3.03: 76}


def test_where_nobody_says_the_end_beats_are_known_from_first_to_last_and_the_rest_to_the_end_of_the_grid() -> None:
    endless = replace(THREE, seconds=None, chords=((0.0, 2.0, "C"),))
    assert known(endless) == {"chords": 50, "melody": 125, "drums": 125, "beats": 25}
    assert known(Annotations(chords=(), melody=(), drums=DrumHits(()), beats=())) == {
        "chords": 0,
        "melody": 125,
        "drums": 125,
        "beats": 0,
    }
    assert to_tracks(Annotations(bpm=120.0), FIVE) == {} and set(to_tracks(THREE, FIVE, ["beats"])) == {"beats"}


def test_a_part_of_a_file() -> None:
    grid = FrameGrid(Fraction(10), 20)
    whole = of_record(LABELS, "labels.json")
    found = to_tracks(whole, grid, TRACKS, 3.0, 2.0)
    assert found["chords"].values.tolist() == [label_id("C")] * 10 + [label_id("Am")] * 10
    assert found["melody"].values.argmax(1).tolist() == [60 - 43] * 20
    assert drums.onsets_from_track(found["drums"]) == pytest.approx([0.5], abs=0.06)
    torch.testing.assert_close(found["beats"].values[5, :2], torch.tensor([0.0, -1.0]), atol=0.35, rtol=0)
    # Beyond what is labelled nothing is known; nobody claims silence there.
    late = to_tracks(whole, grid, TRACKS, 7.0, 2.0)
    assert late["chords"].known.tolist() == [True] * 10 + [False] * 10
    assert not late["beats"].known.any()
    short = to_tracks(replace(whole, seconds=8.0), grid, TRACKS, 7.0, 2.0)
    assert all(track.known.tolist() == [True] * 10 + [False] * 10 for track in short.values())


def test_a_request_goes_on_where_a_recording_ends() -> None:
    tracks = request_tracks(THREE, FIVE, TRACKS)
    assert {name: int(track.known.sum()) for name, track in tracks.items()} == {
        "chords": 125,
        "melody": 75,
        "drums": 125,
        "beats": 125,
    }
    # The drums begin again after 3 s; of a tempo alone beats are made.
    assert drums.onsets_from_track(tracks["drums"]) == pytest.approx((0.005, 3.005))
    assert request_tracks(Annotations(seconds=3.0, bpm=60.0), FIVE, ["beats"])["beats"].known.all()
    assert request_tracks(Annotations(), FIVE, TRACKS) == {}


def test_what_was_requested_is_read_back() -> None:
    grid = FrameGrid(25, 50)
    controls = request("t", grid=grid, chords="0:C", melody=[(0.2, 1.0, 60)], drums=[0.1, 1.9], bpm=120)
    asked = from_tracks(controls, seconds=1.5)
    assert (asked.seconds, asked.text, asked.chords) == (1.5, "t", ((0.0, 1.5, "C"),))
    assert asked.melody == ((0.2, 1.0, 60),)
    assert asked.events("drums") == pytest.approx([0.105])
    assert asked.beats == pytest.approx([0.0, 0.5, 1.0], abs=0.01)
    assert asked.downbeats == pytest.approx([0.0], abs=0.01)
    assert from_tracks(request("t", grid=grid), seconds=2.0) == Annotations(seconds=2.0, text="t")
    heard = replace(request(grid=grid, bpm=120), text=(AudioPrompt(torch.zeros(2)),))
    assert from_tracks(heard, 2.0).text is None and from_tracks(controls.tracks, 1.5) == replace(asked, text=None)
    # A tempo without bars knows of no downbeat.
    assert from_tracks(request_tracks(Annotations(bpm=120.0), grid, ["beats"]), 2.0).downbeats is None


def test_tracks_and_seconds_are_one_another_s_inverse() -> None:
    song = Annotations(
        seconds=2.0,
        chords=((0.0, 0.8, "C"), (1.2, 2.0, "Am7")),
        melody=((0.2, 1.0, 60), (1.0, 1.6, 62)),
        drums=DrumHits((0.105, 1.005)),
        beats=(0.0, 0.5, 1.0, 1.5),
    )
    again = from_tracks(to_tracks(song, FrameGrid(25, 50)), 2.0)
    assert again.chords == song.chords and again.melody == song.melody and again.drums == song.drums
    assert again.beats == pytest.approx(song.beats, abs=1e-6)
