"""Files as they are found: channels that cancel each other, files that break off, long ones that are read in part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from flowmusic import audio
from flowmusic.audio import Audio
from flowmusic.audio_files import AudioError, downmix_of, length_of, shortfall

RATE = 8_000


def music(seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    """A tone over soft noise.  Shape: ``[N]``."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0.0, 0.02, len(time))
    return (0.3 * np.sin(2 * np.pi * 440.0 * time) * (1.0 + np.sin(2 * np.pi * time)) / 2 + noise).astype(np.float32)


ONE, OTHER = music(), music(seed=1)[::-1].copy()
CHANNELS = {
    "alike": ([ONE, 0.5 * ONE], None, ""),
    "unrelated": ([ONE, OTHER], None, ""),
    "opposite": ([ONE, -ONE], 0, "cancel each other (correlation -1.00); channel 1, the louder, is used alone"),
    "nearly opposite": ([0.8 * ONE, -ONE + 0.1 * OTHER], 1, "channel 2, the louder"),
    "left silent": ([0.0 * ONE, ONE], 1, "channel 1 of its 2 is silent; channel 2 is used alone"),
    "left next to silent": ([1e-3 * OTHER, ONE], 1, "channel 1 of its 2 is silent"),
    "softly opposite": ([ONE, -0.1 * ONE], None, ""),
    "both silent": ([0.0 * ONE, 0.0 * ONE], None, ""),
    "one of four silent": ([ONE, OTHER, ONE[::-1], 0.0 * ONE], (0, 1, 2), "channel 4 of its 4 is silent"),
    "six unrelated": (list(np.random.default_rng(0).normal(0.0, 0.1, (6, len(ONE)))), None, ""),
}


@pytest.mark.parametrize(("channels", "used", "told"), CHANNELS.values(), ids=CHANNELS.keys())
def test_one_channel_of_several(channels: list[np.ndarray], used: int | None, told: str, tmp_path: Path) -> None:
    samples = np.stack(channels).astype(np.float32)
    kept = slice(None) if used is None else list(used) if isinstance(used, tuple) else [used]
    wanted = samples[kept].mean(0)
    batch = audio.mono(Audio(torch.from_numpy(np.stack([samples, samples])), RATE)).samples
    assert batch.shape == (2, 1, len(ONE))
    assert torch.equal(batch[1, 0], torch.from_numpy(wanted)) and torch.equal(batch[0], batch[1])
    soundfile.write(tmp_path / "a.wav", samples.T, RATE, subtype="FLOAT")
    # A part of a file has the channels of the whole.
    for start, seconds in ((0.0, None), (1.5, 0.5)):
        reading = audio.read_mono(tmp_path / "a.wav", start=start, seconds=seconds)
        first = round(start * RATE)
        assert torch.equal(reading.audio.samples[0], torch.from_numpy(wanted)[first:][: seconds and 4000])
        assert len(reading.notices) == bool(told) and told in "".join(reading.notices)


def test_channels_are_judged_by_the_beginning_of_a_file(tmp_path: Path) -> None:
    """Whoever reads a later part uses the channels of whoever read the whole, though they would be others there."""
    left = np.concatenate([np.tile(ONE, 20), np.tile(ONE, 5)])
    right = np.concatenate([np.tile(OTHER, 20), np.tile(-ONE, 5)])
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), RATE, subtype="FLOAT")
    assert downmix_of(tmp_path / "a.wav").used is None
    assert not audio.read_mono(tmp_path / "a.wav", start=61.0, seconds=3.0).audio.samples.any()


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    short = path.with_stem(f"{path.stem}-cut")
    short.write_bytes(data[: round(share * len(data))])
    return short


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.wav", {}),
        ("float.wav", {"subtype": "FLOAT"}),
        ("a.aiff", {}),
        ("a.w64", {}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("a.mp3", {}),
        ("constant.mp3", {"bitrate_mode": "CONSTANT", "compression_level": 0.5}),
    ],
)
def test_a_file_that_breaks_off_is_noticed(name: str, settings: dict, tmp_path: Path) -> None:
    path = tmp_path / name
    soundfile.write(path, np.tile(ONE, 4), RATE, **settings)
    assert shortfall(path) is None and audio.read_mono(path).notices == ()
    for share in (0.5, 0.9):
        reading = audio.read_mono(cut(path, share))
        assert len(reading.notices) == 1 and "it breaks off" in reading.notices[0]
        assert 0.3 * 12 < reading.audio.seconds < 11.5


