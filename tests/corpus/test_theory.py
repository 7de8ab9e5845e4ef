from __future__ import annotations

import pytest

from flowmusic.controls.vocabulary import LABELS
from flowmusic.corpus.theory import CHORD_TYPES, SCALES, Chord, chord_scale, diatonic, label_table


def test_labels_are_the_vocabulary():
    assert set(label_table()) == set(LABELS) - {"N", "UNK"}


@pytest.mark.parametrize(
    ("root", "kind", "label", "bass"),
    [(1, "maj/3", "C#/E#", 5), (7, "7/3", "G7/B", 11), (11, "m7b5/b7", "Bm7b5/A", 9), (8, "maj/b7", "Ab/Gb", 6)],
)
def test_inversions_are_spelled_by_letter(root, kind, label, bass):
    chord = Chord(root, kind)
    assert (chord.label, chord.bass) == (label, bass)


def test_diatonic_sevenths_of_c_major():
    labels = [diatonic("major", degree, seventh=True).label for degree in range(7)]
    assert labels == ["Cmaj7", "Dm7", "Em7", "Fmaj7", "G7", "Am7", "Bm7b5"]


def test_every_mode_stays_in_the_vocabulary():
    for mode in SCALES:
        for degree in range(7):
            for seventh in (False, True):
                assert diatonic(mode, degree, seventh).label in label_table()


def test_chord_scale_holds_the_chord():
    for root in range(12):
        for kind in CHORD_TYPES:
            chord = Chord(root, kind)
            assert set(chord.tones) <= set(chord_scale(chord, 0, "major"))
