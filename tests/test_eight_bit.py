"""Storing weights in 8 bits: what is rounded, by how much, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flowmusic import eight_bit
from flowmusic.interop import model_files


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(64, 96, generator=generator)
    matrix[3] *= 1e-6
    matrix[5] = 0.0
    return {
        "field.linear.weight": matrix,
        "field.conv.weight": torch.randn(32, 16, 11, generator=generator),
        "field.linear.bias": torch.randn(64, generator=generator),
        "encoder.style.quantiser.levels.0.embed": torch.randn(64, 96, generator=generator),
        "encoder.table": torch.arange(6000).view(60, 100),
        "field.local.weight": torch.randn(1024, 1, 11, generator=generator),
    }


def test_rows_keep_40_decibels_and_the_rest_is_untouched() -> None:
    before = weights()
    packed = eight_bit.pack(before)
    assert {k for k, v in packed.items() if v.dtype == torch.int8} == {"field.linear.weight", "field.conv.weight"}
    after = eight_bit.unpack(packed)
    assert after.keys() == before.keys()
    for name, tensor in before.items():
        if name not in ("field.linear.weight", "field.conv.weight"):
            assert torch.equal(after[name], tensor)
            continue
        error = (after[name] - tensor).flatten(1)
        # half a step of the row's own scale, also in a row a million times smaller
        assert bool((error.abs() <= tensor.flatten(1).abs().amax(1, keepdim=True) / 127 / 2 * 1.001).all())
        assert float(error.square().mean()) < 10**-4.0 * float(tensor.square().mean())


def test_a_bundle_is_smaller_and_reads_as_before(tmp_path: Path) -> None:
    plain = model_files.write(tmp_path / "plain", {"kind": "x"}, weights(), "card")
    small = model_files.write(tmp_path / "small", {"kind": "x"}, weights(), "card", eight_bits=True)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (plain, small)]
    assert sizes[1] < sizes[0] - 10_000
    one, other = model_files.read(plain).tensors, model_files.read(small).tensors
    assert one.keys() == other.keys()
    for name in one:
        scale = max(float(one[name].abs().max()), 1e-9)
        torch.testing.assert_close(other[name], one[name], atol=scale * 6e-3, rtol=0)
    tiny = weights()["field.linear.weight"][3]
    torch.testing.assert_close(other["field.linear.weight"][3], tiny, atol=float(tiny.abs().max()) / 200, rtol=0)


def test_weights_that_are_not_finite_are_refused() -> None:
    broken = weights()
    broken["field.linear.weight"][0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"field\.linear\.weight has values that are not finite"):
        eight_bit.pack(broken)
