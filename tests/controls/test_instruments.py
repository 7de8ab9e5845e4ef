"""Who plays when, on frames and in windows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.controls.instruments import UNSAID, bridged, check, from_track, heard, part, sounding, to_track
from flowmusic.facts import INSTRUMENTS, Facts
from flowmusic.types import FrameGrid

GRID = FrameGrid.of_seconds(4.0, 25)
NAMES = list(INSTRUMENTS)
spans = st.lists(
    st.builds(
        lambda a, n, name: (a / 25, (a + n) / 25, name), st.integers(0, 80), st.integers(1, 19), st.sampled_from(NAMES)
    ),
    max_size=8,
)


@given(spans)
def test_whole_frames_come_back_joined_where_they_touch(played: list[tuple[float, float, str]]) -> None:
    track = to_track(played, GRID)
    assert track.values.shape == (100, 40) and bool(track.known.all())
    again = to_track(from_track(track), GRID)
    assert torch.equal(again.values, track.values)
    for first in (0, 40):  # the facts of a window and its track tell the same
        window = track.values[first : first + 50]
        assert sounding(played, 25, first, 50) == {NAMES[column] for column in window.amax(0).nonzero().flatten()}


def test_drums_play_and_have_no_column() -> None:
    played = [(0.0, 1.0, "drums"), (2.0, 2.01, "harp"), (3.0, 4.0, "koto")]
    assert float(to_track(played, GRID).values.sum()) == 25.0  # the harp sounds at the centre of no frame
    whole = Facts(frozenset({"harp", "koto"}), True, "folk")
    assert heard(whole, played, 25, 0, 50) == Facts(frozenset(), True, "folk")
    assert heard(whole, played, 25, 50, 50) == Facts(frozenset({"koto"}), False, "folk")
    assert heard(whole, None, 25, 0, 50) == Facts(genre="folk")
    assert heard(Facts(drums=False), None, 25, 0, 50) == Facts(drums=False)


def test_what_is_unsaid_is_no_span_and_what_is_unknown_is_zero() -> None:
    track = to_track([(0.0, 4.0, "piano")], GRID, end_s=2.0)
    assert track.known.sum() == 50 and track.values.sum() == 50
    track.values[:, NAMES.index("flute")] = UNSAID
    assert from_track(track) == ((0.0, 2.0, "piano"),)


def test_parts_and_short_rests() -> None:
    played = bridged(
        [(0.0, 1.0, "flute"), (1.4, 2.0, "flute"), (2.5, 3.0, "flute"), (0.2, 0.9, "flute"), (1.0, 1.1, "oboe")]
    )
    assert played == ((0.0, 2.0, "flute"), (1.0, 1.1, "oboe"), (2.5, 3.0, "flute"))
    assert part(played, 1.5, 1.25) == ((0.0, 0.5, "flute"), (1.0, 1.25, "flute"))


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ([0.0, 1.0], "span 0 .* must be"),
        ("abc", "span 0 .* must be"),
        ([1.0, 1.0, "piano"], "start < end"),
        ([0.0, float("nan"), "piano"], "start < end"),
        ([0.0, 1e300, "piano"], "start < end"),
        ([False, True, "piano"], "start < end"),
        ([0.0, 1.0, "kazoo"], "unknown player 'kazoo'; allowed: piano, .*drums"),
        ([0.0, 1.0, ["piano"]], "unknown player"),
    ],
)
def test_what_is_no_span_is_refused(span: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        check([span])  # type: ignore[list-item]
    assert len(str(refused.value)) <= 600
