from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extractors import DrumSeparator, HarmonicPercussive, Separator
from feature_extractors.networks import separator_data, separator_net
from flowmusic.audio import Audio
from flowmusic.metrics.signal import si_sdr
from tests.feature_extractors.conftest import Song
from tests.feature_extractors.corpus import write_corpus
from tests.feature_extractors.sounds import RATE, band


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def untrained() -> separator_net.SeparatorNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return separator_net.SeparatorNet().eval()


def test_the_transform_is_undone(untrained: separator_net.SeparatorNet) -> None:
    samples = noise(2, 20 * separator_net.HOP)
    spectrum = untrained.transform(samples)
    assert spectrum.shape == (2, separator_net.SIZE // 2 + 1, 20)
    assert torch.allclose(untrained.inverse(spectrum), samples, atol=1e-5)


def test_shapes_and_size(untrained: separator_net.SeparatorNet) -> None:
    with torch.no_grad():
        assert untrained(noise(3, 8 * separator_net.HOP)).shape == (3, 8 * separator_net.HOP)
    with pytest.raises(ValueError, match=r"multiple of 256 samples, got 1000; use separate\(\)"):
        untrained(noise(1, 1000))
    assert sum(p.numel() for p in untrained.parameters()) < 2_000_000
    assert separator_net.WEIGHTS.stat().st_size < 3_000_000


def test_windows_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = torch.cat([band().samples, noise(1, RATE + 77)], -1)
    whole = separator_net.separate(samples)
    assert whole.shape == samples.shape
    monkeypatch.setattr(separator_net, "_WINDOW_FRAMES", 70)
    assert torch.allclose(separator_net.separate(samples), whole, atol=1e-5)
    # The test can fail: less context than the network sees does leave a trace.
    monkeypatch.setattr(separator_net, "CONTEXT_FRAMES", 10)
    assert not torch.allclose(separator_net.separate(samples), whole, atol=1e-5)


@pytest.mark.parametrize(("channels", "rate"), [(1, RATE), (2, RATE), (2, 44_100)])
@pytest.mark.parametrize("length", [0, 1, 500, 40_001])
def test_parts_sum_to_the_input(channels: int, rate: int, length: int) -> None:
    audio = Audio(noise(channels, length), rate)
    stems = DrumSeparator().analyse(audio)
    assert stems.drums.samples.shape == audio.samples.shape and stems.rest.rate == rate
    assert torch.allclose(stems.drums.samples + stems.rest.samples, audio.samples, atol=1e-6)


def test_level_does_not_matter_and_silence_has_no_drums() -> None:
    audio = band()
    quiet = Audio(0.01 * audio.samples, RATE)
    loud = DrumSeparator().analyse(audio).drums.samples
    assert torch.allclose(100.0 * DrumSeparator().analyse(quiet).drums.samples, loud, atol=1e-4)
    assert not DrumSeparator().analyse(Audio(torch.zeros(2, 999), RATE)).drums.samples.any()


def test_beats_median_filtering_on_an_unheard_font(songs: list[Song]) -> None:
    def scores(separator: Separator) -> np.ndarray:
        found = []
        for song in songs:
            stems = separator.analyse(Audio(song.mix[None], RATE))
            parts = ((stems.drums, song.drums), (stems.rest, song.mix - song.drums))
            found.append([si_sdr(part.samples[0], truth) for part, truth in parts])
        return np.mean(found, 0)

    ours, median = scores(DrumSeparator()), scores(HarmonicPercussive())
    assert (ours > median + 2.0).all()


def test_bad_weights_are_named(tmp_path: Path) -> None:
    assert isinstance(DrumSeparator(), Separator)
    with pytest.raises(ValueError, match=r"no weights of the separator in .*gone"):
        DrumSeparator(tmp_path / "gone").analyse(band())
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="holds no weights of this separator"):
        DrumSeparator(tmp_path / "other").analyse(band())
    with pytest.raises(ValueError, match="NaN or infinite"):
        DrumSeparator().analyse(Audio(torch.full((1, 10), torch.nan), RATE))


def test_crops_are_made_from_their_step_alone(tmp_path: Path) -> None:
    found = separator_data.recordings([write_corpus(tmp_path)], "test")
    length = 12_800
    mix, drums = separator_data.batch(found, 6, length, seed=1, step=4)
    assert mix.shape == drums.shape == (6, length)
    again = separator_data.batch(found, 6, length, seed=1, step=4)
    assert torch.equal(again[0], mix) and torch.equal(again[1], drums)
    assert not torch.equal(separator_data.batch(found, 6, length, seed=1, step=5)[0], mix)
    level_db = 20 * torch.log10(mix.square().mean(1).sqrt() / separator_net.LEVEL)
    assert ((level_db > -8.1) & (level_db < 5.1)).all()
    # What is read is the stem and what is left of the mix.
    drums, rest = separator_data.read(found[0], 100, 5000)
    assert torch.allclose(drums + rest, Audio.read(found[0].mix).samples[0, 100:5100], atol=1e-6)
