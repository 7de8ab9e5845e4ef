"""A mark: how far it lies below the music, block by block as at once, and found after what happens to a file."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from flowmusic.audio_files import AudioError
from flowmusic.watermark import detect, telling
from flowmusic.watermark.embed import Marker, embed
from flowmusic.watermark.pattern import IDS, KEY, codebook, pattern

RATE, IDENT = 32_000, 0xB0A7
Sound = NDArray[np.float64]


def tune(seconds: float, seed: int, rate: int = RATE, channels: int = 1) -> Sound:
    """Plucked notes of a few partials over a noise floor: ``[C, N]``."""
    generator = np.random.default_rng(seed)
    out = np.zeros((channels, round(seconds * rate)))
    for start in range(0, out.shape[1], rate // 4):
        time = np.arange(min(rate, out.shape[1] - start)) / rate
        pitch = 2.0 * math.pi * 110.0 * 2.0 ** (generator.integers(0, 30) / 12.0)
        # Partials of a saw tooth up to 7.5 kHz, by the sum of a geometric series: Im(sum of (q z)^k).
        ratio = 0.85 * np.exp(1j * pitch * time)
        count = int(7500.0 * 2.0 * math.pi / pitch)
        voice = ((ratio - ratio ** (count + 1)) / (1.0 - ratio)).imag * np.exp(-4.0 * time)
        out[:, start : start + len(time)] += generator.uniform(0.5, 1.0, (channels, 1)) * voice
    out += 0.002 * generator.standard_normal(out.shape)
    return 0.6 * out / np.abs(out).max()


@pytest.fixture(scope="module")
def plain() -> Sound:
    return tune(8.0, 1)


@pytest.fixture(scope="module")
def marked(plain: Sound) -> Sound:
    return embed(plain, RATE, IDENT)


def distance(plain: Sound, marked: Sound) -> float:
    return 10.0 * math.log10(float((plain**2).sum()) / float(((marked - plain) ** 2).sum()))


@pytest.mark.parametrize(("rate", "channels"), [(32_000, 1), (44_100, 2)])
def test_it_lies_35_db_below_and_is_found(rate: int, channels: int) -> None:
    plain = tune(5.2, 2, rate, channels)
    marked = embed(plain, rate, 7)
    assert marked.shape == plain.shape and distance(plain, marked) >= 35.0
    found = detect.of_samples(marked, rate)
    assert found.found and list(found.marks) == [7]
    assert not detect.of_samples(plain, rate).found and not detect.of_samples(marked, rate, "another key").found
    # The edges, where a loop begins again, are as they were.
    assert np.abs((marked - plain)[:, [0, -1]]).max() < 1e-3 * np.abs(marked - plain).max() + 1e-5


@pytest.mark.parametrize("sizes", [(1, 70_001, 5, 999_999), (4096,) * 99, (RATE,) * 9])
def test_blocks_give_what_the_whole_gives(sizes: tuple[int, ...], plain: Sound, marked: Sound) -> None:
    marker, parts, place = Marker(RATE, IDENT), [], 0
    for size in sizes:
        parts.append(marker.push(plain[:, place : place + size]))
        place += size
    joined = np.concatenate([*parts, marker.rest()], 1)
    assert joined.shape == plain.shape and np.abs(joined - marked).max() < 1e-12


@pytest.mark.parametrize("length", [0, 1, 100, 1000, 3000])
def test_what_is_short_or_silent_stays_as_long_as_it_is(length: int) -> None:
    silence = np.zeros((2, length))
    assert np.array_equal(embed(silence, RATE, 1), silence)
    noise = np.random.default_rng(0).standard_normal((2, length))
    assert embed(noise, RATE, 1).shape == noise.shape


def _coded(samples: Sound, form: str, kind: str) -> Sound:
    file = io.BytesIO()
    soundfile.write(file, samples.T, RATE, format=form, subtype=kind, compression_level=0.9)
    file.seek(0)
    return np.asarray(soundfile.read(file, always_2d=True)[0].T)


TREATMENTS: dict[str, Callable[[Sound], Sound]] = {
    "five seconds": lambda x: x[:, 41_234 : 41_234 + 5 * RATE],
    "softer": lambda x: 0.05 * x,
    "noise": lambda x: x + 0.1 * x.std() * np.random.default_rng(3).standard_normal(x.shape),
    "22.05 kHz": lambda x: soxr.resample(soxr.resample(x.T, RATE, 22_050), 22_050, RATE).T,
    "faster": lambda x: soxr.resample(x.T, 51, 50).T,
    "slower": lambda x: soxr.resample(x.T, 49, 50).T,
    "ogg": lambda x: _coded(x, "OGG", "VORBIS"),
    "mp3": lambda x: _coded(x, "MP3", "MPEG_LAYER_III"),
}


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_it_is_found_after(treatment: str, marked: Sound) -> None:
    found = detect.of_samples(TREATMENTS[treatment](marked), RATE)
    assert found.best.ident == IDENT and found.found
    assert abs(found.best.speed - {"faster": 50 / 51, "slower": 50 / 49}.get(treatment, 1.0) ** -1) < 0.005


def test_marks_of_one_file_are_told_apart(tmp_path: Path) -> None:
    parts = [embed(tune(12.0, 4, 16_000), 16_000, 1), tune(8.0, 5, 16_000), embed(tune(12.0, 6, 16_000), 16_000, 2)]
    file = tmp_path / "both.flac"
    soundfile.write(file, np.concatenate(parts, 1).T, 16_000)
    found = telling.plain(detect.detect(file), file)
    where = {each["id"]: each["parts"] for each in found["marks"]}
    assert found["file"] == "both.flac" and found["found"] and set(where) == {"0001", "0002"}
    (first,), (last,) = where["0001"], where["0002"]
    assert first[0] == 0.0 and first[1] < 23.0 and last[0] > 9.0 and last[1] > 30.5


def test_single_trials_of_unmarked_music_stay_below_the_bound() -> None:
    scores = np.concatenate(
        [detect.trials(tune(5.0, seed, detect.RATE).T.astype(np.float32), f"key {seed}") for seed in range(3)]
    )
    assert len(scores) > 15_000 and abs(scores.mean()) < 0.2 and 0.7 < scores.std() < 1.1
    for limit in (2.0, 3.0, 4.0):
        assert (scores > limit).mean() <= detect.bound(limit, 1) and (scores > limit).mean() < 5.0 * math.exp(
            -0.5 * limit**2
        )


def test_the_id_is_a_code_word() -> None:
    words = codebook()[[0, 1, 2, 77, 65_535]].astype(int)
    apart = (64 - words @ words.T) // 2
    assert len(codebook()) == IDS and (apart + 64 * np.eye(5, dtype=int)).min() >= 24
    marks = pattern(KEY)
    assert abs(float(marks.signs.mean())) < 0.05 and np.bincount(marks.bits[marks.bits >= 0]).min() >= 40


def test_what_is_too_short_is_refused() -> None:
    with pytest.raises(AudioError, match=r"lasts 1\.00 s, which is too short .* give at least 2 s"):
        detect.of_samples(tune(1.0, 1), RATE)
