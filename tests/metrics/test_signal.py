from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.metrics.signal import mean_si_sdr, si_sdr


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.floats(-30.0, 30.0), st.floats(0.01, 10.0))
def test_closed_form_for_orthogonal_noise(db: float, gain: float) -> None:
    signal, other = noise(0, 4000).double(), noise(1, 4000).double()
    other = other - (other @ signal) / (signal @ signal) * signal
    other = other * (signal.norm() / other.norm()) * 10.0 ** (-db / 20.0)
    assert si_sdr(gain * (signal + other), signal) == pytest.approx(db, abs=1e-4)


def test_equal_up_to_gain_is_infinite() -> None:
    signal = noise(0, 1, 1000)
    assert si_sdr(signal, signal) == math.inf
    assert si_sdr(-2.0 * signal, signal) == math.inf


def test_silence() -> None:
    signal = noise(0, 1, 100)
    assert si_sdr(torch.zeros(1, 100), signal) == -math.inf
    with pytest.warns(UserWarning, match="reference is silent"):
        assert math.isnan(si_sdr(signal, torch.zeros(1, 100)))


def test_lengths_are_cut_and_channels_must_agree() -> None:
    signal = noise(0, 1, 100)
    assert si_sdr(torch.cat([signal, signal], -1), signal) == math.inf
    with pytest.raises(ValueError, match=r"\(1, 100\).*\(2, 100\)"):
        si_sdr(signal, signal.repeat(2, 1))


def test_batch_mean_leaves_out_silence() -> None:
    references = noise(0, 3, 1, 1000)
    estimates = references + 0.1 * noise(1, 3, 1, 1000)
    expected = sum(si_sdr(estimates[n], references[n]) for n in (0, 1)) / 2
    references[2] = 0.0
    with pytest.warns(UserWarning, match="silent"):
        assert mean_si_sdr(estimates, references) == pytest.approx(expected, rel=1e-6)
