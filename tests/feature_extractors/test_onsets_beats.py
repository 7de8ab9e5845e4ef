from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_extractors import Beats, Onsets, beats, flux, pulse
from feature_extractors.madmom import compat
from flowmusic.audio import Audio
from flowmusic.controls import beats as beat_control
from flowmusic.types import FrameGrid
from tests.feature_extractors.sounds import RATE, clicks, tone

needs_madmom = pytest.mark.skipif(not compat.available(), reason="the extra 'madmom' is not installed")
DETECTORS = pytest.mark.parametrize("detector", [pytest.param("madmom", marks=needs_madmom), "flux"])
TIMES = [0.5 * n for n in range(12)]


@pytest.fixture(scope="module")
def track() -> Audio:
    """Six seconds of clicks at 120 bpm, the first of each four stronger."""
    return Audio(clicks(TIMES, 6.0)[None], RATE)


@DETECTORS
def test_a_click_track_gives_its_onsets(track: Audio, detector: str) -> None:
    found = Onsets(detector).analyse(track)
    # madmom hears a click out of silence two frames of 10 ms early.
    assert found.times == pytest.approx(TIMES, abs=0.03)
    assert len(found.strengths) == len(found.times)


@DETECTORS
def test_irregular_clicks_are_found(detector: str) -> None:
    times = [0.21, 0.37, 0.9, 1.02, 1.77]
    assert Onsets(detector).analyse(Audio(clicks(times, 2.2)[None], RATE)).times == pytest.approx(times, abs=0.03)


@DETECTORS
def test_onsets_do_not_depend_on_level_or_polarity(track: Audio, detector: str) -> None:
    plain = Onsets(detector).analyse(track).times
    for factor in (-1.0, 0.3):
        assert Onsets(detector).analyse(Audio(factor * track.samples, RATE)).times == pytest.approx(plain, abs=0.011)


@DETECTORS
def test_a_held_tone_has_one_onset(detector: str) -> None:
    audio = Audio(torch.cat([torch.zeros(RATE // 2), tone(60, 1.5)])[None], RATE)
    assert Onsets(detector).analyse(audio).times == pytest.approx([0.5], abs=0.03)


@DETECTORS
def test_a_click_track_gives_its_beats(track: Audio, detector: str) -> None:
    found = Beats(detector).analyse(track)
    assert found.bpm == pytest.approx(120.0, abs=1.0)
    # A tracker may leave out the first or last beat, or go on to the end.
    wanted = [t for t in TIMES if 0.4 < t < 5.4]
    inside = [t for t in found.beats if 0.4 < t < 5.4]
    assert inside == pytest.approx(wanted, abs=0.03)
    assert set(found.downbeats) <= set(found.beats)


def test_strong_thumps_are_downbeats(track: Audio) -> None:
    downbeats = Beats("flux").analyse(track).downbeats
    assert downbeats == pytest.approx([t for t in TIMES if t % 2 == 0][: len(downbeats)], abs=0.03)


def test_beats_become_phases(track: Audio) -> None:
    grid = FrameGrid.of_seconds(6.0, 25)
    values = Beats("flux")(track, grid)
    assert bool(values.known.all())
    assert beat_control.tempo(values) == pytest.approx(120.0, abs=1.0)


@pytest.mark.parametrize("bpm", [70.0, 96.0, 120.0, 150.0, 160.0])
def test_period_of_an_impulse_train(bpm: float) -> None:
    strength = np.zeros(1000)
    strength[np.round(np.arange(0, 1000, 6000 / bpm)).astype(int)[:-1]] = 1.0
    found = pulse.period(np.convolve(strength, [0.5, 1.0, 0.5], "same"), 100.0, 55.0, 215.0)
    assert found == pytest.approx(6000 / bpm, rel=0.03)


def test_period_of_nothing_is_none() -> None:
    assert pulse.period(np.zeros(1000), 100.0, 55.0, 215.0) is None
    assert pulse.period(np.ones(10), 100.0, 55.0, 215.0) is None
    assert pulse.beats(np.zeros(50), 50.0).tolist() == []


def test_seams_of_windows_give_no_double_beats() -> None:
    rows = np.array([[0.5, 1], [1.0, 2], [1.02, 2], [1.5, 3]])
    assert beats._without_doubles(rows, 0.14)[:, 0].tolist() == [0.5, 1.0, 1.5]


@needs_madmom
def test_decoding_in_windows_changes_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = Audio(clicks([0.5 * n for n in range(16)], 8.0)[None], RATE)
    whole = Beats("madmom").analyse(audio).beats
    monkeypatch.setattr(beats, "_WINDOW_S", 4)
    monkeypatch.setattr(beats, "_OVERLAP_S", 3)
    assert Beats("madmom").analyse(audio).beats == pytest.approx(whole, abs=0.03)


def test_flux_peaks_stand_out_and_keep_their_distance() -> None:
    strength = np.zeros(100)
    strength[[20, 22, 50]] = [1.0, 0.9, 0.5]
    times, heights = flux.peaks(strength, 0.1, 0.03)
    assert times == pytest.approx(np.array([0.2, 0.5]) + flux.OFFSET_S)
    assert heights.tolist() == [1.0, 0.5]
    assert flux.peaks(np.zeros(0), 0.1, 0.03)[0].tolist() == []


def test_unknown_detectors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'aubio'; choose one of madmom, flux, drums"):
        Onsets("aubio")
    with pytest.raises(ValueError, match=r"'aubio'; choose madmom or flux"):
        Beats("aubio")
    with pytest.raises(ValueError, match=r"200.*100"):
        Beats(min_bpm=200.0, max_bpm=100.0)
    with pytest.raises(ValueError, match="beats_per_bar"):
        Beats(beats_per_bar=())


def test_without_madmom_the_defaults_fall_back(monkeypatch: pytest.MonkeyPatch, track: Audio) -> None:
    from feature_extractors import Chords, Extractors, extract

    monkeypatch.setattr(compat, "available", lambda: False)
    assert (Onsets().resolved(), Beats().resolved()) == ("flux", "flux")
    for extractor in (Chords("madmom"), Onsets("madmom"), Beats("madmom")):
        with pytest.raises(compat.MissingMadmom, match=r"uv pip install '\.\[madmom\]'"):
            extractor.analyse(track)
    found = extract(track, use=["chords", "beats"])
    assert found.chords is not None and found.beats is not None
    assert found.notices == ()
    chosen = extract(track, Extractors(chords=Chords("madmom")), use=["chords", "beats"])
    assert chosen.chords is None and chosen.beats is not None
    assert "madmom" in chosen.notices[0]
