"""When a tempo is claimed, how sure it is, and the tempo of a drum loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from feature_extractors import Beats, extract, tempo
from feature_extractors.loop_tempo import loop_tempo
from flowmusic.audio import Audio
from flowmusic.controls.meter import parse_meter
from tests.feature_extractors.sounds import RATE, clicks, tone

FLUX = Beats("flux")


@given(st.floats(60.0, 200.0), st.integers(5, 40))
def test_tempo_of_quantised_beats(bpm: float, count: int) -> None:
    times = tuple(round(60.0 / bpm * n, 2) for n in range(count))
    assert tempo.tempo(times) == pytest.approx(bpm, rel=0.02)


def test_tempo_survives_a_missing_beat_and_needs_two() -> None:
    assert tempo.tempo((0.0, 0.5, 1.5, 2.0, 2.5)) == pytest.approx(120.0)
    assert tempo.tempo((0.7,)) is None
    assert tempo.tempo(()) is None


def test_more_even_and_surer_beats_are_a_surer_tempo() -> None:
    even = [0.5 * n for n in range(9)]
    uneven = [time + (0.1 if n % 3 == 1 else 0.0) for n, time in enumerate(even)]
    sure = [0.9] * 9
    whole = tempo.confidence(even, sure)
    assert whole == pytest.approx(0.9 * 8 / 12, abs=1e-3)
    assert tempo.confidence(even[:4], sure[:4]) < whole and tempo.confidence(uneven, sure) < 0.5 * whole
    assert tempo.confidence(even, [0.5] * 9) < whole and tempo.confidence(even, [0.5] * 9, chance=0.5) == 0.0
    assert tempo.confidence(even, [1.0] * 9, chance=0.5) == pytest.approx(8 / 12, abs=1e-3)


SOUNDS = {
    "half a second": clicks([0.0, 0.25], 0.5),
    "half a second of a long file": torch.cat([clicks([0.0, 0.25], 0.5), torch.zeros(6 * RATE)]),
    "a second at the end": torch.cat([torch.zeros(4 * RATE), clicks([0.0, 0.4, 0.8], 1.0)]),
    "three hits": clicks([0.0, 0.9, 1.8], 2.0),
}


@pytest.mark.parametrize("case", SOUNDS)
def test_too_little_sound_has_no_beats(case: str) -> None:
    found = FLUX.analyse(Audio(SOUNDS[case][None], RATE))
    assert (found.beats, found.downbeats, found.bpm, found.bpm_confidence) == ((), (), None, None)


def test_noise_and_a_held_tone_have_no_tempo() -> None:
    noise = 0.1 * torch.randn(8 * RATE, generator=torch.Generator().manual_seed(0))
    for sound in (noise, tone(60, 8.0)):
        found = FLUX.analyse(Audio(sound[None], RATE))
        assert found.bpm is None and found.bpm_confidence is None


def test_a_steady_beat_has_one_and_says_how_sure_it_is() -> None:
    quiet = torch.cat([torch.zeros(2 * RATE), clicks([0.5 * n for n in range(16)], 8.0), torch.zeros(2 * RATE)])
    found = extract(Audio(quiet[None], RATE), use=["beats"])
    assert found.beats is not None and found.beats.bpm == pytest.approx(120.0, abs=1.0)
    assert found.beats.bpm_confidence is not None and found.beats.bpm_confidence > 0.3
    assert all(1.8 < time < 10.2 for time in found.beats.beats)
    assert len(found.beats.beats) == len(found.beats.confidence)
    told = found.annotations
    assert (told.bpm, told.confidence["bpm"]) == (found.beats.bpm, found.beats.bpm_confidence)


def loop(times: list[float], seconds: float) -> np.ndarray:
    """Onset strength of hits.  Shape: ``[3, S]``."""
    strength = np.zeros((3, round(100 * seconds)), np.float32)
    strength[:, [int(100 * time + 1e-6) for time in times]] = 1.0
    return strength


def eighths(bpm: float, bars: int, meter: str = "4/4") -> tuple[np.ndarray, float]:
    """Bars of beats and their halves (thirds in 6/8), on the beat in all bands, and how long they last."""
    counted = parse_meter(meter)
    parts = 3 if counted.compound else 2
    step, hits = 60.0 / bpm / parts, parts * bars * counted.beats_per_bar
    strength = loop([step * n for n in range(hits)], step * hits)
    strength[:2, [int(100 * step * n + 1e-6) for n in range(hits) if n % parts]] = 0.0
    return strength, step * hits


@pytest.mark.parametrize(("own", "given_bpm"), [(100, 120), (100, 90), (84, 104), (140, 126), (174, 140), (90, 120)])
@pytest.mark.parametrize("bars", [2, 4])
def test_a_loop_of_another_tempo_contradicts(own: float, given_bpm: float, bars: int) -> None:
    found = loop_tempo(*eighths(own, bars), given_bpm, parse_meter("4/4"))
    assert found is not None and found.contradicts
    assert found.bpm == pytest.approx(own, rel=0.01)


@pytest.mark.parametrize(("own", "given_bpm"), [(120, 120), (100, 200), (170, 85), (93, 93.5)])
@pytest.mark.parametrize("bars", [1, 2, 4])
def test_the_same_half_and_double_time_do_not(own: float, given_bpm: float, bars: int) -> None:
    found = loop_tempo(*eighths(own, bars), given_bpm, parse_meter("4/4"))
    assert (found is None) == (bars == 1 and own > 160) and (found is None or not found.contradicts)


def test_a_compound_meter_divides_by_three() -> None:
    found = loop_tempo(*eighths(80, 2, "6/8"), 90, parse_meter("6/8"))
    assert found is not None and found.contradicts and found.bpm == pytest.approx(80, rel=0.01)
    found = loop_tempo(*eighths(90, 2, "6/8"), 90, parse_meter("6/8"))
    assert found is not None and not found.contradicts


def test_a_recording_that_is_no_loop() -> None:
    strength, _ = eighths(100, 4)
    found = loop_tempo(strength[:, :835], 8.35, 120, parse_meter("4/4"))
    assert found is not None and found.contradicts and found.bpm == pytest.approx(100, rel=0.01)


def test_too_little_of_a_loop_has_no_tempo() -> None:
    assert loop_tempo(*eighths(200, 1), 120, parse_meter("4/4")) is None  # 1.2 s
    assert loop_tempo(loop([0.0, 1.0, 2.0], 4.0), 4.0, 120, parse_meter("4/4")) is None
    assert loop_tempo(np.zeros((3, 500), np.float32), 5.0, 120, parse_meter("4/4")) is None
    scattered = loop(sorted(np.random.default_rng(0).uniform(0, 8, 40).tolist()), 8.0)
    found = loop_tempo(scattered, 8.0, 120, parse_meter("4/4"))
    assert found is not None and not found.contradicts
