from __future__ import annotations

import collections
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from feature_extractors import signals
from feature_extractors.madmom import compat
from flowmusic.audio import Audio

ROOT = Path(__file__).resolve().parents[2]
needs_madmom = pytest.mark.skipif(not compat.available(), reason="the extra 'madmom' is not installed")


@given(st.integers(0, 200), st.integers(1, 40), st.integers(0, 50))
def test_windows_cover_everything_once(length: int, size: int, context: int) -> None:
    source = np.arange(length)
    kept = [source[read][keep] for read, keep, _ in signals.windows(length, size, context)]
    places = [place for _, _, place in signals.windows(length, size, context)]
    assert np.concatenate([np.zeros(0, int), *kept]).tolist() == source.tolist()
    assert all(len(part) == place.stop - place.start for part, place in zip(kept, places))


@given(st.integers(1, 500), st.integers(1, 8), st.integers(0, 4))
def test_frames_by_window_equal_the_whole(length: int, window: int, context: int) -> None:
    """A feature that looks one frame ahead and back."""
    hop = 10

    def analyse(samples: np.ndarray) -> np.ndarray:
        frames = np.array([part.sum() for part in np.split(samples, range(hop, len(samples), hop))])
        return np.convolve(np.pad(frames, 1), [1.0, 1.0, 1.0], "valid")

    samples = np.random.default_rng(0).random(length)
    whole = analyse(samples)
    cut = signals.frames_by_window(analyse, samples, hop, window * hop, (context + 1) * hop)
    assert cut == pytest.approx(whole)


def test_windows_must_fit_the_hop() -> None:
    with pytest.raises(ValueError, match="window 15 and context 0 must be multiples of the hop 10"):
        signals.frames_by_window(lambda x: x, np.zeros(10), 10, 15, 0)


def test_samples_are_mono_at_the_rate() -> None:
    audio = Audio(torch.stack([torch.full((800,), 0.2), torch.full((800,), 0.4)]), 8000)
    samples = signals.samples_of(audio, 16_000)
    assert samples.dtype == np.float32
    assert len(samples) == 1600
    assert samples[400:1200] == pytest.approx(np.full(800, 0.3), abs=1e-3)


def test_silence_is_judged_by_the_peak() -> None:
    assert signals.is_silent(np.zeros(10))
    assert signals.is_silent(np.zeros(0))
    assert signals.is_silent(np.full(10, 1e-4))
    assert not signals.is_silent(np.full(10, 1e-3))


def test_a_missing_madmom_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "available", lambda: False)
    with pytest.raises(ImportError, match=r"hearing chords needs .* `uv pip install '\.\[madmom\]'`.* or do without\."):
        compat.require("hearing chords", "do without")


@needs_madmom
def test_names_are_restored_and_nothing_stays_behind() -> None:
    compat.module("features.onsets")
    assert collections.MutableSequence is collections.abc.MutableSequence  # type: ignore[attr-defined]
    assert np.float is float  # type: ignore[attr-defined]
    assert "pkg_resources" not in sys.modules or sys.modules["pkg_resources"].__file__ is not None


@needs_madmom
def test_ragged_results_become_object_rows() -> None:
    decode = compat._as_object_row(lambda task: (np.arange(task), -1.5))
    rows = np.asarray([decode(3), decode(5)])
    assert rows[:, 1].tolist() == [-1.5, -1.5]
    path, _ = rows[1]
    assert path.tolist() == [0, 1, 2, 3, 4]


@needs_madmom
def test_the_licence_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    compat._load.cache_clear()
    with caplog.at_level(logging.WARNING):
        compat._load()
        compat._load()
        compat.module("features.onsets")
    said = [record for record in caplog.records if "CC BY-NC-SA" in record.getMessage()]
    assert len(said) == 1


def test_the_package_is_light() -> None:
    heavy = ("torch", "librosa", "madmom", "numpy")
    code = f"import sys, feature_extractors; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_exist() -> None:
    import feature_extractors

    for name in feature_extractors.__all__:
        assert getattr(feature_extractors, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'chord'"):
        _ = feature_extractors.chord
