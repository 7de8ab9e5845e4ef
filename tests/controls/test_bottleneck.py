"""Bandpass, blur, levels and codes: closed forms, and the tensors of the reference implementation."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor

from flowmusic.controls import bottleneck as b
from flowmusic.types import FrameGrid
from flowmusic.units import midi_to_hz

GOLDEN = Path(__file__).parents[1] / "golden" / "jasco_aux_small.safetensors"


def golden(name: str) -> Tensor:
    with safe_open(GOLDEN, "pt") as file:
        return file.get_tensor(name)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("length", [48, 49, 50])
def test_block_blur_is_the_reference(length: int) -> None:
    # The same three additions; only their order may differ.
    torch.testing.assert_close(
        b.block_blur(golden(f"blur.{length}.in"), 3), golden(f"blur.{length}.out"), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("case", [1, 2, 3, 4])
def test_melody_interpolation_is_the_reference(case: int) -> None:
    """The stored salience begins at the segment's first column, floor(86 offset)."""
    mixed = b.jasco_melody(golden(f"melody.{case}.salience_in"))
    expected = golden(f"melody.{case}.out_argmax0")
    assert mixed.shape == (53, 500)
    end = expected.shape[1]
    # 6e-5 is how far implementations differ that round the source coordinates differently.
    torch.testing.assert_close(mixed[:, :end], expected, atol=6e-5, rtol=0)
    one_hot = b.one_hot(mixed.T).T
    assert torch.equal(one_hot[:, :end], golden(f"melody.{case}.out_argmax1").float())
    assert mixed[:, end:].abs().sum() == 0 and one_hot[:, end:].sum() == 0


def test_melody_offset_is_cut_at_86_columns_a_second() -> None:
    with safe_open(GOLDEN, "pt") as file:
        offset = json.loads(file.metadata()["melody_cases"])[1]["offset"]
    segment = golden("melody.1.salience_in")
    whole = torch.cat([torch.ones(53, math.floor(offset * 86)), segment, torch.ones(53, 40)], dim=1)
    assert torch.equal(b.jasco_melody(whole, offset), b.jasco_melody(segment))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 1000))
def test_block_blur_against_its_slow_twin(length: int, width: int, seed: int) -> None:
    values = noise(seed, length, 2)
    padded = [values[k] for k in range(length)]
    while len(padded) % width:
        k = len(padded)
        mirror = abs((k + length - 1) % max(1, 2 * (length - 1)) - (length - 1)) if length > 1 else 0
        padded.append(values[mirror])
    slow = [torch.stack(padded[k - k % width : k - k % width + width]).mean(0) for k in range(length)]
    torch.testing.assert_close(b.block_blur(values, width), torch.stack(slow))


