from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowmusic.audio import Audio
from flowmusic.metrics.melody import Pitches, chroma_argmax, chroma_cos, melody_cos, melody_pc, melody_rpa, pitches_at

TIMES = np.arange(100) / 50
NOTES = [(0.0, 1.0, 60), (1.0, 1.5, 64)]


def line(midi: float) -> Pitches:
    return Pitches(TIMES, np.full(100, midi))


def tone(hz: float, seconds: float, rate: int = 32_000) -> torch.Tensor:
    return 0.3 * torch.sin(2 * np.pi * hz * torch.arange(round(seconds * rate)) / rate)


def test_requested_pitch_at_instants() -> None:
    assert pitches_at(NOTES, np.array([0.0, 0.99, 1.0, 1.49, 1.5])).tolist() == [60, 60, 64, 64, -1]
    assert pitches_at([(0.0, 1.0, 60), (0.0, 1.0, 67)], np.array([0.5])).tolist() == [67]


def test_perfect_is_one_in_any_octave() -> None:
    heard = pitches_at(NOTES, TIMES).astype(float)
    for octave in (-12, 0, 24):
        assert melody_pc(NOTES, Pitches(TIMES, np.where(heard >= 0, heard + octave, -1))) == 1.0
    assert melody_rpa(NOTES, Pitches(TIMES, heard)) == 1.0
    assert melody_rpa(NOTES, Pitches(TIMES, heard + 12)) == 0.0


def test_share_of_requested_frames() -> None:
    assert melody_pc(NOTES, line(60.0)) == pytest.approx(2 / 3)
    assert melody_pc(NOTES, line(64.3)) == pytest.approx(1 / 3)
    assert melody_pc(NOTES, line(-1.0)) == 0.0
    assert melody_rpa(NOTES, line(60.4)) == pytest.approx(2 / 3)
    assert melody_rpa(NOTES, line(60.6)) == 0.0


@pytest.mark.parametrize("score", [melody_pc, melody_rpa])
def test_no_requested_frame_is_nan_with_a_warning(score) -> None:
    with pytest.warns(UserWarning, match="no frame lies inside"):
        assert math.isnan(score([], line(60.0)))
    with pytest.warns(UserWarning, match="no frame lies inside"):
        assert math.isnan(score([(5.0, 6.0, 60)], line(60.0)))


@pytest.mark.parametrize("rate", [32_000, 44_100])
def test_chroma_of_a_tone(rate: int) -> None:
    audio = Audio(tone(440.0, 2.0, rate)[None], rate)
    assert set(chroma_argmax(audio)[1:-1]) == {9}
    assert melody_cos([(0.3, 1.7, 69)], audio) == 1.0
    assert melody_cos([(0.3, 1.7, 70)], audio) == 0.0


def test_silence_has_no_chroma() -> None:
    silent = Audio(torch.zeros(1, 32_000), 32_000)
    assert (chroma_argmax(silent) == -1).all()
    assert melody_cos([(0.0, 1.0, 69)], silent) == 0.0
    with pytest.warns(UserWarning, match="no frame is heard in both"):
        assert math.isnan(chroma_cos(silent, silent))


def test_chroma_cosine_of_two_recordings() -> None:
    a, c = Audio(tone(440.0, 2.0)[None], 32_000), Audio(tone(261.63, 2.0)[None], 32_000)
    assert chroma_cos(a, a) == 1.0
    assert chroma_cos(a, c) == chroma_cos(c, a) == 0.0
    assert chroma_argmax(Audio(torch.zeros(1, 0), 32_000)).tolist() == [-1]
