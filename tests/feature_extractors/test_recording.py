"""What level, polarity, channels, noise and length may change in what is heard: nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from feature_extractors import Beats, Drums, DrumSeparator, Extractors, HarmonicPercussive, extract, rows, survivors
from feature_extractors.networks import drum_net
from feature_extractors.recording import Recording, is_noise, level_of
from feature_extractors.stems import separated
from flowmusic.audio import Audio
from flowmusic.evaluate.detectors import default_listeners
from tests.feature_extractors.conftest import Song
from tests.feature_extractors.sounds import RATE, band

OURS = Extractors(drums=Drums(stems=DrumSeparator()), beats=Beats("flux"))


def heard(sound: Audio | Recording, extractors: Extractors = OURS) -> dict[str, object]:
    """All that becomes of a recording: what controls.json holds, and the drum control."""
    found = extract(sound, extractors)
    assert found.drums is not None
    return {**vars(found.annotations), "strength": np.round(found.drums.strength, 3).tolist()}


@pytest.fixture(scope="module")
def song(songs: list[Song]) -> torch.Tensor:
    return songs[0].mix


@pytest.fixture(scope="module")
def plain(song: torch.Tensor) -> dict[str, object]:
    return heard(Audio(song[None], RATE))


@pytest.mark.parametrize("gain", [-1.0, 2.0**-10, 10.0], ids=["polarity", "-60 dB", "+20 dB"])
def test_level_and_polarity_change_nothing(gain: float, song: torch.Tensor, plain: dict[str, object]) -> None:
    assert heard(Audio(gain * song[None], RATE)) == plain


def test_a_soft_file_of_16_bits_is_heard_nearly_as_well(
    song: torch.Tensor, plain: dict[str, object], tmp_path: Path
) -> None:
    """At -46 dB what is lost is in the rounding: 5 % of the melody at most, and no chord."""
    soundfile.write(tmp_path / "a.wav", 0.005 * song.numpy(), RATE, subtype="PCM_16")
    soft = heard(Recording.read(tmp_path / "a.wav"))
    assert [label for *_, label in soft["chords"]] == [label for *_, label in plain["chords"]]  # type: ignore[attr-defined]
    frames = (np.arange(250) + 0.5) / 50
    lines = [np.zeros(250, int), np.zeros(250, int)]
    for line, found in zip(lines, (plain, soft), strict=True):
        for start, end, midi in found["melody"]:  # type: ignore[attr-defined]
            line[(frames >= start) & (frames < end)] = midi
    assert (lines[0] != lines[1]).mean() < 0.05 and lines[0].any()


@pytest.mark.parametrize("other", [-1.0, 0.0], ids=["opposite", "silent"])
def test_a_channel_that_is_opposite_or_silent(other: float, song: torch.Tensor, tmp_path: Path) -> None:
    samples = torch.stack([song, other * song])
    wanted = Recording.of(Audio(song[None], RATE)).at(RATE)
    assert np.array_equal(Recording.of(Audio(samples, RATE)).at(RATE), wanted)
    soundfile.write(tmp_path / "a.wav", samples.T.numpy(), RATE, subtype="FLOAT")
    found = Recording.read(tmp_path / "a.wav")
    assert np.array_equal(found.at(RATE), wanted)
    assert len(found.notices) == 1 and "channel 1" in found.notices[0] and "alone" in found.notices[0]


def coloured(power: float, count: int, seed: int = 0) -> torch.Tensor:
    """Noise whose power falls with that power of frequency, at an RMS of 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** (power / 2)
    noise = np.fft.irfft(spectrum, count)
    return torch.from_numpy(noise / noise.std()).float()


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0], ids=["white", "pink", "brown"])
@pytest.mark.parametrize("level_db", [-45.0, -90.0])
def test_soft_hiss_is_silence(power: float, level_db: float) -> None:
    hiss = 10 ** (level_db / 20) * coloured(power, 3 * RATE)
    found = extract(Audio(hiss[None], RATE), OURS)
    assert found.melody is not None and found.drums is not None and found.beats is not None and found.chords is not None
    assert found.melody.notes == () and found.drums.onsets == () and found.beats.beats == ()
    assert found.chords.changes == ((0.0, 3.0, "N"),)
    assert "nothing to hear" in found.notices[-1]
    ears = default_listeners()
    assert ears["melody"] is not None and (ears["melody"](Audio(hiss[None], RATE)).midi == -1).all()


