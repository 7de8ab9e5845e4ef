"""What is heard of a style is fitted by itself, and the field goes on from it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

from flowmusic.data.latents import Batch
from flowmusic.interop import bundle
from flowmusic.model.style import StyleConditioner
from flowmusic.train.run import compose, train
from flowmusic.types import Controls, FrameGrid, Style
from tests.train.tiny_runs import TINY_FLOW
from tools import fit_style


def conditioner() -> StyleConditioner:
    torch.manual_seed(0)
    return StyleConditioner(4, dim=16, layers=1, heads=2, expansion=2, levels=2, bins=16, out=8, detail=2).eval()


def pairs(seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Excerpts and windows of clips whose channels are each as loud in one as in the other."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        loud = torch.randn(32, 1, 4, generator=generator).exp()
        yield tuple(loud * torch.randn(32, frames, 4, generator=generator) for frames in (20, 30))  # type: ignore[misc]


def test_batches_without_excerpts_are_left_out() -> None:
    grid = FrameGrid(Fraction(25), 30)
    latents, heard = torch.randn(2, 30, 4), torch.randn(20, 4)
    empty = Batch(latents, Controls((None, None), style=(None, None)), grid)
    half = Batch(latents, Controls((None, None), style=(None, Style(heard))), grid)
    found = list(fit_style.excerpts([empty, half, empty]))
    assert len(found) == 1
    assert torch.equal(found[0][0], heard[None]) and torch.equal(found[0][1], latents[1:])


def test_tokens_learn_how_the_rest_of_a_clip_sounds() -> None:
    style = conditioner()
    description = fit_style.fit(style, pairs(1), dim=4, steps=150, lr=5e-3)
    coarse, fine = fit_style.untold(style, description, [next(pairs(2))])
    # A third of the statistics are means, which are nothing but chance here.
    assert 0.33 < fine < coarse < 0.9


def test_the_last_layer_says_what_it_said_before() -> None:
    style = conditioner()
    fit_style.fit(style, pairs(1), dim=4, steps=1, lr=1e-3)
    before = deepcopy(style)
    torch.nn.init.normal_(style.output.weight)
    assert fit_style.as_before(style, before, [next(pairs(2))]) > 0.95
    heard, _ = next(pairs(3))
    far = style(heard) - before(heard)
    assert far.square().mean() < 0.05 * before(heard).var()


def test_a_field_goes_on_from_a_fitted_style(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = [*TINY_FLOW, f"latents={store}", "codec_name=nano2_codec", "control.style.seconds=[0.2,0.5]"]
    here += ["data.validation_crop_seconds=1.2"]
    train(compose([*here, f"out={tmp_path / 'old'}", "trainer.max_steps=1"]))
    old, new = tmp_path / "old" / "bundle", tmp_path / "new"
    assert fit_style.main([f"--model={old}", f"--out={new}", "--steps=3", *here]) == 0
    said = capsys.readouterr().out
    assert "untold by 1, 2, ... levels: " in said and "the last layer brings back " in said
    fitted, was = bundle.load(new), bundle.load(old)
    assert not torch.equal(fitted.encoder.style.embed.weight, was.encoder.style.embed.weight)
    torch.testing.assert_close(fitted.field.input.weight, was.field.input.weight, atol=1e-3, rtol=1e-3)
    on = train(compose([*here, f"out={tmp_path / 'on'}", "trainer.max_steps=1", f"model.init_from={new}"]))
    assert on.metrics["train/loss"] > 0
