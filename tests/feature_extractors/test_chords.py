from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_extractors import Chords
from feature_extractors.madmom import chords, compat
from flowmusic.audio import Audio
from flowmusic.controls.vocabulary import LABELS, label_id
from flowmusic.types import FrameGrid
from tests.feature_extractors.sounds import RATE, tone, triad

needs_madmom = pytest.mark.skipif(not compat.available(), reason="the extra 'madmom' is not installed")
DETECTORS = pytest.mark.parametrize("detector", ["ours", pytest.param("madmom", marks=needs_madmom)])


@pytest.fixture(scope="module")
def progression() -> Audio:
    """C, Am, F sharp, two seconds each."""
    parts = [triad(60, False, 2.0), triad(57, True, 2.0), triad(54, False, 2.0)]
    return Audio(torch.cat(parts)[None], RATE)


@DETECTORS
def test_triads_are_named_in_our_vocabulary(progression: Audio, detector: str) -> None:
    changes = Chords(detector).analyse(progression).changes
    assert [label for _, _, label in changes] == ["C", "Am", "F#"]
    assert [start for start, _, _ in changes] == pytest.approx([0.0, 2.0, 4.0], abs=0.3)


@DETECTORS
def test_changes_are_gapless_and_cover_the_recording(progression: Audio, detector: str) -> None:
    changes = Chords(detector).analyse(progression).changes
    assert changes[0][0] == 0.0
    assert changes[-1][1] == progression.seconds
    assert all(a[1] == b[0] and a[2] != b[2] for a, b in zip(changes, changes[1:]))


def test_joining_madmoms_frames_moves_changes_back_and_keeps_the_ends() -> None:
    assert chords._join(["C"] * 3 + ["F"] * 4, 0.65) == ((0.0, 0.2, "C"), (0.2, 0.65, "F"))
    # A first frame of its own is shorter than the latency.
    assert chords._join(["N", "F", "F"], 0.3) == ((0.0, 0.3, "F"),)


@DETECTORS
def test_track_holds_ids(progression: Audio, detector: str) -> None:
    track = Chords(detector)(progression, FrameGrid.of_seconds(6.0, 25))
    assert [int(track.values[n]) for n in (25, 75, 125)] == [label_id("C"), label_id("Am"), label_id("F#")]


def test_all_labels_of_madmom_are_in_the_vocabulary() -> None:
    labels = [chords._label(number) for number in range(25)]
    assert len(set(labels)) == 25
    assert set(labels) <= set(LABELS)
    assert (labels[0], labels[3], labels[12], labels[24]) == ("A", "C", "Am", "N")


@needs_madmom
def test_torch_network_equals_madmoms_own() -> None:
    """The original is the oracle: slow, and known to be right."""
    original = compat.module("features.chords").CNNChordFeatureProcessor()
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(44_100)).astype(np.float32)
    expected = original(compat.signal(samples))
    # float32 sums in another order.
    assert chords._features(samples) == pytest.approx(expected, abs=1e-5)


@needs_madmom
def test_windows_of_a_long_recording_leave_no_trace(progression: Audio) -> None:
    from feature_extractors import signals

    samples = signals.samples_of(progression, compat.RATE)
    whole = chords._features(samples)
    cut = signals.frames_by_window(chords._features, samples, 4410, window=20 * 4410, context=20 * 4410)
    assert cut == pytest.approx(whole, abs=1e-5)


@needs_madmom
def test_a_layer_of_another_kind_is_refused() -> None:
    from types import SimpleNamespace

    from feature_extractors.madmom.cnn import to_torch

    with pytest.raises(ValueError, match=r"layer SimpleNamespace; known: ConvolutionalLayer"):
        to_torch(SimpleNamespace(layers=[SimpleNamespace()]), 0)


def test_ours_runs_unless_another_is_chosen(progression: Audio) -> None:
    assert (Chords().resolved(), Chords("madmom").resolved()) == ("ours", "madmom")
    assert Chords().analyse(progression).changes == Chords("ours").analyse(progression).changes


def test_detail_is_what_is_asked_for() -> None:
    seventh = torch.stack([tone(note, 3.0, level=0.06) for note in (43, 59, 62, 65, 67)]).sum(0)
    audio = Audio(seventh[None], RATE)
    longest = [max(Chords(detail=d).analyse(audio).changes, key=lambda c: c[1] - c[0])[2] for d in ("full", "triads")]
    assert longest == ["G7", "G"]


@DETECTORS
def test_silence_is_no_chord_and_nothing_is_nothing(detector: str) -> None:
    assert Chords(detector).analyse(Audio(torch.zeros(1, RATE), RATE)).changes == ((0.0, 1.0, "N"),)
    assert Chords(detector).analyse(Audio(torch.zeros(1, 0), RATE)).changes == ()


def test_ours_hears_a_pause_and_ignores_the_level(progression: Audio) -> None:
    quiet = torch.cat([progression.samples, torch.zeros(1, 3 * RATE)], -1)
    changes = Chords("ours").analyse(Audio(0.01 * quiet, RATE)).changes
    assert [label for _, _, label in changes] == ["C", "Am", "F#", "N"]
    assert changes[-1][0] == pytest.approx(6.0, abs=0.3)


def test_unknown_choices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'chordino'; choose one of ours, madmom"):
        Chords("chordino")
    with pytest.raises(ValueError, match=r"'ninths'; choose one of full, triads"):
        Chords(detail="ninths")