def test_dither_is_silence_and_soft_music_in_hiss_is_not(song: torch.Tensor) -> None:
    rng = np.random.default_rng(0)
    step = 2.0**-15
    dither = step * np.round(rng.random(RATE) - rng.random(RATE))
    assert level_of(dither.astype(np.float32), RATE) == 0.0
    mixed = 1e-3 * song + 1e-5 * coloured(1.0, len(song))
    assert extract(Audio(mixed[None], RATE), OURS, ["melody"]).melody.notes  # type: ignore[union-attr]


def test_noise_is_told_from_music(songs: list[Song]) -> None:
    assert all(is_noise(coloured(power, 2 * RATE, 3).numpy(), RATE) for power in (0.0, 1.0, 2.0))
    assert not any(is_noise(part.numpy(), RATE) for song in songs for part in (song.mix, song.drums))
    assert not is_noise(np.zeros(RATE, np.float32), RATE) and not is_noise(np.zeros(3, np.float32), RATE)


def test_drums_come_back_at_their_own_level(song: torch.Tensor, tmp_path: Path) -> None:
    loud, soft = (extract(Audio(gain * song[None], RATE), OURS, ["drums"]) for gain in (1.0, -(2.0**-10)))
    assert loud.drum_stem is not None and soft.drum_stem is not None and soft.stem is not None
    assert torch.allclose(soft.drum_stem.samples * -(2.0**10), loud.drum_stem.samples, atol=1e-6)
    # In a file of 16 bits little would be left of it.
    soft.stem.write(tmp_path / "drums.wav")
    written = Audio.read(tmp_path / "drums.wav").samples
    assert 0.1 < float(written.abs().max() / loud.drum_stem.samples.abs().max()) < 10.0
    assert float((written * soft.drum_stem.samples).sum()) > 0.0


