from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from feature_extractors import Melody, pitch
from flowmusic.audio import Audio
from flowmusic.types import FrameGrid
from tests.feature_extractors.sounds import RATE, band, tone

MODELS = pytest.mark.parametrize("model", ["tiny", "harmonic"])


def test_the_bins_are_crepes() -> None:
    assert pitch.BIN_HZ[0] == pytest.approx(31.70, abs=0.01)
    assert np.diff(pitch.BIN_MIDI) == pytest.approx(np.full(359, 0.2))


@MODELS
@pytest.mark.parametrize("midi", [58, 64, 69, 76, 83])
def test_a_tone_lands_in_its_bin(model: str, midi: int) -> None:
    audio = Audio(tone(midi, 1.0)[None], RATE)
    found = Melody(model=model).analyse(audio)
    middle = slice(5, -5)
    assert found.midi[middle] == pytest.approx(np.full(len(found.midi[middle]), midi), abs=0.3)
    assert (found.salience[middle].argmax(1) == midi - 43).all()
    assert [note[2] for note in found.notes] == [midi]
    track = Melody(model=model)(audio, FrameGrid.of_seconds(1.0, 25))
    assert (track.values[2:-2].argmax(-1) == midi - 43).all()


@MODELS
def test_two_notes_with_clicks_are_told_apart(model: str) -> None:
    notes = Melody(model=model).analyse(band()).notes
    assert [note[2] for note in notes] == [72, 69]
    assert notes[0][1] == pytest.approx(1.25, abs=0.06)
    assert notes[1][0] == pytest.approx(1.25, abs=0.06)


@MODELS
def test_gain_and_polarity_change_nothing(model: str) -> None:
    audio = band()
    plain = Melody(model=model).analyse(audio)
    for factor in (-1.0, 0.25):
        other = Melody(model=model).analyse(Audio(factor * audio.samples, RATE))
        assert np.rint(other.midi) == pytest.approx(np.rint(plain.midi))


def test_the_range_is_kept_even_by_noise() -> None:
    noise = Audio(0.3 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(1)), RATE)
    found = Melody(fmin_hz=300.0, fmax_hz=600.0).analyse(noise)
    assert (found.pitch >= pitch.hz_to_midi(300.0) - 1.0).all()
    assert (found.pitch <= pitch.hz_to_midi(600.0) + 1.0).all()


def test_humming_off_pitch_is_tuned() -> None:
    """A singer 40 cents flat still means the scale."""
    audio = Audio(torch.cat([tone(m - 0.4, 0.6) for m in (60, 62, 64)])[None], RATE)
    assert [note[2] for note in Melody.monophonic().analyse(audio).notes] == [60, 62, 64]


def test_a_low_voice_is_found_by_the_monophonic_settings() -> None:
    audio = Audio(tone(45, 1.0)[None], RATE)
    assert [note[2] for note in Melody.monophonic().analyse(audio).notes] == [45]


def test_a_pause_is_unvoiced_but_not_unknown() -> None:
    audio = Audio(torch.cat([tone(72, 0.5), torch.zeros(RATE // 2), tone(72, 0.5)])[None], RATE)
    track = Melody()(audio, FrameGrid(25, 37))
    assert bool(track.known.all())
    assert not bool(track.values[15:23].any())
    assert bool(track.values[3:10].any(-1).all())


def test_windows_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Melody().analyse(band())
    monkeypatch.setattr("feature_extractors.melody._BLOCK_FRAMES", 37)
    cut = Melody().analyse(band())
    # The convolution of a block of another size may add in another order.
    assert cut.salience == pytest.approx(whole.salience, abs=1e-5)
    assert cut.notes == whole.notes


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'huge'; choose one of harmonic, tiny, full"):
        Melody(model="huge")
    with pytest.raises(ValueError, match=r"fmin_hz=900.*fmax_hz=300"):
        Melody(fmin_hz=900.0, fmax_hz=300.0)
    with pytest.raises(ValueError, match="hop_s"):
        Melody(hop_s=0.0)


@given(st.integers(0, 39), st.integers(1, 30))
def test_viterbi_follows_certain_evidence(state: int, frames: int) -> None:
    salience = np.zeros((frames, 40))
    salience[:, state] = 1.0
    assert (pitch.viterbi(salience) == state).all()


def test_viterbi_bridges_one_bad_frame_and_follows_a_leap() -> None:
    salience = np.full((20, 60), 0.01)
    salience[:10, 5] = 1.0
    salience[10:, 50] = 1.0
    salience[4, 5], salience[4, 30] = 0.3, 0.5
    assert pitch.viterbi(salience).tolist() == [5] * 10 + [50] * 10


def test_viterbi_has_no_favourite_without_evidence() -> None:
    """The library's own decoder runs to the top bin here."""
    rng = np.random.default_rng(0)
    path = pitch.viterbi(0.2 + 0.05 * rng.random((300, 160)))
    assert 5 < path.mean() < 155


@given(st.floats(-0.49, 0.49))
def test_tuning_is_the_common_deviation(offset: float) -> None:
    assert pitch.tuning(np.array([60, 64, 67, 71]) + offset) == pytest.approx(offset, abs=1e-6)


def test_frames_are_centred_and_padded() -> None:
    samples = np.arange(1, 11, dtype=np.float32)
    frames = pitch.frames_of(samples, 4, 4, 0, 3)
    assert frames.tolist() == [[0, 0, 1, 2], [3, 4, 5, 6], [7, 8, 9, 10]]
    assert pitch.frames_of(samples, 4, 4, 2, 3).tolist() == [[7, 8, 9, 10]]
    assert pitch.frames_of(samples, 4, 6, 3, 4).tolist() == [[10, 0, 0, 0, 0, 0]]


def test_notes_of_drops_blips_and_closes_gaps() -> None:
    midi = np.array([-1, 60, 60, 60, -1, 60, 60, 64, 60, 62, 62, 62, 62, -1, 50, -1])
    notes = pitch.notes_of(midi, 0.02, 1.0)
    assert [note[2] for note in notes] == [60, 62]
    assert notes[0][:2] == pytest.approx((0.01, 0.17))


def test_level_of_a_full_scale_square_is_zero() -> None:
    assert pitch.level_db(np.ones(4096, np.float32), 512)[1:-1] == pytest.approx(np.zeros(7), abs=1e-6)
