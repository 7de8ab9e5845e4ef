"""Stories: sections hold where they are, fade in velocity, and share one set of tracks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.generate.piece import Piece
from flowmusic.generate.story import Section, Story, shares, tell
from flowmusic.generate.windows import Window
from flowmusic.types import Controls, FrameGrid, Guidance
from tests.generate.tiny import chords, tiny_generator

MODEL = tiny_generator()
GRID = MODEL.grid(2.0)
GUIDANCE = Guidance.plain(2.0)


def told(*sections: Section, fade: float = 0.0, grid: FrameGrid = GRID) -> Story:
    return tell(sections, grid, guidance=GUIDANCE, fade=fade)


def take(story: Story) -> torch.Tensor:
    piece = Piece(MODEL, story.controls, story.grid, ask=story.ask, cuts=story.cuts, guidance=GUIDANCE, seed=3)
    return piece.whole().latents


@given(
    gaps=st.lists(st.floats(0.05, 5.0), min_size=1, max_size=6),
    fades=st.lists(st.floats(0.0, 9.0), min_size=6, max_size=6),
)
def test_shares_are_parts_of_a_whole(gaps: list[float], fades: list[float]) -> None:
    starts = [0.0, *torch.tensor(gaps).cumsum(0).tolist()]
    found = shares(starts, [0.0, *fades][: len(starts)], FrameGrid.of_seconds(starts[-1] + 1.0, 25))
    torch.testing.assert_close(found.sum(0), torch.ones(found.shape[1]))
    assert float(found.min()) >= -1e-6 and float(found.max()) <= 1 + 1e-6


def test_a_cut_begins_anew_and_a_fade_lies_between() -> None:
    calm, loud = (told(Section(0.0, Controls((words,)))) for words in ("calm", "zzz"))
    cuts = [told(Section(0.0, Controls((words,))), Section(1.0, Controls(("zzz",)))) for words in ("calm", "other")]
    assert [each.cuts for each in cuts] == [(25,), (25,)]
    cut, other = map(take, cuts)
    torch.testing.assert_close(cut[:, :25], take(calm)[:, :25])
    assert torch.equal(cut[:, 25:], other[:, 25:]) and not torch.equal(cut[:, :25], other[:, :25])
    faded = take(told(Section(0.0, Controls(("calm",))), Section(1.0, Controls(("zzz",)), fade=0.4)))
    torch.testing.assert_close(faded[:, :20], take(calm)[:, :20])
    torch.testing.assert_close(faded[:, 30:], take(loud)[:, 30:])
    away = (faded - take(calm)).abs().mean((0, 2))[20:30]
    assert bool((away.diff() > 0).all())


def test_a_story_of_one_section_is_the_plain_take() -> None:
    grid = MODEL.grid(5.0)
    asked = Controls(("ab",), {"chords": chords(grid)})
    story = told(Section(0.0, asked), grid=grid)
    assert torch.equal(take(story), MODEL.generate(asked, grid=grid, guidance=GUIDANCE, seed=3).latents)


def test_tracks_are_joined_where_sections_are_and_windows_ask_for_what_they_hold() -> None:
    grid = MODEL.grid(6.0)
    own = FrameGrid.of_seconds(1.0, 25)
    story = told(
        Section(0.0, Controls(("a",), {"chords": chords(own, [3] * 25)})),
        Section(2.0, Controls(("b",), {"chords": chords(own, [5] * 25)})),
        Section(4.0, Controls(("c",)), guidance=Guidance.plain(7.0)),
        grid=grid,
    )
    track = story.controls.tracks["chords"]
    assert track.known[0].tolist() == ([True] * 25 + [False] * 25) * 2 + [False] * 50
    assert track.values[0, :25].unique().tolist() == [3] and track.values[0, 50:75].unique().tolist() == [5]
    assert [p.controls.text for p in story.ask(Window(0, 50))] == [("a",)]
    middle = story.ask(Window(75, 125))
    assert [(p.controls.text, p.guidance) for p in middle] == [(("b",), GUIDANCE), (("c",), Guidance.plain(7.0))]
    assert middle[0].controls.tracks is middle[1].controls.tracks


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        ([], "at least one section"),
        ([0.5], "begin at 0"),
        ([0.0, 1.0, 1.0], "section 3 begins at 1 s, not after"),
        ([0.0, 2.0], "section 2 begins at 2 s, the piece ends at 2 s"),
    ],
)
def test_sections_that_make_no_piece_are_refused(starts: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        told(*(Section(start, Controls(("a",))) for start in starts))