def test_what_lies_on_disk_is_heard_as_what_lies_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of 16 kB makes a long recording of two and a half seconds."""
    soundfile.write(tmp_path / "a.wav", band(44_100).samples[0].numpy(), 44_100, subtype="FLOAT")
    whole = heard(Recording.read(tmp_path / "a.wav"))
    kept: list[rows.Rows] = []
    real = rows.Gathering.rows

    def watched(self: rows.Gathering) -> rows.Rows:
        kept.append(real(self))
        return kept[-1]

    monkeypatch.setattr(rows.Gathering, "rows", watched)
    monkeypatch.setattr(rows, "MEMORY_BYTES", 1 << 14)
    monkeypatch.setattr(rows, "BLOCK", 10_000)
    monkeypatch.setattr(survivors, "LEAST", 20)
    pieces = heard(Recording.read(tmp_path / "a.wav", scratch=tmp_path))
    assert sum(isinstance(each, rows.Stored) for each in kept) >= 5
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    strengths = [np.array(each.pop("strength")) for each in (whole, pieces)]
    assert whole == pieces
    assert ((strengths[0] > 0) == (strengths[1] > 0)).all() and np.abs(strengths[0] - strengths[1]).max() < 0.02


@pytest.mark.parametrize("separator", [HarmonicPercussive(), DrumSeparator()], ids=["hpss", "ours"])
def test_stems_made_in_pieces_are_those_of_the_whole(
    separator: HarmonicPercussive | DrumSeparator, song: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording.of(Audio(song[None], RATE))
    whole = separated(separator, recording)
    on_disk = Recording(rows.Joined([recording.rows]), RATE, recording.level)
    pieces = separated(separator, on_disk)
    for name in ("drums", "rest"):
        one, other = (getattr(stems, name).at(RATE)[:] for stems in (whole, pieces))
        assert len(one) == len(other) and np.abs(one - other).max() < 1e-4 * np.abs(one).max()


def test_any_separator_works_in_windows(song: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    class Half:
        name, version = "half", "1"

        def analyse(self, audio: Audio) -> object:
            lengths.append(audio.seconds)
            return type("Stems", (), {"drums": Audio(0.5 * audio.samples, audio.rate), "rest": audio})

    lengths: list[float] = []
    monkeypatch.setattr("feature_extractors.stems.WINDOW_S", 2)
    monkeypatch.setattr("feature_extractors.stems.CONTEXT_S", 1)
    recording = Recording(rows.Joined([song.numpy()]), RATE)
    found = separated(Half(), recording, ["drums"])  # type: ignore[arg-type]
    assert max(lengths) == 4.0 and np.array_equal(found.drums.at(RATE)[:], 0.5 * song.numpy())
    assert list(found.parts) == ["drums"]


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_settled_survivors_are_the_best_path(steps: int, least: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    back = [rng.integers(0, 4, 4) for _ in range(steps)]
    last = int(rng.integers(4))
    path = [last]
    for came_from in reversed(back):
        path.append(int(came_from[path[-1]]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survivors, "LEAST", least)
        found = survivors.Survivors()
        for came_from in back:
            found.add(came_from)
        assert found.path(last).tolist() == path[::-1]


def test_a_search_keeps_little_of_its_past() -> None:
    rng = np.random.default_rng(0)
    kept = survivors.Survivors()
    score = np.zeros(20)
    for _ in range(40_000):
        best = int(score.argmax())
        kept.add(np.where(score >= score[best] - 4.0, np.arange(20), best))
        score = np.maximum(score, score[best] - 4.0) + rng.normal(size=20)
    assert len(kept._back) < 2 * survivors.LEAST


@given(st.lists(st.floats(0, 10), min_size=1, max_size=8), st.lists(st.floats(-1, 11), max_size=8))
def test_the_nearest_time_is_found_without_comparing_all(times: list[float], at: list[float]) -> None:
    ascending, places = np.sort(times), np.array(at)
    found = drum_net.nearest_of(ascending, places)
    distances = np.abs(places[:, None] - ascending[None])
    assert np.abs(found - places) == pytest.approx(distances.min(1))


def test_rows_that_do_not_fit_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MEMORY_BYTES", 100)
    parts = [np.arange(12.0, dtype=np.float32).reshape(4, 3) + 12 * n for n in range(5)]
    stored = rows.gathered(parts, tmp_path)
    whole = np.concatenate(parts)
    assert isinstance(stored, rows.Stored) and len(stored) == 20 and not list(tmp_path.iterdir())
    for which in (slice(None), slice(3, 9), slice(-2, None), slice(5, 5), slice(18, 99), slice(1, 9, 3)):
        assert np.array_equal(stored[which], whole[which])
        assert np.array_equal(rows.Joined([whole[:7], stored])[which], np.concatenate([whole[:7], whole])[which])
        assert np.array_equal(rows.Scaled(stored, 2.0)[which], 2 * whole[which])
    assert (
        rows.peak(stored) == 59.0
        and rows.power(whole[:0, 0]) == 0.0
        and rows.power(whole[:, 0]) == np.mean(whole[:, 0] ** 2)
    )


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rows.tempfile, "TemporaryFile", full)
    monkeypatch.setattr(rows, "MEMORY_BYTES", 100)
    with pytest.raises(OSError, match=r"no room in .* for what a long recording needs .*; make room there"):
        rows.gathered([np.zeros(1000, np.float32)], tmp_path)
