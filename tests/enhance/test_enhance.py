from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch
from safetensors.torch import save_file
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.codec.stft import istft
from flowmusic.enhance import bands, excitation, paint, stream
from flowmusic.enhance.cut import LongTerm, find_cut
from flowmusic.enhance.net import WEIGHTS, EnhanceNet, load
from flowmusic.enhance.stream import Plan, Tally, enhance

RATE = bands.RATE


def music(seconds: float = 3.0, channels: int = 1, seed: int = 0) -> Tensor:
    """Plucked harmonic notes with hiss, which fall by 6 dB an octave.  Shape: ``[C, N]``."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.arange(round(seconds * RATE)) / RATE
    rows = []
    for channel in range(channels):
        wave = torch.zeros_like(t)
        for note, f0 in enumerate((196.0, 311.0, 233.0, 392.0, 262.0, 349.0)):
            begin = t - 0.5 * note - 0.01 * channel
            envelope = torch.exp(-4.0 * begin.clamp_min(0.0)) * (begin >= 0.0)
            for k in range(1, int(15_500 / f0)):
                wave += envelope * torch.sin(2 * math.pi * f0 * k * t) / k
        hiss = torch.randn(len(t), generator=generator)
        rows.append(0.15 * wave + 0.003 * hiss)
    return torch.stack(rows)


def walled(samples: Tensor, cut: float) -> Tensor:
    whole = torch.fft.rfft(samples.double())
    whole[..., math.ceil(cut * samples.shape[-1] / RATE) :] = 0.0
    return torch.fft.irfft(whole, samples.shape[-1]).float()


def level_db(samples: Tensor, low: float, high: float) -> float:
    power = torch.fft.rfft(samples.double()).abs().square().sum(0)
    hz = torch.linspace(0.0, RATE / 2, power.shape[-1])
    return float(10.0 * torch.log10(power[(hz >= low) & (hz < high)].sum() + 1e-20))


@pytest.mark.parametrize(("cut", "channels"), [(3400.0, 1), (7000.0, 2), (11_000.0, 1)])
def test_below_the_cut_all_stays_and_above_it_there_is_as_much_as_there_was(cut: float, channels: int) -> None:
    truth = music(channels=channels)
    dull = walled(truth, cut)
    found = enhance(Audio(dull, RATE))
    assert found.plan.cut_hz == pytest.approx(cut, abs=120.0)
    more = found.audio.samples - dull
    assert level_db(more, 0.0, found.plan.cut_hz - 60.0) < level_db(dull, 0.0, cut) - 60.0
    assert level_db(dull, cut, 16_000.0) < level_db(truth, cut, 16_000.0) - 40.0
    assert level_db(found.audio.samples, cut, 16_000.0) == pytest.approx(level_db(truth, cut, 16_000.0), abs=12.0)


def test_a_recording_of_a_low_rate_keeps_what_it_has() -> None:
    low = audio_tools.resample(Audio(music(), RATE), 16_000)
    found = enhance(low)
    plain = audio_tools.resample(low, RATE).samples
    assert found.audio.rate == RATE and found.plan.cut_hz == pytest.approx(7600.0, abs=300.0)
    assert level_db(found.audio.samples - plain, 0.0, 7000.0) < level_db(plain, 0.0, 7000.0) - 60.0


def test_blocks_leave_no_trace_and_come_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    dull = walled(music(4.0, 2), 6000.0).T.numpy()
    what, read = Plan(6000.0, 0.1, ""), []

    def parts(size: int) -> Iterator[np.ndarray]:
        for start in range(0, len(dull), size):
            read.append(start)
            yield dull[start : start + size]

    whole = np.concatenate([more for _, more in stream.blocks(parts(len(dull)), what)])
    monkeypatch.setattr(stream, "BLOCK_FRAMES", 37)
    read.clear()
    pieces = stream.blocks(parts(1000), what)
    first = next(pieces)
    assert len(read) < 30
    joined = np.concatenate([first[1], *(more for _, more in pieces)])
    assert joined.shape == whole.shape == dull.shape and np.abs(whole).max() > 0.01
    assert np.abs(joined - whole).max() < 1e-5
    # The test can fail: with less around a block than it depends on, there is a trace.
    monkeypatch.setattr(stream, "context_frames", lambda net: 3)
    assert np.abs(np.concatenate([more for _, more in stream.blocks(parts(1000), what)]) - whole).max() > 1e-4


def test_what_is_the_same_in_both_channels_stays_so() -> None:
    one = walled(music(1.5), 5000.0)
    both = enhance(Audio(one.repeat(2, 1), RATE), 5000.0).audio.samples
    assert torch.equal(both[0], both[1])
    assert torch.allclose(both[:1], enhance(Audio(one, RATE), 5000.0).audio.samples, atol=1e-5)


@pytest.mark.parametrize("length", [1, 300, 1025, 3000])
def test_short_silent_and_odd_sounds(length: int) -> None:
    noise = 0.1 * torch.randn(2, length, generator=torch.Generator().manual_seed(0))
    click = torch.zeros(2, length)
    click[:, length // 2] = 1.0
    for samples in (noise, click):
        made = enhance(Audio(samples, RATE), 4000.0).audio.samples
        assert made.shape == samples.shape and bool(made.isfinite().all())
    silent = enhance(Audio(torch.zeros(2, length), 8000))
    assert silent.plan.cut_hz is None and "silent" in silent.plan.why and not silent.audio.samples.any()


def test_only_what_is_added_is_turned_down_where_the_sum_would_clip() -> None:
    dull = walled(music(1.5), 4000.0)
    loud = dull / dull.abs().max() * 0.999
    tally = Tally()
    what = Plan(4000.0, float(loud.square().mean().sqrt()), "")
    pieces = list(stream.blocks([loud.T.numpy()], what, tally=tally))
    made = np.concatenate([was + more for was, more in pieces])
    assert np.abs(made).max() <= 1.0 + 1e-6
    assert 0 < tally.limited < tally.samples == len(made)
    assert np.array_equal(np.concatenate([was for was, _ in pieces]), loud.T.numpy())


def heard(samples: Tensor) -> np.ndarray:
    found = LongTerm()
    found.add(samples.T.numpy())
    return found.spectrum


@pytest.mark.parametrize("cut", [3400.0, 5500.0, 8000.0, 12_000.0])
@pytest.mark.parametrize("kind", ["wall", "resampler", "butterworth", "elliptic"])
def test_the_cut_is_found(cut: float, kind: str) -> None:
    samples = music(2.0)
    if kind == "wall":
        dull = walled(samples, cut)
    elif kind == "resampler":
        dull = audio_tools.resample(audio_tools.resample(Audio(samples, RATE), round(2 * cut)), RATE).samples
    else:
        design = {
            "butterworth": lambda: scipy.signal.butter(16, cut, fs=RATE, output="sos"),
            "elliptic": lambda: scipy.signal.ellip(10, 0.1, 60.0, cut, fs=RATE, output="sos"),
        }[kind]
        dull = torch.from_numpy(scipy.signal.sosfilt(design(), samples.numpy()).astype(np.float32))
    found = find_cut(heard(dull))
    assert found is not None and 0.9 * cut < found < 1.13 * cut


def test_what_has_its_treble_is_left_alone() -> None:
    whole = Audio(music(1.0), RATE)
    found = enhance(whole)
    assert found.plan.cut_hz is None and "nothing to add" in found.plan.why
    assert torch.equal(found.audio.samples, whole.samples)
    # One line and nothing else is no cut of a recording that begins above it.
    assert find_cut(heard(0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(1)))) is None


@pytest.mark.parametrize(
    ("rate", "cut", "message"),
    [
        (4000, None, "ends at 2000 Hz"),
        (8000, 5000.0, "cannot have a cut at 5000 Hz"),
        (RATE, 1e3, "from 2500 to 14000"),
    ],
)
def test_what_cannot_be_is_said(rate: int, cut: float | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        enhance(Audio(0.1 * torch.ones(1, 4000), rate), cut)


def test_true_bands_come_back() -> None:
    truth = music()[:, : 370 * bands.HOP]
    energy, tonality = bands.measured(bands.transform(truth))
    given = (energy[..., bands.HIGH :], tonality[..., bands.HIGH :])
    for method in ("copied", "rectified", "mixed", "both"):
        made = paint.added(walled(truth, 6000.0), 6000.0, given, method=method)  # type: ignore[arg-type]
        for low, high in ((6500, 9000), (9000, 12_000), (12_000, 15_000)):
            assert level_db(made, low, high) == pytest.approx(level_db(truth, low, high), abs=2.0), method


def test_a_copied_tone_is_a_tone() -> None:
    first = bands.first_bin(6000.0)
    tone = torch.sin(2 * math.pi * 5000.0 * torch.arange(200 * bands.HOP) / RATE)[None]
    shift = int((torch.arange(bands.SIZE // 2 + 1) - excitation.sources(first))[first])
    spectrum = excitation.copied(bands.transform(tone), first)
    spectrum[:, : first + 2] = 0.0
    made = istft(spectrum, bands.SIZE, bands.HOP)[:, 4096:-4096]
    power = torch.fft.rfft(made * torch.hann_window(made.shape[1])).abs().square()[0]
    place = (5000.0 + shift * RATE / bands.SIZE) * made.shape[1] / RATE
    assert abs(int(power[: len(power) * 10 // 16].argmax()) - place) <= 1
    around = power[round(place) - 4 : round(place) + 5].sum()
    assert around > 0.999 * power[round(place) - 400 : round(place) + 400].sum()


def test_a_rectified_note_stays_on_its_lines() -> None:
    f0, t = 400.0, torch.arange(200 * bands.HOP) / RATE
    note = torch.stack([torch.sin(2 * math.pi * f0 * k * t + k * k) for k in range(1, 16)]).sum(0)[None]
    made = istft(excitation.rectified(bands.transform(note), bands.first_bin(6100.0)), bands.SIZE, bands.HOP)
    power = torch.fft.rfft(made[0, 4000:-3200] * torch.hann_window(44_000)).abs().square()
    hz = torch.arange(len(power)) * RATE / 44_000
    high = (hz > 7000.0) & (hz < 15_000.0)
    near = (hz / f0 - (hz / f0).round()).abs() * f0 < 8.0
    assert power[high & near].sum() > 0.99 * power[high].sum()


def test_the_network_does_not_look_above_the_cut() -> None:
    net = load()
    energy, tonality = torch.randn(2, 20, bands.BANDS), torch.rand(2, 20, bands.BANDS)
    known = torch.tensor([30, 45])
    hidden = torch.arange(bands.BANDS) >= known[:, None, None]
    with torch.inference_mode():
        one = net(energy, tonality, known)
        other = net(energy.masked_fill(hidden, 9.0), tonality.masked_fill(hidden, 9.0), known)
    assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
    assert WEIGHTS.stat().st_size < 640_000


def test_noise_depends_on_its_place_alone() -> None:
    start = excitation.SEGMENT // bands.HOP - 10
    whole, part = excitation.noise(1, start, 40), excitation.noise(2, start + 8, 24)
    assert torch.allclose(whole[:, :, 12:28], part[:1, :, 4:20], atol=1e-4)
    share = paint.noise_share(torch.tensor([1.5, 1.5, 0.4]), torch.tensor([paint.NOISE_TONALITY, 2.0, 0.3]))
    assert share.tolist() == pytest.approx([1.0, 0.0, 0.0])


def test_bad_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no weights of bandwidth extension in .*gone"):
        load(tmp_path / "gone")
    save_file({"a": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="holds no weights of bandwidth extension"):
        load(tmp_path / "other")
    assert EnhanceNet().reach == 12