@given(st.integers(1, 10), st.integers(1, 6), st.integers(0, 1000))
def test_block_blur_of_whole_blocks_preserves_the_mean_and_is_idempotent(blocks: int, width: int, seed: int) -> None:
    values = noise(seed, 2, blocks * width, 3)
    blurred = b.block_blur(values, width)
    torch.testing.assert_close(blurred.mean(1), values.mean(1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(b.block_blur(blurred, width), blurred)


@given(st.integers(1, 50), st.integers(1, 12), st.integers(0, 1000))
def test_smooth_blur_preserves_the_mean_and_constants(length: int, width: int, seed: int) -> None:
    values = noise(seed, length, 2)
    torch.testing.assert_close(b.smooth_blur(values, width).mean(0), values.mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(b.smooth_blur(torch.full((length, 1), 0.7), width), torch.full((length, 1), 0.7))


def test_smooth_blur_has_its_stated_width() -> None:
    impulse = torch.zeros(41, 1)
    impulse[20] = 1.0
    response = b.smooth_blur(impulse, 8)[:, 0]
    above = response >= response.max() / 2 - 1e-6
    assert above.nonzero().flatten().tolist() == list(range(16, 25))  # half height at 4 frames to each side
    assert torch.allclose(response, response.flip(0), atol=1e-7)


def test_temporal_blur_is_stated_in_seconds() -> None:
    values = noise(0, 100, 2)
    assert torch.equal(b.temporal_blur(values, 0.08, 100.0), b.block_blur(values, 8))
    assert torch.equal(b.temporal_blur(values, 0.08, 100.0, smooth=True), b.smooth_blur(values, 8))
    assert torch.equal(b.temporal_blur(values, 0.0, 100.0), values)
    with pytest.raises(ValueError, match=r"0 or more seconds, got -0.1"):
        b.temporal_blur(values, -0.1, 100.0)
    with pytest.raises(ValueError, match="at least 1 frame wide, got 0"):
        b.block_blur(values, 0)


@given(st.lists(st.floats(-0.5, 1.5, width=32), min_size=1, max_size=20), st.integers(2, 9))
def test_quantise_is_idempotent_and_nearest(values: list[float], levels: int) -> None:
    x = torch.tensor(values)
    q = b.quantise_levels(x, levels)
    assert torch.equal(b.quantise_levels(q, levels), q)
    assert (q - x.clamp(0, 1)).abs().max() <= 0.5 / (levels - 1) + 1e-6
    steps = q * (levels - 1)
    assert torch.allclose(steps, steps.round(), atol=1e-5)


def test_quantise_to_four_levels() -> None:
    x = torch.tensor([-1.0, 0.0, 0.16, 0.17, 0.4, 0.51, 0.9, 3.0])
    assert b.quantise_levels(x).mul(3).round().tolist() == [0, 0, 0, 1, 1, 2, 3, 3]
    with pytest.raises(ValueError, match="at least 2 levels, got 1"):
        b.quantise_levels(x, 1)


@pytest.mark.parametrize("midi", [43, 44, 60, 69, 95])
@pytest.mark.parametrize("cents", [-38, 0, 38])
def test_a_crepe_bin_lands_in_its_semitone(midi: int, cents: int) -> None:
    hz = midi_to_hz(midi + cents / 100)
    crepe_bin = min(359, round((1200 * math.log2(hz / 10) - 1997.3794084376191) / 20))
    salience = torch.zeros(3, 360)
    salience[1, crepe_bin] = 0.9
    expected = torch.zeros(3, 53)
    expected[1, midi - 43] = 1.0
    assert torch.equal(b.salience_to_bins(salience), expected)


def test_salience_outside_the_range_or_under_the_threshold_is_silent() -> None:
    salience = torch.zeros(2, 360)
    salience[0, 5] = 1.0  # below G2
    salience[1, 200] = 0.49
    assert b.salience_to_bins(salience, threshold=0.5).sum() == 0
    assert b.salience_to_bins(salience, threshold=0.4).sum() == 1
    with pytest.raises(ValueError, match="360 CREPE bins or 53 semitones, got 128"):
        b.salience_to_semitones(torch.zeros(2, 128))


def test_pitch_bandpass_keeps_both_edges() -> None:
    kept = b.pitch_bandpass(torch.ones(4, 53), 55, 79)
    assert torch.equal(kept, b.pitch_bandpass(kept, 55, 79))
    assert (kept[0].nonzero().flatten() + 43).tolist() == list(range(55, 80))
    with pytest.raises(ValueError, match="MIDI 80 to 60"):
        b.pitch_bandpass(kept, 80, 60)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_frequency_bandpass_keeps_the_band(rate: int) -> None:
    time = torch.arange(rate) / rate

    def gain(hz: float) -> float:
        tone = torch.sin(2 * math.pi * hz * time)
        return float(b.frequency_bandpass(tone, rate, 200.0, 1300.0)[rate // 10 : -rate // 10].std() / tone.std())

    assert gain(500.0) == pytest.approx(1.0, abs=0.01)
    assert gain(260.0) == pytest.approx(1.0, abs=0.01)
    assert gain(200.0) == pytest.approx(0.5, abs=0.03)
    assert gain(100.0) < 0.01 and gain(2600.0) < 0.01


def test_frequency_bandpass_open_sides_and_shape() -> None:
    x = noise(1, 2, 3, 5000)
    torch.testing.assert_close(b.frequency_bandpass(x, 8000, None, None), x, atol=1e-5, rtol=1e-4)
    low, high = b.frequency_bandpass(x, 8000, None, 900.0), b.frequency_bandpass(x, 8000, 900.0, None)
    torch.testing.assert_close(low + high, x, atol=1e-5, rtol=1e-4)  # complementary edges
    with pytest.raises(ValueError, match="900 to 100"):
        b.frequency_bandpass(x, 8000, 900, 100)


def test_pooling_takes_the_rows_of_each_frame() -> None:
    grid = FrameGrid(Fraction(25), 3)
    values = torch.arange(12.0)[:, None]
    assert b.pool_frames(values, 100.0, grid).flatten().tolist() == [1.5, 5.5, 9.5]
    # At 10 rows a second most frames hold no row and take the nearest: centres 0.02, 0.06, 0.10 s.
    assert b.pool_frames(values, 10.0, grid).flatten().tolist() == [0, 1, 1]


@given(st.integers(0, 500), st.integers(1, 6))
def test_first_codebook_against_its_slow_twin(seed: int, dim: int) -> None:
    latents, codebook = noise(seed, 2, 5, dim), noise(seed + 1, 7, dim)
    codes = b.first_codebook(latents, codebook)
    slow = (latents[..., None, :] - codebook).pow(2).sum(-1)
    picked = slow.gather(-1, codes.ids[..., None])[..., 0]
    torch.testing.assert_close(picked, slow.amin(-1), atol=1e-5, rtol=1e-5)
    assert torch.equal(codes.vectors, codebook[codes.ids])
    # An entry is its own nearest.
    assert torch.equal(b.first_codebook(codebook, codebook).ids, torch.arange(7))
    with pytest.raises(ValueError, match=rf"latents have {dim} dimensions, the codebook {dim + 1}"):
        b.first_codebook(latents, noise(0, 4, dim + 1))
