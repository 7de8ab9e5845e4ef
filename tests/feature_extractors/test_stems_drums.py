from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extractors import (
    Demucs,
    Drums,
    DrumSeparator,
    HarmonicPercussive,
    Onsets,
    Separator,
    Stems,
    best_available,
)
from flowmusic.audio import Audio
from flowmusic.controls import drums as drum_control
from flowmusic.types import FrameGrid
from tests.feature_extractors.sounds import BEATS, RATE, band, clicks, tone


def energy(audio: Audio) -> float:
    return float(audio.samples.pow(2).sum())


def test_separators_follow_the_protocol() -> None:
    assert isinstance(HarmonicPercussive(), Separator)
    assert isinstance(Demucs(), Separator)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [0, 1, 500, 40_001])
def test_parts_sum_to_the_input(channels: int, samples: int) -> None:
    audio = Audio(0.1 * torch.randn(channels, samples, generator=torch.Generator().manual_seed(0)), RATE)
    stems = HarmonicPercussive().analyse(audio)
    assert stems.drums.samples.shape == audio.samples.shape
    assert torch.allclose(stems.drums.samples + stems.rest.samples, audio.samples, atol=1e-6)
    assert stems.rest.rate == RATE


def test_clicks_go_one_way_and_tones_the_other() -> None:
    stems = HarmonicPercussive().analyse(Audio(clicks(BEATS, 2.5)[None], RATE))
    assert energy(stems.drums) > 3 * energy(stems.rest)
    stems = HarmonicPercussive().analyse(Audio(tone(69, 2.5)[None], RATE))
    assert energy(stems.rest) > 5 * energy(stems.drums)


def test_windows_leave_no_trace() -> None:
    """The recording is much longer than a window; cut in the middle, each half comes out as in the whole."""
    audio = Audio(torch.cat([band().samples] * 3, -1), RATE)
    whole = HarmonicPercussive().analyse(audio).drums.samples
    settings = HarmonicPercussive()
    size, hop = 1024, 256
    single = settings._percussive(
        audio.samples,
        size,
        hop,
        2 * round((settings.time_s * RATE / hop - 1) / 2) + 1,
        2 * round((settings.band_hz * size / RATE - 1) / 2) + 1,
    )
    assert torch.allclose(whole, single, atol=1e-5)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        HarmonicPercussive(time_s=0.0)


def test_drums_of_a_mix_and_of_a_stem() -> None:
    for drums, audio in (
        (Drums(onsets=Onsets("flux")), band()),
        (Drums(separate=False), Audio(clicks(BEATS, 2.5)[None], RATE)),
    ):
        found = drums.analyse(audio)
        assert found.strength.shape == (3, 250)
        track = drum_control.strength_to_track(torch.from_numpy(found.strength), FrameGrid.of_seconds(2.5, 25))
        onsets = drum_control.onsets_from_track(track)
        for beat in BEATS[1:]:
            assert min(abs(beat - onset) for onset in onsets) < 0.03


def test_a_recording_without_drums_has_none() -> None:
    stem = Audio(1e-4 * clicks(BEATS, 2.5)[None], RATE)
    found = Drums(onsets=Onsets("flux")).analyse_stem(stem, Audio(tone(60, 2.5)[None], RATE))
    assert found.onsets == ()
    assert not found.strength.any()


def tiny_demucs(folder: Path, klass: str = "demucs.htdemucs.HTDemucs") -> Path:
    """An untrained model in the layout of the hub: a list of parts, and a file that describes itself."""
    from demucs.htdemucs import HTDemucs
    from safetensors.torch import save_file

    torch.manual_seed(0)
    settings = {
        "sources": ["drums", "bass", "other", "vocals"],
        "channels": 8,
        "depth": 2,
        "t_layers": 1,
        "t_heads": 2,
        "nfft": 512,
        "segment": 1,
        "bottom_channels": 0,
        "samplerate": 44_100,
        "dconv_depth": 1,
        "dconv_comp": 4,
    }
    net = HTDemucs(**settings)
    metadata = {"klass": klass, "args": "[]", "kwargs": json.dumps(settings)}
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / "abc.safetensors", metadata)
    (folder / "htdemucs.yaml").write_text("models: ['abc']\n")
    return folder


def test_demucs_runs_from_a_folder(tmp_path: Path) -> None:
    demucs = Demucs(folder=tiny_demucs(tmp_path))
    assert demucs.available()
    audio = Audio(band().samples[:, :20_000], RATE)
    stems = demucs.analyse(audio)
    assert set(stems.parts) == {"drums", "bass", "other", "vocals"}
    assert all(part.samples.shape == audio.samples.shape and part.rate == RATE for part in stems.parts.values())
    others = sum(stems.parts[name].samples for name in ("bass", "other", "vocals"))
    assert torch.allclose(stems.rest.samples, others, atol=1e-6)
    again = demucs.analyse(audio)
    assert torch.equal(again.drums.samples, stems.drums.samples)


def test_demucs_hears_nothing_in_silence(tmp_path: Path) -> None:
    stems = Demucs(folder=tiny_demucs(tmp_path)).analyse(Audio(torch.zeros(2, 1000), RATE))
    assert all(not part.samples.any() for part in stems.parts.values())


def test_demucs_builds_no_foreign_class(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no plain demucs model \(class 'os\.system'\); refused"):
        Demucs(folder=tiny_demucs(tmp_path, "os.system")).analyse(band())


def test_absent_weights_are_said_and_the_default_falls_back(tmp_path: Path) -> None:
    assert not Demucs(folder=tmp_path).available()
    with pytest.raises(ValueError, match=r"no weights of 'htdemucs'.*adefossez/HTDemucs.*HarmonicPercussive"):
        Demucs(folder=tmp_path).analyse(band())
    (tmp_path / "htdemucs.yaml").write_text("models: ['gone']\n")
    (tmp_path / "other.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"names gone\.safetensors, which is not beside it"):
        Demucs(folder=tmp_path).analyse(band())


def test_best_available_is_a_separator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Demucs, "available", lambda self: False)
    assert best_available() == DrumSeparator()
    monkeypatch.setattr(Demucs, "available", lambda self: True)
    assert best_available() == Demucs()


def test_rest_is_the_sum_of_all_but_the_drums() -> None:
    parts = {name: Audio(torch.full((1, 4), value), RATE) for name, value in (("drums", 9.0), ("a", 1.0), ("b", 2.0))}
    stems = Stems(parts)
    assert stems.rest.samples.tolist() == [[3.0] * 4]
    assert np.isclose(float(stems.drums.samples.max()), 9.0)
