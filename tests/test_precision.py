"""bf16 is used, and praised, only where it is native."""

from __future__ import annotations

import warnings

import pytest
import torch

from flowmusic import precision


@pytest.fixture(params=[True, False], ids=["native", "in loops"])
def native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: request.param, raising=False)
    return bool(request.param)


def test_trainings_choose_what_the_device_multiplies(native: bool) -> None:
    assert precision.of_trainer("auto", "cpu") == ("bf16-mixed" if native else "32-true")
    assert precision.of_trainer("auto", "cuda") == "bf16-mixed"
    assert precision.of_trainer("bf16-mixed", "cpu") == "bf16-mixed"  # as asked for


def test_bf16_is_fp32_where_it_is_slow_and_that_is_said(native: bool) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asked = (("bf16", "cpu"), ("fp32", "cpu"), ("bf16", "cuda"))
        used = [precision.usable(*each) for each in asked]
    assert used == ["bf16" if native else "fp32", "fp32", "bf16"]
    assert ["fp32 is used instead" in str(each.message) for each in said] == ([] if native else [True])
