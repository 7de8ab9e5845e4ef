"""Spectral distance, bands, harmonicity, attacks and texture, on signals whose figures are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowmusic.audio import Audio
from flowmusic.metrics.attack import rise_milliseconds, rise_seconds
from flowmusic.metrics.fad import Gaussian, frechet, mfcc_patches
from flowmusic.metrics.harmonicity import harmonic_to_noise
from flowmusic.metrics.spectrum import BANDS_HZ, balance, band_levels, fidelity, log_spectral_distance, power
from flowmusic.metrics.texture import BANDS, band_texture

RATE = 32_000


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> torch.Tensor:
    return level * torch.randn(1, round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def tones(seconds: float, hz: float, count: int = 20, level: float = 0.05) -> torch.Tensor:
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    partials = [torch.sin(2 * math.pi * hz * k * time + k * k) for k in range(1, count + 1) if hz * k < 15_000]
    return (level * torch.stack(partials).sum(0, keepdim=True)).float()


def test_a_gain_is_its_own_distance_in_every_band() -> None:
    sound = Audio(noise(2.0), RATE)
    scores = fidelity(Audio(0.5 * sound.samples, RATE), sound)
    wanted = 20 * math.log10(0.5)
    assert scores["lsd"] == pytest.approx(-wanted, abs=1e-3) and scores["lsd_high"] == pytest.approx(-wanted, abs=1e-3)
    bands = {key: value for key, value in scores.items() if key.startswith("band_")}
    assert len(bands) == len(BANDS_HZ) - 1
    assert list(bands.values()) == pytest.approx([wanted] * len(bands), abs=1e-3)
    assert scores["si_sdr"] > 80.0
    same = fidelity(sound, sound)
    assert same["lsd"] == 0.0 and same["si_sdr"] == math.inf


def test_independent_noises_are_as_far_apart_as_theory_says() -> None:
    # The logarithm of an exponential variable has variance pi^2 / 6; in dB 5.57 each, and by root 2 for the difference.
    theory = 10 / math.log(10) * math.pi / math.sqrt(6) * math.sqrt(2)
    distance = log_spectral_distance(power(Audio(noise(8.0, 1), RATE)), power(Audio(noise(8.0, 2), RATE)))
    assert distance == pytest.approx(theory, rel=0.02)


def test_silence_is_at_the_floor_and_no_band_of_it_is_compared() -> None:
    quiet, low = Audio(torch.zeros(1, RATE), RATE), Audio(tones(1.0, 220.0, 2), RATE)
    assert log_spectral_distance(power(quiet), power(quiet)) == 0.0
    scores = fidelity(low, low)
    assert scores["band_60-250"] == 0.0 and math.isnan(scores["band_8000-10000"])
    assert set(band_levels(power(quiet)).values()) == {-math.inf}


def test_balance_knows_no_loudness_and_bands_add_up() -> None:
    sound = Audio(noise(2.0), RATE)
    assert max(abs(value) for value in balance(Audio(0.1 * sound.samples, RATE), sound).values()) < 1e-3
    levels = band_levels(power(sound))
    # White noise: a band has as much as it is wide.
    assert levels["4000-6000"] == pytest.approx(10 * math.log10(2000 / 16_000), abs=0.3)


@pytest.mark.parametrize("ratio_db", [0.0, 10.0, 20.0])
def test_harmonic_to_noise_ratio_is_the_one_that_was_mixed(ratio_db: float) -> None:
    hz, notes = 440.0 * 2 ** (-2 / 12), [(0.0, 3.0, 67)]
    tone = tones(3.0, hz)
    hiss = noise(3.0)
    hiss *= tone.square().mean().sqrt() / hiss.square().mean().sqrt() * 10 ** (-ratio_db / 20)
    assert harmonic_to_noise(Audio(tone + hiss, RATE), notes) == pytest.approx(ratio_db, abs=1.0)
    assert harmonic_to_noise(Audio(tone, RATE), notes) > 30.0
    # Where harmonics above 4 kHz are hiss instead, only the upper measure falls.
    low = tones(3.0, hz, 10)
    high = noise(3.0, level=0.02)
    high = torch.from_numpy(_high_passed(high.numpy()))
    assert harmonic_to_noise(Audio(low + high, RATE), notes, above_hz=4500.0) < 3.0 < 15.0
    assert harmonic_to_noise(Audio(tone, RATE), notes, above_hz=4500.0) > 25.0


def _high_passed(samples: np.ndarray) -> np.ndarray:
    import scipy.signal

    return scipy.signal.sosfilt(scipy.signal.butter(6, 4500.0, "highpass", fs=RATE, output="sos"), samples).astype(
        np.float32
    )


def test_no_notes_have_no_ratio() -> None:
    assert math.isnan(harmonic_to_noise(Audio(noise(1.0), RATE), []))
    assert math.isnan(harmonic_to_noise(Audio(noise(1.0), RATE), [(0.0, 0.05, 40)]))


@pytest.mark.parametrize("rise_ms", [8.0, 20.0, 40.0])
def test_a_ramp_rises_in_the_time_that_it_was_given(rise_ms: float) -> None:
    hits = [0.5, 1.0, 1.5]
    # A linear ramp takes 0.8 of its length from a tenth to nine tenths.
    length = round(rise_ms / 0.8 / 1000 * RATE)
    envelope = np.zeros(2 * RATE)
    for hit in hits:
        at = round(hit * RATE)
        tail = np.exp(-np.arange(6000) / 2000.0)
        shape = np.concatenate([np.linspace(0, 1, length), tail])
        envelope[at : at + len(shape)] = shape
    carrier = np.sin(2 * np.pi * 4000.0 * np.arange(2 * RATE) / RATE)
    audio = Audio(torch.from_numpy(envelope * carrier)[None].float(), RATE)
    assert rise_milliseconds(audio, hits) == pytest.approx(rise_ms, abs=1.0)


def test_only_isolated_hits_are_judged() -> None:
    click = torch.zeros(1, 2 * RATE)
    for hit in (0.5, 0.6, 1.2):
        click[0, round(hit * RATE) : round(hit * RATE) + 400] = 0.5
    assert len(rise_seconds(Audio(click, RATE), [0.5, 0.6, 1.2])) == 1
    assert math.isnan(rise_milliseconds(Audio(torch.zeros(1, RATE), RATE), [0.5]))


def test_texture_hears_hiss_in_place_of_harmonics_where_cepstra_do_not() -> None:
    generator = np.random.default_rng(0)
    pitches = generator.uniform(100.0, 400.0, 6)
    played = [tones(3.0, hz, 60) for hz in pitches]

    def shaped(tone: torch.Tensor) -> torch.Tensor:
        """Noise with the tone's spectrum, smoothed over 300 Hz, in the place of all that lies above 1 kHz."""
        spectrum = torch.fft.rfft(tone)
        size = round(300 * tone.shape[-1] / RATE) // 2 * 2 + 1
        envelope = torch.nn.functional.avg_pool1d(spectrum.abs().square(), size, 1, size // 2).sqrt()
        hiss = torch.fft.rfft(noise(3.0, 5, 1.0))
        hiss = hiss / hiss.abs().square().mean().sqrt() * envelope
        cut = round(1000 * tone.shape[-1] / RATE)
        return torch.fft.irfft(torch.cat([spectrum[:, :cut], hiss[:, cut:]], 1), tone.shape[-1])

    def far(embed: object) -> tuple[float, float]:
        """How far hissing copies are from the tones, and how far other tones are from them."""
        sets = [played, [shaped(tone) for tone in played], [tones(3.0, hz * 1.03, 60) for hz in pitches]]
        real, hissing, other = (
            Gaussian.of(np.concatenate([embed(Audio(each, RATE)) for each in every]))
            for every in sets  # type: ignore[operator]
        )
        return frechet(real, hissing), frechet(real, other)

    texture, cepstra = far(band_texture), far(mfcc_patches)
    print(texture, cepstra)
    assert texture[0] > 10.0 * texture[1] and cepstra[0] < 5.0 * cepstra[1]


def test_texture_does_not_know_the_gain() -> None:
    sound = noise(3.0)
    patches = band_texture(Audio(sound, RATE))
    assert patches.shape == (5, 4 * BANDS)
    assert band_texture(Audio(0.1 * sound, RATE)) == pytest.approx(patches, abs=1e-3)
    # 2.51 dB: Euler's constant in dB, the arithmetic over the geometric mean of an exponential law.
    peaks = patches[:, BANDS : 2 * BANDS].mean(0) * math.sqrt(BANDS)
    assert peaks[4:] == pytest.approx(10 / math.log(10) * 0.5772, abs=0.3)
    assert not band_texture(Audio(torch.zeros(1, RATE), RATE)).any()
