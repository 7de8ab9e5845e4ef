"""A trained field begins on another codec's latents with what it knew."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from flowmusic.interop import bundle
from flowmusic.train.run import compose, train
from tests.train.tiny_runs import TINY_CODEC, TINY_FLOW
from tools import change_codec


def test_the_first_layer_reads_the_old_latents_from_the_new_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    new, matrix = torch.randn(400, 6, generator=generator), torch.randn(6, 4, generator=generator)
    old = new @ matrix
    guess = change_codec.regression(new.T @ new, new.T @ old, ridge=1e-6)
    torch.testing.assert_close(guess, matrix, atol=1e-4, rtol=1e-4)
    weight = torch.randn(5, 4 + 3 + 4 + 1, generator=generator)
    tracks, added, mask = (torch.randn(400, size, generator=generator) for size in (3, 2, 1))
    before = torch.cat([old, tracks, old, mask], dim=1) @ weight.T
    wider = change_codec.first_layer(weight, guess, 3, 2)
    after = torch.cat([new, tracks, added, new, mask], dim=1) @ wider.T
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)


def test_codecs_of_other_frame_rates_are_refused() -> None:
    old, new = SimpleNamespace(frame_rate=Fraction(25)), SimpleNamespace(frame_rate=Fraction(50))
    with pytest.raises(ValueError, match="25 and 50 frames a second"):
        change_codec.paired_latents(old, new, [])


def test_a_field_is_fitted_and_trained_on(
    store: Path, wave_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(compose([*TINY_CODEC, f"corpus={wave_corpus}", f"out={tmp_path / 'codec'}", "trainer.max_steps=1"]))
    codec = tmp_path / "codec" / "bundle"
    here = [*TINY_FLOW, f"latents={store}", f"codec_name={codec}", f"corpus={wave_corpus}"]
    train(compose([*here, f"out={tmp_path / 'old'}", "trainer.max_steps=1"]))
    old, new = tmp_path / "old" / "bundle", tmp_path / "new"
    told = [f"--model={old}", f"--corpus={wave_corpus}", f"--out={new}", "--clips=2", "--batches=2"]
    assert change_codec.main([*told, *here]) == 0
    said = capsys.readouterr().out
    assert "2 clips: " in said and "2 batches: the last layer explains 0." in said
    fitted, was = bundle.load(new).field, bundle.load(old).field
    assert not torch.equal(fitted.output.weight, was.output.weight)
    torch.testing.assert_close(fitted.time[0].weight, was.time[0].weight, atol=1e-3, rtol=1e-3)
    result = train(compose([*here, f"out={tmp_path / 'on'}", "trainer.max_steps=1", f"model.init_from={new}"]))
    assert result.metrics["train/loss"] > 0
