"""The chord vocabulary: its size, its musical structure, and transposition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.controls import vocabulary as v

CHORDS = st.sampled_from([label for label in v.LABELS if label not in ("N", "UNK")])


def test_size_and_corner_ids() -> None:
    assert len(v.LABELS) == len(set(v.LABELS)) == 194 == v.NULL_ID
    assert (v.label_id("N"), v.label_id("F"), v.label_id("C"), v.label_id("C#/B"), v.label_id("UNK")) == (
        0,
        1,
        2,
        192,
        193,
    )


def test_it_is_twelve_roots_by_sixteen_types() -> None:
    chords = [v.split(label) for label in v.LABELS]
    types = {(chord.suffix, chord.bass_interval) for chord in chords if chord is not None}
    assert len(types) == 16
    assert {chord.root for chord in chords if chord is not None} == set(range(12))


@pytest.mark.parametrize(
    ("label", "root", "bass", "notes"),
    [
        ("C", 0, 0, {0, 4, 7}),
        ("Am7", 9, 9, {9, 0, 4, 7}),
        ("C#/E#", 1, 5, {1, 5, 8}),
        ("Bb/C", 10, 0, {10, 2, 5, 0}),
        ("Ebm7b5/Db", 3, 1, {3, 6, 9, 1}),
        ("Abaug", 8, 8, {8, 0, 4}),
        ("F#m6", 6, 6, {6, 9, 1, 3}),
    ],
)
def test_pitch_classes(label: str, root: int, bass: int, notes: set[int]) -> None:
    assert v.pitch_classes(label) == (root, bass, frozenset(notes))


def test_no_chord_has_no_notes() -> None:
    for label in ("N", "UNK"):
        assert v.pitch_classes(label) == (None, None, frozenset())
        assert v.transpose(label, 5) == label


@given(CHORDS, st.integers(-30, 30))
def test_transposition_moves_every_pitch_class(label: str, semitones: int) -> None:
    before, after = v.pitch_classes(label), v.pitch_classes(v.transpose(label, semitones))
    assert before.root is not None and before.bass is not None
    assert after.root == (before.root + semitones) % 12
    assert after.bass == (before.bass + semitones) % 12
    assert after.notes == {(note + semitones) % 12 for note in before.notes}


@given(CHORDS, st.integers(-30, 30))
def test_transposition_has_an_inverse_and_keeps_the_octave(label: str, semitones: int) -> None:
    assert v.transpose(v.transpose(label, semitones), -semitones) == label
    assert v.transpose(label, 12) == label


def test_an_unknown_label_is_named() -> None:
    with pytest.raises(ValueError, match=r"'Db' is not one of the 194 chord labels.*canonical"):
        v.label_id("Db")
