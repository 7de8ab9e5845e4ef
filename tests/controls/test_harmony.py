"""Chord names in their usual spellings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.controls.harmony import REDUCTIONS, ChordError, canonical
from flowmusic.controls.vocabulary import INTERVALS, LABELS, ROOTS, pitch_classes

EXACT = {
    "C": "C", "Cm": "Cm", "C-": "Cm", "Cmin": "Cm", "Cmi": "Cm", "CM": "C", "Cmaj": "C", "C7": "C7", "Cdom7": "C7",
    "CM7": "Cmaj7", "Cmaj7": "Cmaj7", "Cma7": "Cmaj7", "CΔ": "Cmaj7", "CΔ7": "Cmaj7", "C^7": "Cmaj7", "Cj7": "Cmaj7",
    "Cm7": "Cm7", "C-7": "Cm7", "Cmin7": "Cm7", "Cdim": "Cdim", "Co": "Cdim", "C°": "Cdim", "Cmb5": "Cdim",
    "Cø": "Cm7b5", "Cø7": "Cm7b5", "Cm7b5": "Cm7b5", "Cm7(b5)": "Cm7b5", "C-7b5": "Cm7b5", "Cm7-5": "Cm7b5",
    "C+": "Caug", "Caug": "Caug", "C(#5)": "Caug", "C6": "C6", "Cmaj6": "C6", "Cm6": "Cm6", "C-6": "Cm6",
    "C/E": "C/E", "C/G": "C/G", "C/D": "C/D", "C/Bb": "C/Bb", "C/A#": "C/Bb", "C7/E": "C7/E", "Am7b5/G": "Am7b5/G",
    "Db": "C#", "Gb": "F#", "G#": "Ab", "A#": "Bb", "D#": "Eb", "Cb": "B", "Fb": "E", "E#": "F", "B#": "C", "Dbb": "C",
    "F##": "G", "B♭": "Bb", "F♯m7": "F#m7", "D♭maj7": "C#maj7", "G#m": "Abm", "A♭/C": "Ab/C", "Db/F": "C#/E#",
    "C:maj": "C", "A:min7": "Am7", "C:maj/3": "C/E", "C/3": "C/E", "F#:hdim7": "F#m7b5", "G:7/3": "G7/B",
    "C:maj/5": "C/G", "C:maj/b7": "C/Bb", "C:maj/9": "C/D", "B:dim": "Bdim", "Eb:aug": "Ebaug", "A:min6": "Am6",
    "A:hdim7/b7": "Am7b5/G", "N": "N", "NC": "N", "N.C.": "N", "n.c.": "N", "X": "UNK", "C7/Bb": "C/Bb", " C ": "C",
    "D:maj6": "D6",
    # As people type and paste them: three triangles, half-diminished and degree signs, capitals, footnotes, dots.
    "C∆7": "Cmaj7", "C△": "Cmaj7", "C▲7": "Cmaj7", "C⌀7": "Cm7b5", "CØ": "Cm7b5", "C∅7": "Cm7b5", "Cφ7": "Cm7b5",
    "Cº": "Cdim", "C˚": "Cdim", "C0": "Cdim", "Eo": "Edim", "D°": "Ddim", "C–7": "Cm7", "C—7": "Cm7", "C‑7": "Cm7",
    "C⁷": "C7", "Cm⁷": "Cm7", "Ｃ": "C", "C♮": "C", "C𝄪": "D", "Ам": "Am", "CMI7": "Cm7", "CMA7": "Cmaj7",
    "CMI7(b5)": "Cm7b5", "CMAJ7": "Cmaj7", "CMIN": "Cm", "CDIM": "Cdim", "CAUG": "Caug", "Cdim.": "Cdim", "Cmaj.": "C",
    "Cmin.7": "Cm7", "G7.": "G7", "C*": "C", "Am7**": "Am7", "**C**": "C", "(C7)": "C7", "(N.C.)": "N", "N/C": "N",
    "C7M": "Cmaj7", "Cmajor": "C", "Cminor": "Cm", "Cdominant7": "C7", "Bflat7": "Bb7",
    "C-sharp": "C#", "E-flat": "Eb", "C\\G": "C/G", "C-7(-5)": "Cm7b5",
}  # fmt: skip

REDUCED = {
    "Csus4": "C", "Csus2": "C", "Csus": "C", "C5": "C", "C9": "C7", "C11": "C7", "C13": "C7", "Cmaj9": "Cmaj7",
    "CΔ9": "Cmaj7", "Cm9": "Cm7", "Cm11": "Cm7", "Cdim7": "Cdim", "C°7": "Cdim", "Cadd9": "C", "Cmadd9": "Cm",
    "C6/9": "C6", "C69": "C6", "CmMaj7": "Cm", "Cm(maj7)": "Cm", "C-Δ7": "Cm", "C:minmaj7": "Cm", "Calt": "C7",
    "C7alt": "C7", "C7b9": "C7", "C7#9": "C7", "C7(b9,#11)": "C7", "C7b9b13": "C7", "C7#5": "Caug", "C7+": "Caug",
    "C+7": "Caug", "Cmaj7#11": "Cmaj7", "Cm7add11": "Cm7", "C7sus4": "C7", "C:maj(9)": "C", "C:min(9)": "Cm",
    "C:sus4(b7)": "C", "C:9": "C7", "Cø9": "Cm7b5", "Cm7b5b9": "Cm7b5", "Am7/G": "Am7", "Cmaj7/E": "Cmaj7",
    "C/F#": "C", "Csus4/G": "C/G", "Cadd9/E": "C/E",
    "Csus7/G": "C7", "Csus9": "C7", "C4sus": "C", "C7b9sus4": "C7", "Cmaj9sus4": "Cmaj7", "Cmaj7sus2": "Cmaj7",
    "Am+7": "Am", "Am#7": "Am", "Am(+7)": "Am", "Cm/maj7": "Cm", "Cm7M": "Cm", "C°M7": "Cdim", "C+M7": "Caug",
    "Cm+": "Cm", "C7(9)": "C7", "C7(9,13)": "C7", "C7M(9)": "Cmaj7", "Cm7(11)": "Cm7", "C6(9)": "C6", "Cdom9": "C7",
    "C/add9": "C", "C7/sus4": "C7", "Cno3": "C", "Comit3": "C", "C(no3rd)": "C", "C7+9": "C7", "Cmaj7+11": "Cmaj7",
    "C°7/Eb": "Cdim", "C07": "Cdim", "CADD9": "C", "C7SUS4": "C7",
}  # fmt: skip


@pytest.mark.parametrize(("written", "label"), EXACT.items())
def test_a_spelling_of_the_same_chord_is_silent(written: str, label: str) -> None:
    assert canonical(written) == (label, None)


@pytest.mark.parametrize(("written", "label"), REDUCED.items())
def test_a_reduction_warns_with_both_names(written: str, label: str) -> None:
    found, warning = canonical(written)
    assert found == label
    assert warning is not None and written in warning and label in warning


@pytest.mark.parametrize("label", LABELS)
def test_labels_are_fixed_points(label: str) -> None:
    assert canonical(label) == (label, None)


def test_every_reduction_lands_in_the_vocabulary_and_is_readable() -> None:
    for written, suffix in REDUCTIONS.items():
        assert suffix in INTERVALS and written not in INTERVALS
        assert canonical(f"C{'' if written[0] not in '#b' else ':'}{written}").label == f"C{suffix}"


def test_the_published_table_of_reductions_is_the_one_in_use(root: Path) -> None:
    rows = re.findall(
        r"^\| `C([^`]*)` \| (`.*`) \|$", (root / "docs" / "chord_text.md").read_text("utf-8"), re.MULTILINE
    )
    assert {written: suffix for suffix, many in rows for written in re.findall(r"`([^`]+)`", many)} == REDUCTIONS


SPELLINGS = {0: ("C", "B#"), 1: ("C#", "Db"), 3: ("Eb", "D#"), 6: ("F#", "Gb"), 8: ("Ab", "G#"), 11: ("B", "Cb")}


@given(st.sampled_from(sorted(SPELLINGS)), st.sampled_from(sorted(INTERVALS)), st.sampled_from([0, 1]))
def test_enharmonic_roots_are_one_chord(root: int, suffix: str, which: int) -> None:
    label = canonical(f"{SPELLINGS[root][which]}:{suffix or 'maj'}").label
    assert label == ROOTS[root] + suffix
    assert pitch_classes(label).notes == {(root + interval) % 12 for interval in INTERVALS[suffix]}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("am", r"'am' does not begin.*did you mean 'Am'"),
        ("", r"'' does not begin with a note"),
        ("Xyz", r"'Xyz' does not begin with a note A-G \(or N for no chord\)$"),
        ("Cfoo", r"'Cfoo' has an unknown type 'foo'; types are written as in Cm, Cmaj7, Csus4$"),
        ("Csud4", r"'Csud4' has an unknown type 'sud4'; did you mean 'Csus4'"),
        ("Cmaj77", r"'Cmaj77'.* did you mean 'Cmaj7'"),
        ("C14", r"'C14' has an unknown type '14'; did you mean 'C4'"),
        ("C/x", r"'C/x' has a bass 'x' that is neither a note A-G nor a degree such as 3 or b7$"),
        ("C/e", r"'C/e' has a bass 'e'.*did you mean 'C/E'"),
        ("C/", r"'C/' ends after the slash"),
        ("C:", r"'C:' ends after the colon"),
        ("EB7", r"did you mean 'Eb7'"),
        ("C" + "b9" * 300, r"has 601 characters, more than any chord name$"),
        # German
        ("H", r"'H' does not begin with a note.*a German H is B here, did you mean 'B'"),
        ("Hm7", r"did you mean 'Bm7'"),
        ("C/H", r"'C/H' has a bass 'H'.*did you mean 'C/B'"),
        ("Fism", r"German name; did you mean 'F#m'"),
        ("Es", r"German name; did you mean 'Eb'"),
        # Solfège, where Do is not D diminished
        ("Do", r"'Do' is C to some readers and D diminished to others; write 'C' or 'D°'"),
        ("Do7", r"write 'C7' or 'D°7'"),
        ("Dom", r"write 'Cm'$"),
        ("Ré", r"not solfège; did you mean 'D'"),
        ("Fam", r"not solfège; did you mean 'Fm'"),
        ("Sib7", r"not solfège; did you mean 'Bb7'"),
        ("Sol/Si", r"not solfège; did you mean 'G/B'"),
        # Degrees, Roman and Nashville
        ("vi", r"in C major is 'Am'"),
        ("bVII7", r"in C major is 'Bb7'"),
        ("4", r"in C major is 'F'"),
        ("1/3", r"in C major is 'C/E'"),
        # What is no chord
        ("x32010", r"fingerings are not read; leave them out"),
        ("1.", r"first and second endings are not read"),
        ("D.C.", r"jumps such as D.C. are not read"),
    ],
)
def test_an_unreadable_chord_is_named_with_what_was_probably_meant(written: str, message: str) -> None:
    with pytest.raises(ChordError, match=message) as caught:
        canonical(written)
    assert len(str(caught.value)) <= 300


@given(st.text(max_size=12))
def test_any_text_is_a_label_or_a_chord_error(text: str) -> None:
    try:
        label = canonical(text).label
    except ChordError as error:
        assert repr(text) in str(error)
    else:
        assert label in LABELS
