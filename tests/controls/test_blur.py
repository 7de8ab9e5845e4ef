"""Blur over time: drums become densities, symbols become open around their changes, and 0 changes nothing."""

from __future__ import annotations

import pytest
import torch

from flowmusic.controls.blur import blurred
from flowmusic.controls.drums import codes_to_track, onsets_to_track, to_drawing
from flowmusic.controls.tracks import batched
from flowmusic.model.controls import TrackConditioner
from flowmusic.types import FrameGrid, Track

GRID = FrameGrid.of_seconds(2, 25)
DRUMS = onsets_to_track([0.2, 0.5, 0.81, 1.5], GRID, levels=[1.0, 0.4, 0.7, 1.0])


@pytest.mark.parametrize("seconds", [0.0, 0.03, 0.05, 0.2])
def test_a_steady_blur_of_drums_is_that_of_a_model(seconds: float) -> None:
    own = TrackConditioner(12, 4, bands=3, blur_s=seconds).blurred(DRUMS.values[None])[0]
    found = blurred(DRUMS, "drums", torch.full((50,), seconds))
    torch.testing.assert_close(found.values, own, atol=1e-6, rtol=0)
    assert torch.equal(found.known, DRUMS.known)


def test_a_blur_that_grows_leaves_the_beginning_as_it_is() -> None:
    widths = torch.linspace(0.0, 0.4, 50).where(torch.arange(50) >= 25, torch.zeros(()))
    found = blurred(batched(DRUMS), "drums", widths)
    assert torch.equal(found.values[0, :25], DRUMS.values[:25])
    assert float(to_drawing(found)[:, 100:].max()) < 0.1


def test_symbols_open_up_around_their_changes_alone() -> None:
    ids = torch.tensor([1] * 20 + [5] * 30)
    track = Track(ids, torch.arange(50) < 45, GRID)
    widths = torch.where(torch.arange(50) < 20, 0.18, 0.39)  # 2 frames before the change, 5 behind it
    found = blurred(track, "chords", widths)
    assert torch.nonzero(track.known & ~found.known).flatten().tolist() == [18, 19, 20, 21, 22, 23, 24]
    assert torch.equal(found.values, ids)
    notes = torch.nn.functional.one_hot(ids, 53).float()
    melody = blurred(Track(notes, track.known, GRID), "melody", widths)
    assert torch.equal(melody.known, found.known)
    assert torch.equal(blurred(track, "chords", torch.zeros(50)).known, track.known)


@pytest.mark.parametrize(
    ("name", "widths", "message"),
    [
        ("beats", torch.zeros(50), "chords, melody, drums"),
        ("drums", torch.zeros(49), "50 frames"),
        ("drums", torch.full((50,), -1.0), "0 or more"),
        ("drums", torch.full((50,), float("nan")), "0 or more"),
    ],
)
def test_what_cannot_be_blurred_is_refused(name: str, widths: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        blurred(DRUMS, name, widths)
    codes = codes_to_track(torch.zeros(50, dtype=torch.long), GRID)
    with pytest.raises(ValueError, match="codes"):
        blurred(codes, "drums", torch.zeros(50))
