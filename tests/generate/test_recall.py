"""Sections that return: which frame leads which, and how nearly the repeat is the first time again."""

from __future__ import annotations

import pytest
import torch

from flowmusic.generate.piece import Piece
from flowmusic.generate.recall import METHODS, NOISE, PATH, Recall, repeats
from flowmusic.types import Controls, FrameGrid
from tests.generate.tiny import chords, tiny_generator

MODEL = tiny_generator()
SECTIONS = [(0.0, 2.0, "A"), (2.0, 4.4, "B"), (4.4, 6.4, "a")]


def test_a_repeat_at_another_tempo_is_led_by_the_same_beats() -> None:
    grid = FrameGrid.of_seconds(6.0, 10)
    # The second time twice as fast; what is behind its end has no source.
    found = repeats([(0.0, 4.0, "A"), (4.0, 6.0, "A")], (0.0, 1.0, 2.0, 3.0, 4.0, 4.5, 5.0, 5.5), grid).tolist()
    assert found[:40] == [-1] * 40 and found[40:] == list(range(1, 40, 2))


def test_a_repeat_behind_a_gap_without_beats_counts_from_its_own_first_beat() -> None:
    grid = FrameGrid.of_seconds(6.0, 10)
    found = repeats([(0.0, 2.0, "A"), (2.0, 4.0, "B"), (4.0, 6.0, "A")], (0.2, 0.7, 1.2, 4.2, 4.7, 5.2), grid)
    assert found[40:].tolist() == list(range(20))


def made(amount: float, method: str, seconds: float = 6.4) -> torch.Tensor:
    grid = MODEL.grid(seconds)
    sources = repeats([section for section in SECTIONS if section[0] < seconds], (), grid)
    wanted = Controls(("ab",), {"chords": chords(grid, [n // 7 % 5 for n in range(grid.length)])})
    piece = Piece(MODEL, wanted, grid, recall=(sources, amount), recall_method=method, seed=3)
    return piece.whole().latents[0]


@pytest.mark.parametrize("method", METHODS)
def test_the_more_is_recalled_the_nearer_the_repeat_is(method: str) -> None:
    """The repeat begins on frame 110, and is 50 frames long; what is before it does not change."""
    takes = {amount: made(amount, method) for amount in (0.0, 0.5, 1.0)}
    away = [float((take[110:160] - take[:50]).square().mean()) for take in takes.values()]
    assert away[0] > away[1] > away[2]
    assert torch.equal(takes[0.0][:110], takes[1.0][:110])
    if method == PATH:
        torch.testing.assert_close(takes[1.0][110:160], takes[1.0][:50], atol=1e-3, rtol=1e-3)


def test_amounts_and_methods_that_make_no_sense() -> None:
    sources = torch.tensor([-1, 0])
    for amount in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="recall"):
            Recall(sources, amount, 4)
    with pytest.raises(ValueError, match=f"{PATH}, {NOISE}"):
        Recall(sources, 0.5, 4, "echo")
