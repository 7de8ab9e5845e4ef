"""Chord texts as people write and paste them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.controls import vocabulary
from flowmusic.controls.chord_text import Bar, read_bars
from flowmusic.controls.chords import ChordError, parse

LABELS = st.sampled_from(vocabulary.LABELS[:193])

READ = {
    # a line break ends a bar, with or without bars at the edges
    "| C | Am |\n| F | G |": "C|Am|F|G", "C | Am\nF | G": "C|Am|F|G", "| C | Am |\r\n| F G |\r\n": "C|Am|F G",
    "C Am |\nF G |": "C Am|F G", "C\nAm\n\nF\rG": "C|Am|F|G", "C Am\nF G": "C|Am|F|G",
    "Am7 | D7 ||\nG | % |]": "Am7|D7|G|G",
    # chords that go on
    "| Am / F / |": "Am Am F F", "| C / / / | / / / / |": "C C C C|C C C C", "C / F": "C|C|F", "C /E F": "C/E|F",
    "| C . . F |": "C C C F", "| C - - - | F - G - |": "C C C C|F F G G", "| C// F |": "C C C F",
    "|C|%|F|./.|": "C|C|F|F",
    # repeats
    "||: C | F :||": "C|F|C|F", "|: C | F :| x3 | G |": "C|F|C|F|C|F|G", "|:C|F:|G|Am:|": "C|F|C|F|G|Am|G|Am",
    "[: C | F :]": "C|F|C|F", "𝄆 C 𝄀 F 𝄇": "C|F|C|F", "C Am F G x2": "C|Am|F|G|C|Am|F|G",
    "C Am F G (x2)": "C|Am|F|G|C|Am|F|G",
    "C Am ×3": "C|Am|C|Am|C|Am", "C Am 2x": "C|Am|C|Am", "2x C Am": "C|Am|C|Am", "C Am x 2": "C|Am|C|Am",
    "| C | F | x2": "C|F|C|F", "| C | F x2 | G |": "C|F|F|G", "C x2 Am x2": "C|C|Am|Am", "Cx2 Am": "C|C|Am",
    "C Am\nF G x2": "C|Am|F|G|F|G", "C Am\nF G\nx2": "C|Am|F|G|C|Am|F|G", "(C Am) x2 F": "C|Am|C|Am|F",
    "(C | F)x2 | G": "C|F|C|F|G", "[C Am] x2": "C|Am|C|Am", "| C (F G)x2 |": "C F G F G", "| C (Em) | F |": "C Em|F",
    # separators
    "C - Am - F": "C|Am|F", "C-Am-F": "C|Am|F", "C–Am—F": "C|Am|F", "C -> Am → F": "C|Am|F", "C,Am, F;G": "C|Am|F|G",
    "A-7-D7-GΔ7": "Am7|D7|Gmaj7", "Am, G and F": "Am|G|F", "“C Am”": "C|Am", "C7(b9, #11) F": "C7|F",
    "C Am F ...": "C|Am|F",
    "\ufeffC\u00a0Am\u200bF\tG\u2028A": "C|Am|F|G|A", "C major, A minor, B flat 7": "C|Am|Bb7", "C7 (b9, 13) F": "C7|F",
    "A m7 C M7 G7 alt": "Am7|Cmaj7|G7", "C Am (let ring) F (repeat 2 times)": "C|Am|F|C|Am|F",
    # what is no chord
    "[Verse]\nC Am\n\nChorus:\nF G": "C|Am|F|G", "Verse 1: C Am": "C|Am", "[Intro] C | Am": "C|Am",
    "Chorus C Am": "C|Am",
    "[Chorus] x2\n\nF G": "F|G|F|G", "[Chorus] x2\n[Outro]\nF G": "F|G",
    "A: C Am": "C|Am", "[A]\nC Am\n[B]\nF": "C|Am|F", "[C] [Am]": "C|Am",
    "Key: C\nCapo 2\n4/4 | C | Am |": "C|Am", "[C]Hello dark[Am]ness\n{comment: slow}": "C|Am",
    "C      Am\nHello darkness, my old friend\nF\nI am a man": "C|Am|F", "e|--0--2--|\nC Am\n-----": "C|Am",
}  # fmt: skip


def bars(text: str) -> tuple[Bar, ...]:
    return tuple(tuple(bar.split()) for bar in text.split("|"))


@pytest.mark.parametrize(("text", "expected"), READ.items())
def test_a_text_is_read_by_its_meaning(text: str, expected: str) -> None:
    assert read_bars(text).bars == bars(expected)


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("[Verse]\nC Am\nSing a song", r"skipped in the chord text, being no chords: '[Verse]', 'Sing a song'"),
        ("Tempo 90\nKey C\nCapo 1\nBy me\nC Am", r"'Tempo 90', 'Key C', 'Capo 1' and 1 more"),
        ("| C | F |\nAm G", "line 2 has no bar lines, so that its chords share one bar"),
        ("|: C | F", "a repeat |: is not closed by :| and its bars are taken once"),
        ("| 3/4 C | F |", "3/4 in the chord text is skipped; --meter sets the meter"),
    ],
)
def test_what_is_skipped_is_said(text: str, notice: str) -> None:
    (said,) = parse(text, seconds=30).warnings
    assert notice in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C\nAm\nXyz\nG", r"'Xyz'.*\(line 3, bar 3, chord 1\)"),
        ("| C | F |\n| Am Xyz |", r"'Xyz'.*\(line 2, bar 3, chord 2\)"),
        ("|: C | F :| Xyz", r"'Xyz'.*\(bar 3, chord 1\)"),
        ("/ C", r"'/' has no chord before it to repeat \(bar 1, chord 1\)"),
        (":| C", r"':\|' has no bars before it to repeat"),
        ("x2", r"'x2' has no bars before it to repeat"),
        ("C x0", r"'x0' is no number of repeats from 1 to 99"),
        ("C x32010 F", r"'x32010' is no number of repeats.*fingerings are not read"),
        ("C x99 x99 x99", r"more than 10000 bars with its repeats"),
        ("| (((C F) x9) x9) x9 |", r"bar 1 has more than 64 chords"),
        ("| C (F | G) x2 |", r"must be whole bars, or lie in one bar"),
        ("| C | 1. F | 2. G |", r"'1.'.*first and second endings are not read"),
        ("am f c g", r"'am'.*did you mean 'Am'"),
        ("Hm G\nD A\nEm H7", r"'Hm'.*German H.*\(line 1, bar 1, chord 1\)"),
        ("Do Re\nMi Fa", r"'Do' is C to some"),
        ("[Verse]", r"'\[Verse\]' holds no chords"),
        ("hello sweet\nold world", r"'hello' does not begin with a note"),
        ("- -", r"has no chord before it|holds no chords"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ChordError, match=message) as caught:
        parse(text, seconds=10)
    assert len(str(caught.value)) <= 400


@given(
    st.lists(st.lists(LABELS, min_size=1, max_size=4), min_size=1, max_size=8),
    st.sampled_from([" | ", "|", " || ", "\n", " |\n| ", "|\r\n"]),
    st.booleans(),
    st.sampled_from([" ", "  ", ", ", "\u00a0", " - "]),
    st.booleans(),
)
def test_bars_written_in_any_layout_read_back(
    drawn: list[list[str]], between: str, edges: bool, apart: str, shorthand: bool
) -> None:
    """With shorthand, a repeated chord is ``/`` and a repeated bar ``%``."""
    cells = []
    for number, bar in enumerate(drawn):
        names = [("/" if shorthand and k and bar[k - 1] == name else name) for k, name in enumerate(bar)]
        cells.append("%" if shorthand and number and drawn[number - 1] == bar else apart.join(names))
    body = between.join(cells)
    text = f"| {body} |" if edges or "|" not in body else body
    assert read_bars(text).bars == tuple(map(tuple, drawn))


@given(st.lists(LABELS, min_size=1, max_size=12), st.sampled_from([" ", ",", " - ", "\n", " → "]), st.integers(1, 9))
def test_chords_without_bars_are_a_bar_each(labels: list[str], between: str, times: int) -> None:
    text = between.join(labels)
    once = tuple((label,) for label in labels)
    assert read_bars(text).bars == once
    assert read_bars(f"({text}) x{times}").bars == once * times
