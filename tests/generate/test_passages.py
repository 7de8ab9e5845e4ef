"""Several requests over the frames of one window: shares, guidance over time, negatives, starts on the way."""

from __future__ import annotations

import pytest
import torch

from flowmusic.generate.draw import draw, velocity
from flowmusic.generate.passages import Passage, branches
from flowmusic.generate.sampling import Sampling, SeededNoise
from flowmusic.types import Controls, FrameGrid, Guidance, Projection
from tests.generate.tiny import DIM, chords, tiny_generator

LENGTH = 50
GRID = FrameGrid.of_seconds(2.0, 25)
HALVES = (torch.arange(LENGTH) < 20).float(), (torch.arange(LENGTH) >= 20).float()
Z, TIME = torch.randn(1, LENGTH, DIM, generator=torch.Generator().manual_seed(1)), torch.tensor([0.3])


def asked(text: str | None, ids: int = 1) -> Controls:
    return Controls((text,), {"chords": chords(GRID, [ids] * LENGTH)})


@pytest.mark.parametrize("projection", [None, Projection(eta=0.5)])
def test_guidance_over_time_is_that_of_each_frame(projection: Projection | None) -> None:
    """The tiny field looks at one frame at a time, so a curve must give what constants give frame by frame."""
    model, controls = tiny_generator(), asked("calm")
    weights = [{"all": 1.0 + n / 10, "chords": n / 25, "text": 0.5} for n in range(LENGTH)]
    guidance = [Guidance(Guidance.of(each).terms, projection=projection) for each in weights]
    curve = velocity(model, [Passage(controls, guidance)], LENGTH)(Z, TIME)
    constants = [velocity(model, [Passage(controls, each)], LENGTH) for each in guidance]
    if projection is None:
        expected = torch.stack([field(Z, TIME)[:, n] for n, field in enumerate(constants)], dim=1)
        torch.testing.assert_close(curve, expected)
    else:
        # A projection looks at the whole take, so only its own kind of frames can be compared: weights that are equal.
        same = velocity(model, [Passage(controls, [guidance[7]] * LENGTH)], LENGTH)(Z, TIME)
        torch.testing.assert_close(same, constants[7](Z, TIME))


def test_each_passage_holds_where_its_share_is_one_and_a_mix_lies_between() -> None:
    model, guidance = tiny_generator(), Guidance.plain(2.0)
    calm, loud = asked("calm"), asked("zzz", 5)
    alone = [velocity(model, [Passage(each, guidance)], LENGTH)(Z, TIME) for each in (calm, loud)]
    turns = [Passage(each, guidance, share) for each, share in zip((calm, loud), HALVES, strict=True)]
    found = velocity(model, turns, LENGTH)(Z, TIME)
    torch.testing.assert_close(found[:, :20], alone[0][:, :20])
    torch.testing.assert_close(found[:, 20:], alone[1][:, 20:])
    quarter = [
        Passage(calm, guidance, torch.full((LENGTH,), 0.25)),
        Passage(loud, guidance, torch.full((LENGTH,), 0.75)),
    ]
    torch.testing.assert_close(velocity(model, quarter, LENGTH)(Z, TIME), 0.25 * alone[0] + 0.75 * alone[1])


def test_a_change_of_words_shares_the_branches_without_words() -> None:
    tracks = asked(None).tracks
    guidance = Guidance.split(all=2.0, chords=1.0)
    parts = [
        Passage(Controls((text,), tracks), guidance, share) for text, share in zip(("a", "b"), HALVES, strict=True)
    ]
    found = branches(parts, LENGTH)
    assert [sorted(each.keep) for each in found] == [["chords", "text"], ["chords"], [], ["chords", "text"]]
    assert torch.equal(torch.as_tensor(found[1].weight).expand(LENGTH), torch.ones(LENGTH))


def test_a_negative_leads_away_from_it() -> None:
    model, calm, unwanted = tiny_generator(), asked("calm"), Controls(("zzz",))

    def of(controls: Controls, weight: float) -> torch.Tensor:
        return velocity(model, [Passage(controls, Guidance.plain(weight))], LENGTH)(Z, TIME)

    found = velocity(model, [Passage(calm, Guidance.plain(2.0), negative=(unwanted, 1.5))], LENGTH)(Z, TIME)
    nothing = of(Controls((None,)), 1.0)
    torch.testing.assert_close(found, of(calm, 2.0) + 1.5 * (nothing - of(unwanted, 1.0)))


def test_with_an_interval_the_plain_branches_are_shared_by_frames() -> None:
    model, guidance = tiny_generator(), Guidance(Guidance.plain(3.0).terms, (0.5, 1.0))
    calm, loud = asked("calm"), asked("zzz")
    turns = [Passage(each, guidance, share) for each, share in zip((calm, loud), HALVES, strict=True)]
    outside = velocity(model, turns, LENGTH)(Z, TIME)
    plain = [velocity(model, [Passage(each, Guidance.plain(1.0))], LENGTH)(Z, TIME) for each in (calm, loud)]
    torch.testing.assert_close(outside, torch.cat([plain[0][:, :20], plain[1][:, 20:]], dim=1))


def test_a_start_on_the_way_keeps_the_more_of_the_source_the_later_it_is() -> None:
    model, passage = tiny_generator(), Passage(asked("calm"), Guidance.plain(2.0))
    noise, source = SeededNoise([3]).draw(LENGTH, DIM), torch.full((1, LENGTH, DIM), 2.0)
    sampling = Sampling("midpoint", 8)
    distances = [
        float((draw(model, [passage], noise, sampling, source=source, start=start).z - source).abs().mean())
        for start in (0.0, 0.3, 0.6, 0.9, 0.99)
    ]
    assert distances == sorted(distances, reverse=True) and distances[-1] < 0.1
    with pytest.raises(ValueError, match="needs a source"):
        draw(model, [passage], noise, sampling, start=0.5)


@pytest.mark.parametrize("grid", ["uniform", "shifted", "sway"])
@pytest.mark.parametrize("start", [0.01, 0.35, 0.97])
def test_the_grid_from_a_start_is_the_rest_of_the_whole_one(grid: str, start: float) -> None:
    whole, rest = Sampling("euler", 12, grid).times(), Sampling("euler", 12, grid).times(start)
    assert rest[0] == start and rest[-1] == 1.0 and bool((rest.diff() > 0).all())
    assert len(rest) - 1 == max(2, int((whole > start).sum()))


@pytest.mark.parametrize(
    ("passages", "message"),
    [
        ([], "at least one passage"),
        ([Passage(asked("a"), Guidance.plain(2.0), torch.full((LENGTH,), 0.5))], "sum to 1"),
        ([Passage(asked("a"), Guidance.plain(2.0), torch.ones(LENGTH - 1))], "49"),
        ([Passage(asked("a"), [Guidance.plain(2.0)] * 3)], "3"),
        (
            [
                Passage(asked("a"), Guidance.plain(2.0), HALVES[0]),
                Passage(asked("b"), Guidance(Guidance.plain(2.0).terms, (0.0, 0.5)), HALVES[1]),
            ],
            "one guidance interval",
        ),
    ],
)
def test_passages_that_do_not_fit_are_refused(passages: list[Passage], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        branches(passages, LENGTH)
