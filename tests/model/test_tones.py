"""Filters for tones: drawn from a codec's encoder they take a tone out of latents and put it back."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.interop.bundle import load_codec
from flowmusic.model.field import VectorField
from flowmusic.model.tones import AMPLITUDE, HIGHEST, LOWEST, TONES, ToneFilters
from flowmusic.types import Codec, Condition
from flowmusic.units import midi_to_hz

CHANNELS, WIDTH = 56, 16
"""Channels of nano2_codec's latents that hold what lies below 1 kHz."""
OF_A_WINDOW = HIGHEST - LOWEST + 1


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec("nano2_codec")


@pytest.fixture(scope="module")
def filters(codec: Codec) -> ToneFilters:
    made = ToneFilters(CHANNELS, WIDTH)
    made.draw(codec)
    return made


def latents(codec: Codec, midi: float) -> Tensor:
    """Of two seconds of a tone."""
    phase = 2.0 * math.pi * midi_to_hz(midi) * torch.arange(2 * codec.rate) / codec.rate
    return codec.encode(Audio(AMPLITUDE * phase.sin()[None, None], codec.rate)).float()


@pytest.mark.parametrize("midi", [28, 40, 57, 72])
@torch.no_grad()
def test_a_tone_is_heard_at_its_place_and_comes_back_whole(codec: Codec, filters: ToneFilters, midi: int) -> None:
    z = latents(codec, midi)
    tones, _ = filters.heard(z)
    loudness = tones.square().sum(-2).sqrt()[0, 15:-15].mean(0)
    # Noise of unit variance would be 1.25 in the mean.
    assert loudness.view(2, OF_A_WINDOW).argmax(1).tolist() == [midi - LOWEST] * 2 and loudness.max() > 10.0
    for window in range(2):
        alone = torch.zeros_like(tones)
        place = window * OF_A_WINDOW + midi - LOWEST
        alone[..., place] = tones[..., place]
        weighed = ToneFilters(CHANNELS, WIDTH)
        weighed.filters.copy_(filters.filters)
        weighed.gains.bias[:TONES] = 1.0
        back = weighed(alone, torch.zeros(1, z.shape[1], WIDTH))
        wanted, got = (each[:, 15:-15] for each in (z[..., :CHANNELS], back))
        assert (got - wanted).square().sum() < 0.03 * wanted.square().sum()


@torch.no_grad()
def test_a_complex_gain_turns_a_tone(codec: Codec, filters: ToneFilters) -> None:
    """A quarter turn twice is the tone upside down."""
    tones, _ = filters.heard(latents(codec, 57))
    hidden = torch.zeros(1, tones.shape[1], WIDTH)
    turned = ToneFilters(CHANNELS, WIDTH)
    turned.filters.copy_(filters.filters)
    turned.gains.bias[TONES:] = 1.0
    real, imaginary = tones.unbind(-2)
    twice = turned(torch.stack([-imaginary, real], dim=-2), hidden)
    turned.gains.bias[:] = torch.cat([torch.ones(TONES), torch.zeros(TONES)])
    torch.testing.assert_close(twice, -turned(tones, hidden))


@torch.no_grad()
def test_noise_is_heard_as_noise(filters: ToneFilters) -> None:
    z = torch.randn(1, 4000, CHANNELS, generator=torch.Generator().manual_seed(0))
    tones, _ = filters.heard(z)
    assert (tones.std((0, 1)) - 1.0).abs().max() < 0.25


def test_more_channels_than_there_are_are_refused(codec: Codec) -> None:
    with pytest.raises(ValueError, match="tone_channels must be 0 to 8, as many as the latents have, got 9"):
        VectorField(8, 4, 32, layers=2, heads=2, tone_channels=9)
    with pytest.raises(ValueError, match="in 200 channels of a codec that has 192"):
        ToneFilters(200, WIDTH).draw(codec)


def test_a_field_begins_without_them(codec: Codec) -> None:
    plain = VectorField(CHANNELS + 8, 4, 32, layers=2, heads=2, pooled=True)
    torch.nn.init.normal_(plain.output.weight)
    hearing = VectorField(CHANNELS + 8, 4, 32, layers=2, heads=2, pooled=True, tone_channels=CHANNELS)
    hearing.load_state_dict(plain.state_dict(), strict=False)
    assert hearing.tones is not None and not hearing.tones.drawn
    hearing.tones.draw(codec)
    assert hearing.tones.drawn
    generator = torch.Generator().manual_seed(1)
    z, t = torch.randn(2, 30, CHANNELS + 8, generator=generator), torch.tensor([0.2, 0.8])
    nothing = Condition(None, torch.zeros(2, 1, 32), torch.ones(2, 1, dtype=torch.bool))
    assert torch.equal(hearing(z, t, nothing), plain(z, t, nothing))
    torch.nn.init.normal_(hearing.tones.gains.weight)
    other = hearing(z, t, nothing) - plain(z, t, nothing)
    assert other[..., :CHANNELS].abs().max() > 0.1 and not other[..., CHANNELS:].any()
