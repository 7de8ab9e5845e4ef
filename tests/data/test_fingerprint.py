"""Fingerprints survive what people do to files, and tell different music apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import soxr

from flowmusic.datasets import fingerprint
from tests.data.music import RATE, piece


def coded(samples: np.ndarray, rate: int, kind: str, subtype: str) -> tuple[np.ndarray, int]:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype, compression_level=0.9)
    file.seek(0)
    return soundfile.read(file, dtype="float32")


COPIES = {
    "quieter": lambda x: (x * np.float32(0.1), RATE),
    "cut at the start": lambda x: (x[round(0.73 * RATE) :], RATE),
    "mp3": lambda x: coded(x, RATE, "MP3", "MPEG_LAYER_III"),
    "ogg at a lower rate": lambda x: coded(soxr.resample(x, RATE, 11_025), 11_025, "OGG", "VORBIS"),
    "all of it": lambda x: coded(x[round(0.41 * RATE) :] * np.float32(0.3), RATE, "MP3", "MPEG_LAYER_III"),
}


@pytest.fixture(scope="module")
def originals() -> list[np.ndarray]:
    return [piece(seed) for seed in range(6)]


def test_copies_are_found_and_other_pieces_are_not(originals: list[np.ndarray]) -> None:
    prints = [fingerprint.words(samples, RATE) for samples in originals]
    copies = [fingerprint.words(*copy(originals[k])) for k, copy in enumerate(COPIES.values())]
    found = {(pair.first, pair.second) for pair in fingerprint.pairs([*prints, *copies])}
    assert found == {(k, len(prints) + k) for k in range(len(COPIES))}


def test_different_pieces_differ_in_a_half_of_the_bits(originals: list[np.ndarray]) -> None:
    first, second = (fingerprint.words(samples, RATE) for samples in originals[:2])
    assert fingerprint.difference(first, first, 0) == 0.0
    assert 0.4 < fingerprint.difference(first, second, 0) < 0.6


def test_an_overlap_that_is_too_small_tells_nothing(originals: list[np.ndarray]) -> None:
    words = fingerprint.words(originals[0], RATE)
    assert fingerprint.difference(words, words[-30:], len(words) - 30) == 0.0
    assert fingerprint.difference(words, words, len(words) - 30) == 1.0  # less than half
    assert fingerprint.difference(words, words[:10], 0) == 1.0


def test_what_is_shorter_than_a_window_has_no_words() -> None:
    assert len(fingerprint.words(np.zeros(4000, np.float32), RATE)) == 0
    assert fingerprint.pairs([np.zeros(0, np.uint32)] * 2) == []


def test_words_that_everything_has_are_no_candidates() -> None:
    same = [np.zeros(100, np.uint32) for _ in range(3)]
    assert fingerprint.pairs(same) == []
