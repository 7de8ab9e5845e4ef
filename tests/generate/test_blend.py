"""Between two requests: one of them at each end, and on the way from one to the other in between."""

from __future__ import annotations

import pytest
import torch

from flowmusic.generate.blend import blend
from flowmusic.types import Controls, FrameGrid
from tests.generate.tiny import FRAME_RATE, chords, tiny_generator


@pytest.mark.parametrize("length", [7, 130])
def test_ends_are_the_takes_themselves_and_the_way_goes_from_one_to_the_other(length: int) -> None:
    generator = tiny_generator()
    tracks = {"chords": chords(FrameGrid(FRAME_RATE, length))}
    first, second = Controls(("calm",), tracks), Controls(("loud!",), tracks)
    takes = [generator.generate(each, seed=4).latents for each in (first, second)]
    path = [blend(generator, first, second, at, seed=4).latents for at in (0.0, 0.3, 0.7, 1.0)]
    torch.testing.assert_close(path[0], takes[0])
    torch.testing.assert_close(path[3], takes[1])
    away = [float((each - takes[0]).square().mean()) for each in path]
    assert away == sorted(away) and away[1] > 0.0
    with pytest.raises(ValueError, match="at must be a number from 0 to 1"):
        blend(generator, first, second, 1.2)


def test_shared_tracks_cost_one_branch_each() -> None:
    generator = tiny_generator()
    tracks = {"chords": chords(FrameGrid(FRAME_RATE, 130))}
    blend(generator, Controls(("calm",), tracks), Controls(("loud",), tracks), 0.5, seed=1)
    # Both prompts with the chords, and neither: three, not four.
    assert set(generator.field.batches) == {3}  # type: ignore[arg-type]
