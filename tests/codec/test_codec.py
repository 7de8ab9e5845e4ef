"""Codecs as one contract, and the parts they are made of."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.audio import Audio
from flowmusic.codec.encodec import EncodecCodec, ResidualQuantizer, SeanetCodec
from flowmusic.codec.energy import EnergyHead
from flowmusic.codec.hybrid import HybridCodec, Painting
from flowmusic.codec.latent import LatentCodec
from flowmusic.codec.mdct import Mdct
from flowmusic.codec.spectral import SpectralCodec
from flowmusic.codec.stft import istft, stft
from flowmusic.types import Codec


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


CODECS = {"spectral": spectral, "seanet": seanet, "encodec": encodec}  # all at 25 Hz


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


def hybrid() -> HybridCodec:
    torch.manual_seed(0)
    sizes = {"width": 16, "encoder_blocks": 1, "decoder_blocks": 2, "wave_dim": 16, "spectrum_dim": 8, "head_width": 24}
    return HybridCodec(8000, 160, 2, 512, 3000.0, from_hz=1500.0, to_hz=2500.0, iterations=2, **sizes).eval()


@pytest.mark.parametrize("hop", [8, 160, 640])
def test_the_cosine_transform_is_orthogonal(hop: int) -> None:
    wave = torch.randn(2, 6 * hop)
    transform = Mdct(hop)
    coefficients = transform(wave)
    assert coefficients.shape == (2, hop, 6)
    back = transform.inverse(coefficients)
    inside = slice(hop // 2, -hop // 2)
    torch.testing.assert_close(back[:, inside], wave[:, inside], atol=1e-4, rtol=1e-4)
    # A change of the coefficients is a change of the waveform of the same size.
    change = torch.zeros_like(coefficients)
    change[:, :, 2:4] = torch.randn(2, hop, 2)
    torch.testing.assert_close(transform.inverse(change).square().sum(), change.square().sum(), rtol=1e-4, atol=0.0)


def test_a_hybrid_codec_begins_with_principal_components() -> None:
    generator = torch.Generator().manual_seed(0)
    # Six tones of fixed frequencies: a frame has 12 dimensions, and the network has learnt nothing.
    time = torch.arange(6400) / 8000.0
    hz = torch.tensor([200.0, 430.0, 610.0, 2700.0, 3100.0, 3500.0])

    def waves() -> torch.Tensor:
        phase = 6.28 * torch.rand(6, 6, 1, generator=generator)
        gains = torch.rand(6, 6, 1, generator=generator)
        return 0.1 * (gains * torch.sin(2 * torch.pi * hz[:, None] * time + phase)).sum(1)

    codec = hybrid()
    codec.noise = 0.0
    codec.prepare([waves() for _ in range(20)])
    loud = waves()
    for wave in (loud, 0.03 * loud):
        painting = codec.paint(codec.latents(wave))
        wanted = codec.mdct(wave)
        error = (painting.coefficients - wanted).square().sum() / wanted.square().sum()
        assert error < 0.01
        # Three of the levels vary by themselves, so what is left of the log spectrum is what lies between the tones.
        far = painting.log_magnitude - codec.log_spectrum(wave)
        spread = codec.log_spectrum(wave) - codec.level[:, None]
        assert far.square().mean() < 0.2 * spread.square().mean()
    # Tones above `to_hz` have their level, and those below also their phase.
    with torch.no_grad():
        rebuilt = codec.reconstruct(loud)
    spectra = [torch.stft(each, 800, window=torch.hann_window(800), return_complex=True) for each in (rebuilt, loud)]
    for bin in (20, 43, 61):
        one, other = (each[:, bin, 5:-5] for each in spectra)
        assert (one - other).abs().square().mean() < 0.05 * other.abs().square().mean()
    for bin in (310, 350):
        one, other = (each[:, bin, 5:-5].abs().square().mean().sqrt() for each in spectra)
        assert one == pytest.approx(other, rel=0.25)


def test_training_and_evaluation_of_a_hybrid_codec_agree() -> None:
    """Batch renormalisation: the values of a training pass are those of an evaluation."""
    codec = hybrid()
    waves = noise(0.64, batch=8).samples[:, 0]
    codec.calibrate([waves] * 3)
    with torch.no_grad():
        evaluated = codec.latents(waves)
        trained = codec.train().latents(waves)
    torch.testing.assert_close(trained, evaluated, atol=1e-2, rtol=1e-2)


def test_calibration_gives_a_hybrid_codec_the_energy_that_a_mean_of_logarithms_lacks() -> None:
    codec = prepared()
    waves = [noise(0.64, batch=8).samples[:, 0] + 0.001 * step for step in range(3)]

    def lacking() -> float:
        """Energy from 2.5 kHz up that a round trip loses, dB."""
        codec.eval()
        spectra = [stft(each, 512, 160)[:, 160:] for each in (waves[0], codec.decode_wave(codec.latents(waves[0])))]
        one, other = (float(each.abs().square().sum()) for each in spectra)
        return 10 * math.log10(one / other)

    before = lacking()
    codec.calibrate(waves)
    assert before > 2.0 and abs(lacking()) < 0.5


def test_a_hybrid_codec_keeps_the_noise_of_its_waveform_out_of_pauses() -> None:
    codec = hybrid()
    tone = 0.3 * torch.sin(2 * torch.pi * 400.0 * torch.arange(6400) / codec.rate)[None]
    coefficients, heard = codec.mdct(tone), codec.log_spectrum(tone)
    as_said = codec.sound(Painting(coefficients, heard))
    torch.testing.assert_close(as_said[:, 800:-800], tone[:, 800:-800], atol=2e-2, rtol=0.0)
    # The second half is a pause by what is painted, while the waveform goes on.
    half = heard.shape[2] // 2
    heard[:, :, half:] = math.log(1e-3)
    paused = codec.sound(Painting(coefficients, heard))
    middle = paused.shape[1] // 2
    torch.testing.assert_close(paused[:, 800 : middle - 800], as_said[:, 800 : middle - 800], atol=2e-2, rtol=0.0)
    assert paused[:, middle + 800 : -800].abs().max() < 1e-3


def test_an_energy_head_sets_the_energies_that_it_predicts() -> None:
    head = EnergyHead(4, spectral_hop=640, rate=32_000)
    wave = 0.1 * torch.randn(2, 6400, generator=torch.Generator().manual_seed(0))
    energies = head.measure(wave)
    assert energies.shape == (2, 20, 40)
    torch.testing.assert_close(head.apply_to(wave, energies), wave, atol=1e-5, rtol=1e-5)
    # 6 dB more everywhere: exactly twice the amplitude in bands that have no untouched neighbour.
    louder = head.measure(head.apply_to(wave, energies + 2 * math.log(2)))
    torch.testing.assert_close(
        (louder - energies)[:, :, 2:], torch.full((2, 20, 38), 2 * math.log(2)), atol=0.03, rtol=0
    )
    # What lies below the lowest band stays as it is, whatever the energies are.
    time = torch.arange(6400) / 32_000
    low = torch.sin(2 * torch.pi * 400.0 * time)[None].expand(2, -1)
    changed = head.apply_to(low, torch.randn(2, 20, 40) - 12.0)
    torch.testing.assert_close(changed[:, 1024:-1024], low[:, 1024:-1024], atol=2e-3, rtol=0.0)
    # Silence cannot be made loud: gains end at 30 dB.
    assert head.apply_to(torch.zeros(2, 6400), energies).abs().max() == 0.0
    assert head.apply_to(1e-4 * wave, energies).square().mean() < (40 * 1e-4) ** 2 * wave.square().mean()


def test_bands_that_are_too_narrow_are_refused() -> None:
    with pytest.raises(ValueError, match="too narrow for a window of 64"):
        EnergyHead(4, 640, 32_000, bands=40, n_fft=64)
    with pytest.raises(ValueError, match="must divide"):
        EnergyHead(4, 640, 32_000, hop=300)


def prepared() -> HybridCodec:
    """A hybrid codec that carries noise as well as a linear one can."""
    codec = hybrid()
    codec.prepare([noise(0.64, batch=8).samples[:, 0]])
    return codec


@pytest.mark.parametrize("make", [prepared, lambda: with_energy(spectral())])
def test_decoding_in_chunks_equals_the_whole(make) -> None:  # type: ignore[no-untyped-def]
    codec = make()
    latents = codec.encode(noise(90 / 25))
    whole = codec.decode(latents).samples
    context = codec.context_frames
    assert 3 <= context <= 40
    pieces = list(codec.decode_chunks(latents, 16))
    assert [piece.samples.shape[-1] for piece in pieces] == [16 * codec.hop] * 5 + [10 * codec.hop]
    torch.testing.assert_close(torch.cat([p.samples for p in pieces], -1), whole, atol=1e-4, rtol=0.0)


def with_energy(codec: Codec) -> SpectralCodec:
    assert isinstance(codec, SpectralCodec)
    codec.add_energy_head({"bands": 6, "width": 8, "from_hz": 1000.0, "n_fft": 256, "hop": 80})
    return codec.eval()
