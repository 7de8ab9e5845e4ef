"""A style's timbre is asked of the model's own channels, by its own strength, where the style is heard."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from flowmusic.generate.passages import Passage
from flowmusic.generate.timbre import targets
from flowmusic.types import Controls, Guidance, Style
from tests.generate.tiny import DIM, tiny_generator

FEATURES = torch.randn(40, DIM, generator=torch.Generator().manual_seed(5)) * 0.5 + 3.0
STYLE = Style(FEATURES)
LATE = [[1, 0.0, 0.0], [DIM - 1, 1.0, 1.0]]


def latents(style: Style | None, guidance: Guidance | None = None, **defaults: object) -> Tensor:
    generator = tiny_generator(steps=16, **defaults)
    controls = Controls(("warm",), {}, () if style is None else (style,))
    return generator.generate(controls, guidance=guidance, seed=2).latents[0]


def test_a_take_has_the_statistics_of_the_excerpt_in_those_channels() -> None:
    plain, found = latents(STYLE), latents(STYLE, timbre_channels=LATE)
    for measure in (torch.mean, torch.std):
        torch.testing.assert_close(measure(found, 0)[1:], measure(FEATURES, 0)[1:], atol=0.15, rtol=0.1)
    assert bool(((plain.mean(0) - FEATURES.mean(0)).abs() > 1.0).all())
    assert float((found[:, 0].mean() - FEATURES[:, 0].mean()).abs()) > 1.0


@pytest.mark.parametrize(
    ("style", "guidance", "defaults"),
    [
        (None, None, {"timbre_channels": LATE}),
        (replace(STYLE, timbre=0.0), None, {"timbre_channels": LATE}),
        (STYLE, None, {"timbre_channels": LATE, "style_timbre": 0.0}),
        (STYLE, Guidance.of({"text": 2.0}), {"timbre_channels": LATE}),
        (replace(STYLE, timbre=1.0), None, {}),
    ],
    ids=["no style", "none asked", "none by default", "a style that is not heard", "a model without"],
)
def test_what_asks_for_no_timbre_is_as_before(
    style: Style | None, guidance: Guidance | None, defaults: dict[str, object]
) -> None:
    torch.testing.assert_close(latents(style, guidance, **defaults), latents(None, guidance))


def test_every_passage_and_item_has_its_own() -> None:
    defaults = tiny_generator(timbre_channels=LATE, style_timbre=0.5).defaults
    other = Style(FEATURES + 1.0, timbre=1.0)
    share = torch.tensor([1.0, 0.0])
    passages = [
        Passage(Controls((None, None), {}, (STYLE, None)), Guidance.plain(2.0), share),
        Passage(Controls((None, None), {}, (other, other)), Guidance.plain(2.0), 1.0 - share),
        Passage(Controls(("loud", None)), Guidance.plain(2.0), 0.0 * share),
    ]
    first, second = targets(passages, defaults, DIM)
    assert first.shift.tolist() == [[0.0, 0.5, 0.5, 0.5], [0.0] * 4]
    assert second.shift.tolist() == second.scale.tolist() == [[0.0, 1.0, 1.0, 1.0]] * 2
    torch.testing.assert_close(second.mean[0] - first.mean[0], torch.ones(DIM))
    torch.testing.assert_close(second.deviation[0], first.deviation[0])
    assert first.share is share
