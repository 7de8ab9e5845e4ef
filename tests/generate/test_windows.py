"""Windows cover every frame, overlap enough, and see their own part of the controls."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.generate.windows import Window, cover, cut_controls
from flowmusic.types import Controls, FrameGrid, Track


@given(length=st.integers(1, 500), window=st.integers(1, 60), data=st.data())
def test_windows_cover_all_frames_with_the_asked_overlap(length: int, window: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, window - 1))
    parts = cover(length, window, overlap)
    assert all(part.stop - part.start == window for part in parts)
    assert set(range(length)) <= {n for part in parts for n in range(part.start, part.stop)}
    assert all(before.stop - after.start >= overlap for before, after in pairwise(parts))
    assert all(before.start < after.start for before, after in pairwise(parts))
    if length >= window:
        assert parts[-1].stop == length
    else:
        assert parts == (Window(0, window),)


@given(length=st.integers(1, 30), seed=st.integers(0, 99), data=st.data())
def test_a_cut_track_holds_the_frames_of_its_window(length: int, seed: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, length - 1))
    window = Window(start, start + data.draw(st.integers(1, 40)))
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 9, (2, length), generator=generator)
    known = torch.rand(2, length, generator=generator) < 0.5
    track = Track(ids, known, FrameGrid(Fraction(25), length))
    cut = cut_controls(Controls(("a", None), {"chords": track}), window)
    result = cut.tracks["chords"]
    inside = min(length, window.stop) - start
    assert cut.text == ("a", None)
    assert result.grid == FrameGrid(Fraction(25), window.stop - window.start)
    assert torch.equal(result.values[:, :inside], ids[:, start : window.stop])
    assert torch.equal(result.known[:, :inside], known[:, start : window.stop])
    assert not result.known[:, inside:].any()


def test_impossible_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="window of 10 frames, got 10"):
        cover(20, 10, 10)
    with pytest.raises(ValueError, match="got 0 and 10"):
        cover(0, 10, 2)
