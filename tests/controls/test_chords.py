"""Chord text and chord tracks."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from flowmusic.controls import vocabulary
from flowmusic.controls.chords import ChordError, from_track, is_timed, parse, to_text, to_track
from flowmusic.controls.tracks import crop
from flowmusic.types import FrameGrid, Track

GRID = FrameGrid(Fraction(25), 250)
GOLDEN = Path(__file__).parents[1] / "golden" / "jasco_aux_small.safetensors"
LABELS = st.sampled_from([label for label in vocabulary.LABELS if label != "UNK"])


@st.composite
def changes(draw: st.DrawFn, gaps: bool = False) -> tuple[tuple[float, float, str], ...]:
    """Ascending changes on milliseconds within 10 s, neighbours unequal."""
    times = sorted(draw(st.sets(st.integers(0, 10_000), min_size=2, max_size=9)))
    spans = list(zip(times, times[1:]))
    if gaps:
        spans = [span for span in spans if draw(st.booleans())] or spans[:1]
    out: list[tuple[float, float, str]] = []
    for start, end in spans:
        label = draw(LABELS.filter(lambda name: not out or name != out[-1][2]))
        out.append((start / 1000, end / 1000, label))
    return tuple(out)


def test_one_chord_a_bar_repeats_to_fill_the_clip() -> None:
    line = parse("C Am F G", seconds=10, bpm=120, beats_per_bar=4)
    assert line.changes == ((0, 2, "C"), (2, 4, "Am"), (4, 6, "F"), (6, 8, "G"), (8, 10, "C"))
    assert line.warnings == ()


def test_chords_share_their_bar_and_percent_repeats_it() -> None:
    line = parse("| C Am | % | F |", seconds=6, bpm=120)
    assert line.changes == ((0, 1, "C"), (1, 2, "Am"), (2, 3, "C"), (3, 4, "Am"), (4, 6, "F"))
    assert parse("C % G", seconds=6).changes == ((0, 4, "C"), (4, 6, "G"))


def test_three_chords_in_a_bar_are_thirds() -> None:
    starts = [start for start, _, _ in parse("C F G | Am", seconds=6, bpm=90, beats_per_bar=3).changes]
    assert starts == pytest.approx([0, 2 / 3, 4 / 3, 2, 4, 4 + 2 / 3, 4 + 4 / 3])


def test_layout_does_not_matter() -> None:
    expected = parse("C|Am", seconds=4).changes
    for text in ("| C | Am |", "C || Am ||", "\tC |\nAm", "C|Am|"):
        assert parse(text, seconds=4).changes == expected


def test_times_hold_the_last_chord_and_leave_the_start_unknown() -> None:
    line = parse("1.5:C 2.5:Am7 4:F/A", seconds=10)
    assert line.changes == ((1.5, 2.5, "C"), (2.5, 4, "Am7"), (4, 10, "F/A"))
    track = to_track(line.changes, GRID)
    assert track.known.tolist() == [n >= 38 for n in range(250)]  # 37.5 frames: the first at or after 1.5 s is 38


def test_times_may_be_pasted_with_spaces_commas_and_headings() -> None:
    expected = parse("0:C 2.5:Am7", seconds=4).changes
    for text in (
        "0:C, 2.5:Am7",
        "0: C 2.5: Am7",
        "0:C\r\n2.5:Am7\r\n",
        "[Verse 1]\n0:C 2.5:Am7",
        "Verse 1: 0:C 2.5:Am7",
    ):
        assert is_timed(text) and parse(text, seconds=4).changes == expected


def test_mir_labels_keep_their_colon_in_both_forms() -> None:
    assert parse("0:C:maj/3 2:A:min7", seconds=4).changes == ((0, 2, "C/E"), (2, 4, "Am7"))
    assert parse("C:maj/3 A:min7", seconds=4).changes == ((0, 2, "C/E"), (2, 4, "Am7"))
    assert not is_timed("C:maj A:min7") and is_timed("0:C:maj")


def test_a_reduction_is_told_once_however_often_it_sounds() -> None:
    assert parse("Csus4 Csus4 G9", seconds=30).warnings == (
        "chord Csus4 is taken as C",
        "chord G9 is taken as G7",
    )


def test_what_does_not_fit_is_cut_with_a_notice() -> None:
    assert parse("C Am F", seconds=5).changes[-1] == (4, 5, "F")
    assert "3 bars of chords last 6 s and are cut at the clip's 5 s" in parse("C Am F", seconds=5).warnings[0]
    line = parse("0:C 4:F 12:G 14:A", seconds=10)
    assert line.changes[-1] == (4, 10, "F")
    assert "2 chord(s) from 12 s on" in line.warnings[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"chord text '' is empty"),
        ("  |  |", r"is empty"),
        ("C Am Xyz G", r"'Xyz'.*bar 3, chord 1"),
        ("C Am | F Xyz", r"'Xyz'.*bar 2, chord 2"),
        ("0:C 2.5:Foo", r"'Foo'.*token 2, at 2.5 s"),
        ("0:C Am", r"'Am' \(token 2\) has no time"),
        ("0:C | 2:Am", r"'\|' \(token 2\) has no time"),
        ("0:C 4:Am 2:F", r"'2:F' \(token 3\): times must ascend, but 2 s follows 4 s"),
        ("0:C 0:Am", r"'0:Am' \(token 2\): times must ascend"),
        ("-1:C", r"'-1:C' \(token 1\): the time must be 0 or more"),
        ("nan:C", r"'nan:C' \(token 1\): the time must be 0 or more"),
        ("0:C inf:F", r"'inf:F' \(token 2\)"),
        ("2:", r"token 1, at 2 s"),
        ("12:C", r"'12:C' begins at 12 s, but the clip ends at 10 s"),
        ("C | | F", r"bar 2 of 'C \| \| F' is empty"),
        ("% | C", r"bar 1: % has no bar before it"),
        ("C | F %", r"bar 2: % repeats a whole bar and stands alone, got 'F %'"),
        ("0:C 0:15:Am", r"'0:15:Am' \(token 2\): times are seconds without minutes; write 75:C for a C at 1:15"),
        ("0:C 2,5:Am", r"'2,5:Am' \(token 2\) has no time.*write seconds with a point, as in 2.5:C"),
        ("C " * 6000, r"has 12000 characters, more than 10000"),
    ],
)
def test_errors_name_the_chord_and_its_place(text: str, message: str) -> None:
    with pytest.raises(ChordError, match=message):
        parse(text, seconds=10)


@pytest.mark.parametrize(
    ("name", "value"), [("seconds", 0.0), ("bpm", -3.0), ("bpm", float("nan")), ("beats_per_bar", 0)]
)
def test_numbers_must_be_positive(name: str, value: float) -> None:
    arguments: dict[str, Any] = {"seconds": 10.0, "bpm": 120.0, "beats_per_bar": 4, name: value}
    with pytest.raises(ChordError, match=f"{name} must be a positive number, got {value}"):
        parse("C", **arguments)


@given(changes())
def test_text_round_trip(line: tuple[tuple[float, float, str], ...]) -> None:
    assert parse(to_text(line), seconds=line[-1][1]).changes == line


def test_text_cannot_say_gaps_or_nothing() -> None:
    with pytest.raises(ChordError, match=r"C ends at 1 s and F begins at 2 s"):
        to_text([(0, 1, "C"), (2, 3, "F")])
    with pytest.raises(ChordError, match="no chord changes"):
        to_text([])


def test_a_change_takes_effect_at_the_first_frame_that_begins_after_it() -> None:
    track = to_track([(0.0, 1.0, "C"), (1.0, 2.001, "F"), (2.001, 3.0, "G")], FrameGrid(Fraction(50), 200))
    ids = {name: vocabulary.label_id(name) for name in "CFG"}
    assert track.values[:50].eq(ids["C"]).all() and track.values[50:101].eq(ids["F"]).all()
    assert track.values[101:150].eq(ids["G"]).all()
    assert track.values[150:].eq(vocabulary.NULL_ID).all() and not track.known[150:].any()


@given(changes(gaps=True), st.sampled_from([Fraction(25), Fraction(50), Fraction(75, 2)]))
def test_track_round_trip_is_exact_on_frames_and_close_in_time(
    line: tuple[tuple[float, float, str], ...], rate: Fraction
) -> None:
    grid = FrameGrid.of_seconds(10, rate)
    track = to_track(line, grid)
    again = to_track(from_track(track), grid)
    assert torch.equal(again.values, track.values) and torch.equal(again.known, track.known)
    for start, end, label in from_track(track):
        # A frame begins at most one frame after the change that it belongs to.
        assert any(
            name == label and 0 <= start - s < 1 / float(rate) + 1e-6 or s <= start and end <= e + 1 / float(rate)
            for s, e, name in line
        )


@given(changes(gaps=True), st.integers(0, 200), st.integers(1, 80))
def test_cropping_a_track_is_rebuilding_it_from_shifted_changes(
    line: tuple[tuple[float, float, str], ...], first: int, length: int
) -> None:
    grid = FrameGrid(GRID.frame_rate, length)
    cropped = crop(to_track(line, GRID), first, length)
    shift = first / 25
    rebuilt = to_track([(start - shift, end - shift, label) for start, end, label in line], grid)
    assert torch.equal(cropped.known, rebuilt.known)
    assert torch.equal(cropped.values[cropped.known], rebuilt.values[rebuilt.known])


@given(changes(), st.integers(-11, 11))
def test_transposition_commutes_with_encoding(line: tuple[tuple[float, float, str], ...], semitones: int) -> None:
    moved = to_track([(s, e, vocabulary.transpose(label, semitones)) for s, e, label in line], GRID)
    original = to_track(line, GRID)
    ids = [vocabulary.label_id(vocabulary.transpose(label, semitones)) for label in vocabulary.LABELS]
    table = torch.tensor([*ids, vocabulary.NULL_ID])
    assert torch.equal(moved.values, table[original.values])


def test_tracks_need_sorted_finite_changes_and_valid_ids() -> None:
    with pytest.raises(ChordError, match=r"chord 1 \(F\): begins at 1 s, before chord 0 ends at 2 s"):
        to_track([(0, 2, "C"), (1, 3, "F")], GRID)
    with pytest.raises(ChordError, match=r"chord 0 \(C\): needs finite times.*nan"):
        to_track([(0, float("nan"), "C")], GRID)
    with pytest.raises(ChordError, match="0-194, got 0 to 195"):
        from_track(Track(torch.tensor([0, 195]), torch.tensor([True, True]), FrameGrid(Fraction(25), 2)))


def test_a_batch_of_one_reads_like_one_track() -> None:
    track = to_track([(0, 4, "C"), (4, 10, "F")], GRID)
    batch = Track(track.values[None], track.known[None], GRID)
    assert from_track(batch) == from_track(track) == ((0, 4, "C"), (4, 10, "F"))
    two = Track(track.values.expand(2, -1), track.known.expand(2, -1), GRID)
    with pytest.raises(ValueError, match=re.escape("known of shape (2, 250)")):
        from_track(two)


@pytest.mark.parametrize("case", range(10))
def test_golden_frame_ids_of_the_reference(case: int) -> None:
    """The reference carries a chord (or N) in before the first change, and cuts training clips at ``first``."""
    with safe_open(GOLDEN, "pt") as golden:
        expected = golden.get_tensor(f"chords.{case}.frame_ids").long()
        described = json.loads(golden.metadata()["chord_cases"])[case]
    first, carried = described["min_frame"], described["prev"] or "N"
    times = [time for _, time in described["chords"]] + [1e4]
    line = [(0.0, times[0], carried), *((t, e, label) for (label, t), e in zip(described["chords"], times[1:]))]
    track = to_track(line, FrameGrid(Fraction(50), first + 500))
    assert torch.equal(track.values[first:], expected)
