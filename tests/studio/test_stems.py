"""Stems sum to the mix, sample by sample, in every format that loses nothing, whatever a separator hands over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from feature_extractors.stems import Stems
from flowmusic.audio import Audio
from flowmusic.errors import UsageError
from flowmusic.studio import stems
from flowmusic.studio.stems import OTHER


class Wild:
    """A separator whose parts go far beyond full scale and do not sum to anything."""

    name, version = "wild", "1"

    def __init__(self, *names: str) -> None:
        self.names = names

    def analyse(self, audio: Audio) -> Stems:
        random = torch.Generator().manual_seed(1)
        shape = audio.samples.shape
        return Stems({name: Audio(3.0 * torch.randn(shape, generator=random), audio.rate) for name in self.names})


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize(("bits", "channels"), [(16, 1), (16, 2), (24, 2)])
@pytest.mark.parametrize("names", [("drums", "rest"), ("drums", "bass", "other", "vocals")])
def test_written_stems_sum_to_the_mix(
    suffix: str, bits: int, channels: int, names: tuple[str, ...], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    # A source at full scale, as it is written and read again.
    source = tmp_path / f"mix{suffix}"
    full = 1 << (bits - 1)
    whole = random.integers(-full, full, (channels, 3000))
    whole[:, :4] = [[-full, full - 1, 0, -1]] * channels
    stems.write(whole.astype(np.int32), 22_050, bits, source)
    assert stems.bits_of(source) == bits
    samples = soundfile.read(source, dtype="float32", always_2d=True)[0].T
    mix = stems.whole(samples, bits)
    assert np.array_equal(mix, whole)
    parts = stems.separated(Audio(torch.from_numpy(samples), 22_050), mix, bits, Wild(*names))
    assert list(parts) == sorted((OTHER if name == "rest" else name for name in names), key=stems.ORDER.index)
    total = np.zeros((3000, channels), np.int64)
    for name, part in parts.items():
        path = stems.write(part, 22_050, bits, tmp_path / f"{name}{suffix}")
        info = soundfile.info(path)
        assert (info.frames, info.channels, info.samplerate, info.subtype) == (3000, channels, 22_050, f"PCM_{bits}")
        total += soundfile.read(path, dtype="int32", always_2d=True)[0] >> (32 - bits)
    assert np.array_equal(total, whole.T)


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_U8", 16), ("PCM_16", 16), ("PCM_24", 24), ("FLOAT", 24)])
def test_bits_hold_what_a_file_has(subtype: str, bits: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 8000, subtype=subtype)
    assert stems.bits_of(tmp_path / "a.wav") == bits


def test_separators(monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_extractors.demucs_stems import Demucs

    monkeypatch.setattr(Demucs, "available", lambda self: False)
    assert stems.separator_of(None).name == stems.separator_of("ours").name == "stems-ours"
    with pytest.raises(UsageError, match=r"HTDemucs are not on this machine.*--separator ours"):
        stems.separator_of("demucs")
    monkeypatch.setattr(Demucs, "available", lambda self: True)
    assert stems.separator_of(None).name == stems.separator_of("demucs").name == "stems-demucs"