def test_a_length_that_was_not_known_is_no_promise(tmp_path: Path) -> None:
    """Programs that write into a pipe leave the highest number in the header."""
    path = tmp_path / "a.wav"
    soundfile.write(path, ONE, RATE, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    assert shortfall(path) is None
    data[40:44] = (1_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    assert "promises 62.5 s, about 3.0 s are there" in str(shortfall(path))


def test_a_flac_file_that_does_not_say_its_length_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, ONE, RATE)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the 36 bits of STREAMINFO that count samples
    data[22:26] = bytes(4)
    path.write_bytes(data)
    reading = audio.read_mono(path)
    assert reading.notices == () and length_of(path) is None and 2.85 < reading.audio.seconds <= 3.0
    part = audio.read_mono(path, start=1.0, seconds=0.5).audio.samples
    assert torch.equal(part, reading.audio.samples[:, RATE : 3 * RATE // 2])


def test_nothing_is_read_of_a_damaged_file_as_if_it_were_whole(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", ONE, RATE)
    with pytest.raises(
        AudioError, match=r"cannot read .*a-cut.flac: it breaks off or is damaged after .* of its 3.0 s"
    ):
        audio.read(cut(tmp_path / "a.flac", 0.7))
    with pytest.raises(AudioError, match="a-cut"):
        audio.read_mono(cut(tmp_path / "a.flac", 0.02))


@pytest.mark.parametrize(
    ("gain", "subtype", "told"), [(20.0, "PCM_16", True), (20.0, "FLOAT", False), (0.9, "PCM_16", False)]
)
def test_clipping_is_said(gain: float, subtype: str, told: bool, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", gain * ONE, RATE, subtype=subtype)
    notices = audio.read_mono(tmp_path / "a.wav").notices
    assert len(notices) == told and all("clipped at full scale" in notice for notice in notices)


def test_minutes_of_vorbis_are_written(tmp_path: Path) -> None:
    """libsndfile ends the process where it is handed so much at once."""
    path = audio.write(Audio(torch.zeros(1, 480 * RATE), RATE), tmp_path / "a.ogg")
    assert length_of(path) == 480.0


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames libsndfile has decoded, call by call."""
    counts: list[int] = []
    real = soundfile.SoundFile.read

    def counting(self: soundfile.SoundFile, *args: object, **settings: object) -> np.ndarray:
        found: np.ndarray = real(self, *args, **settings)
        counts.append(len(found))
        return found

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    return counts


@pytest.mark.parametrize("name", ["long.wav", "long.flac", "long.mp3", "long.ogg"])
def test_of_a_long_file_a_taste_is_decoded(
    name: str, tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "STRETCHES", 5)
    monkeypatch.setattr(audio, "STRETCH_SECONDS", 2.0)
    soundfile.write(tmp_path / name, np.tile(ONE, 30), RATE)
    assert length_of(tmp_path / name) == pytest.approx(90.0, abs=0.1)
    stretches = audio.read_stretches(tmp_path / name)
    assert [start for start, _ in stretches] == pytest.approx([22.0 * n for n in range(5)], abs=0.1)
    assert all(reading.audio.seconds == pytest.approx(2.0, abs=0.1) for _, reading in stretches)
    assert sum(decoded) < 11 * RATE
    decoded.clear()
    audio.read_mono(tmp_path / name, start=70.0, seconds=3.0)
    assert sum(decoded) <= 3 * RATE + 1


def test_a_short_file_is_read_whole(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.tile(ONE, 50), RATE)
    ((start, reading),) = audio.read_stretches(tmp_path / "a.wav")
    assert start == 0.0 and reading.audio.seconds == 150.0
    with pytest.raises(AudioError, match="too short"):
        audio.read_stretches(tmp_path / "a.wav", min_seconds=200.0)


def test_stretches_end_with_a_file_that_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "STRETCH_SECONDS", 2.0)
    soundfile.write(tmp_path / "a.mp3", np.tile(ONE, 15), RATE)
    stretches = audio.read_stretches(cut(tmp_path / "a.mp3", 0.5))
    assert 4 <= len(stretches) <= 6 and "it breaks off" in stretches[0][1].notices[0]
