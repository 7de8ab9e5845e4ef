"""What a field is asked at the start of a flow: the mean of the window, from what it is told."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flowmusic.train.outset import FRAMES, LATEST, outset, outset_loss
from flowmusic.types import Condition, Controls, FrameGrid, Track

TOLD = torch.tensor([[1.0, -2.0], [0.5, 3.0], [0.0, 0.0]])


class Guess(nn.Module):
    """A field that takes the data to be what it is told, plus what is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.added = nn.Parameter(torch.zeros(2))

    def forward(self, z: Tensor, t: Tensor, condition: Condition) -> Tensor:
        assert z.shape == (3, FRAMES, 2) and condition.pooled is not None
        assert (t >= 0.0).all() and (t < LATEST).all() and len(t.unique()) == 3
        # The velocity of z = (1 - t) noise + t data, where the data are the guess.
        return (condition.pooled[:, None] + self.added - z) / (1.0 - t)[:, None, None]


def condition() -> Condition:
    none = torch.zeros(3, 1, dtype=torch.bool)
    return Condition(frames=None, tokens=torch.zeros(3, 1, 2), tokens_mask=none, pooled=TOLD)


def swinging(offset: float = 0.0) -> Tensor:
    """Windows whose means are what is told and an offset, with much that cancels over time."""
    wave = torch.tensor([5.0, -5.0]).repeat(20)[None, :, None]
    return TOLD[:, None] + offset + wave


def asked(windows: Tensor, rng: torch.Generator, channels: Tensor | None = None, field: Guess | None = None) -> Tensor:
    _, piece, mean = outset(Controls((None,) * len(windows)), windows, rng)
    return outset_loss(field or Guess(), condition(), piece, mean, rng, channels)


def test_a_field_that_knows_the_means_makes_no_error() -> None:
    rng = torch.Generator().manual_seed(0)
    assert float(asked(swinging(), rng)) < 1e-10
    assert float(asked(swinging(2.0), rng)) == pytest.approx(4.0, rel=1e-5)
    # All weight on the second channel, which is as far off as the first.
    assert float(asked(swinging(2.0), rng, torch.tensor([0.0, 2.0]))) == pytest.approx(4.0, rel=1e-5)


def test_it_is_learnt() -> None:
    field, rng = Guess(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(field.parameters(), lr=0.5)
    for _ in range(50):
        optimizer.zero_grad()
        asked(swinging(2.0), rng, field=field).backward()
        optimizer.step()
    torch.testing.assert_close(field.added, torch.full((2,), 2.0), atol=1e-3, rtol=0.0)


def test_tracks_are_cut_with_the_windows_and_left_out_of_some() -> None:
    size, length = 200, 40
    # Each frame of the data and of the track is its own number, so that a piece tells where it was cut.
    frames = torch.arange(length).expand(size, length)
    windows = frames[..., None].float()
    known = torch.ones(size, length, dtype=torch.bool)
    known[:50] = False
    given = Controls((None,) * size, {"drums": Track(frames, known, FrameGrid.of_seconds(1, length))})
    starts = set()
    for seed in range(40):
        told, piece, mean = outset(given, windows, torch.Generator().manual_seed(seed))
        track = told.tracks["drums"]
        assert track.grid == FrameGrid(given.tracks["drums"].grid.frame_rate, FRAMES)
        assert torch.equal(piece[..., 0], track.values.float())
        starts.add(int(track.values[0, 0]))
        with_track = track.known.all(1)
        assert torch.equal(with_track, track.known.any(1)) and not with_track[:50].any()
        assert 40 < int(with_track[50:].sum()) < 110
        # The mean of the whole window where no track is told, of the piece where one is.
        torch.testing.assert_close(mean[with_track], piece[with_track].mean(1))
        torch.testing.assert_close(mean[~with_track], torch.full_like(mean[~with_track], (length - 1) / 2))
    assert len(starts) > 15
    assert given.tracks["drums"].known[50:].all()


def test_windows_that_are_too_short_are_named() -> None:
    with pytest.raises(ValueError, match=r"asks on 16 frames and the windows have 12; make data.seconds longer"):
        outset(Controls((None,)), torch.zeros(1, 12, 2), torch.Generator())
