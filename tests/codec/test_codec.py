"""Codecs as one contract, and the parts they are made of."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.codec.encodec import EncodecCodec, ResidualQuantizer, SeanetCodec
from flowmusic.codec.latent import LatentCodec
from flowmusic.codec.spectral import SpectralCodec
from flowmusic.codec.stft import istft, stft
from flowmusic.types import Audio, Codec


def spectral() -> Codec:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(dim=8, levels=2, bins=16)
    codec = SpectralCodec(hop=160, n_fft=512, rate=8000, width=16, dim=8, top_hz=3000.0, quantizer=quantizer)
    return codec.eval()


def seanet() -> Codec:
    torch.manual_seed(0)
    return SeanetCodec(rate=8000, ratios=(8, 5, 4, 2), filters=4, dim=8).eval()


def encodec() -> Codec:
    from encodec import EncodecModel
    from encodec.modules import SEANetDecoder, SEANetEncoder
    from encodec.quantization import ResidualVectorQuantizer

    torch.manual_seed(0)
    settings = {"dimension": 8, "n_filters": 4, "ratios": [8, 5, 4, 2], "lstm": 0}
    quantizer = ResidualVectorQuantizer(dimension=8, n_q=2, bins=16)
    model = EncodecModel(SEANetEncoder(**settings), SEANetDecoder(**settings), quantizer, [1.0], 8000, 1)
    return EncodecCodec(model, mean=0.1, std=2.0)


CODECS = {"spectral": spectral, "seanet": seanet, "encodec": encodec}


@pytest.fixture(params=CODECS, scope="module")
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]()


def noise(seconds: float, rate: int = 8000, channels: int = 1, batch: int = 2) -> Audio:
    generator = torch.Generator().manual_seed(3)
    return Audio(0.1 * torch.randn(batch, channels, round(seconds * rate), generator=generator), rate)


@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.03])
def test_shapes_and_length(codec: Codec, seconds: float) -> None:
    audio = noise(seconds)
    latents = codec.encode(audio)
    frames = -(-audio.samples.shape[-1] // (codec.rate // int(codec.frame_rate)))
    assert latents.shape == (2, frames, codec.dim)
    decoded = codec.decode(latents)
    assert decoded.rate == codec.rate
    assert decoded.samples.shape == (2, 1, frames * codec.rate // int(codec.frame_rate))
    assert torch.isfinite(decoded.samples).all()


def test_other_rates_and_stereo_are_accepted(codec: Codec) -> None:
    latents = codec.encode(noise(0.5, rate=44_100, channels=2))
    assert abs(latents.shape[1] - round(0.5 * float(codec.frame_rate))) <= 1


def test_deterministic_and_batch_equals_loop(codec: Codec) -> None:
    audio = noise(0.5)
    together = codec.encode(audio)
    assert torch.equal(together, codec.encode(audio))
    for row in range(2):
        alone = codec.encode(Audio(audio.samples[row : row + 1], audio.rate))
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-4)


def test_is_a_codec(codec: Codec) -> None:
    assert isinstance(codec, Codec)
    assert codec.frame_rate == 25


def test_encodec_normalises_with_its_statistics() -> None:
    codec = encodec()
    assert isinstance(codec, EncodecCodec)
    raw = codec.model.encoder(noise(0.5).samples).transpose(1, 2)  # type: ignore[operator]
    torch.testing.assert_close(codec.encode(noise(0.5)), (raw - 0.1) / 2.0)


@given(st.sampled_from([(256, 64), (512, 160), (2048, 640)]), st.integers(4, 9))
def test_inverse_transform_is_the_inverse(sizes: tuple[int, int], frames: int) -> None:
    n_fft, hop = sizes
    wave = torch.randn(2, max(frames, n_fft // hop + 1) * hop)
    spectrum = stft(wave, n_fft, hop)
    assert spectrum.shape == (2, n_fft // 2 + 1, wave.shape[-1] // hop)
    # float32 transforms of unit-variance noise
    torch.testing.assert_close(istft(spectrum, n_fft, hop), wave, atol=1e-4, rtol=1e-4)


def test_calibration_gives_unit_latents_and_a_quantiser_that_follows() -> None:
    codec = spectral()
    assert isinstance(codec, LatentCodec)
    waves = [noise(0.64, batch=8).samples[:, 0] for _ in range(6)]
    codec.calibrate(waves)
    latents = codec.encode(Audio(waves[0][:, None], 8000))
    assert latents.mean((0, 1)).abs().max() < 0.05
    assert (latents.std((0, 1)) - 1.0).abs().max() < 0.1
    codes = codec.codes(latents)
    assert codes.shape == (8, 2, latents.shape[1]) and codes.unique().numel() > 4
    rebuilt = codec.from_codes(codes)
    first = codec.quantizer.rvq.layers[0].decode(codes[:, 0]).transpose(1, 2)  # type: ignore[union-attr]
    # Each level must take something away from the error.
    assert (rebuilt - latents).square().mean() < (first - latents).square().mean() < latents.square().mean()


def test_no_quantiser_says_so() -> None:
    with pytest.raises(ValueError, match="without a quantiser"):
        seanet().codes(torch.zeros(1, 4, 8))  # type: ignore[attr-defined]


def test_noise_is_drawn_from_the_generator() -> None:
    codec = spectral()
    assert isinstance(codec, LatentCodec)
    wave = noise(0.64).samples[:, 0]
    with torch.no_grad():
        one = codec.reconstruct(wave, torch.Generator().manual_seed(1))
        two = codec.reconstruct(wave, torch.Generator().manual_seed(1))
        three = codec.reconstruct(wave, torch.Generator().manual_seed(2))
    assert torch.equal(one, two) and not torch.equal(one, three)


@pytest.mark.parametrize("make", [spectral, seanet])
def test_trained_codecs_can_be_copied_for_averaging(make) -> None:  # type: ignore[no-untyped-def]
    codec = make()
    twin = copy.deepcopy(codec)
    assert torch.equal(codec.encode(noise(0.5)), twin.encode(noise(0.5)))
