"""Notes to one-hot semitones and back."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.controls import melody as m
from flowmusic.controls.tracks import crop
from flowmusic.types import FrameGrid

GRID = FrameGrid(Fraction(25), 250)


@st.composite
def lines(draw: st.DrawFn) -> list[tuple[float, float, int]]:
    """Monophonic notes on milliseconds, some touching."""
    times = sorted(draw(st.sets(st.integers(0, 10_000), min_size=2, max_size=10)))
    spans = [span for span in zip(times, times[1:]) if draw(st.booleans())]
    return [(start / 1000, end / 1000, draw(st.integers(43, 95))) for start, end in spans]


def test_a_note_sounds_where_it_covers_the_frame_centre() -> None:
    track = m.to_track([(0.021, 0.1, 60), (0.14, 0.181, 95)], GRID)  # centres at 0.02, 0.06, 0.10, 0.14, 0.18 s
    assert track.values.shape == (250, 53) and track.known.all()
    assert track.values.sum(1)[:6].tolist() == [0, 1, 0, 1, 1, 0]
    assert track.values[1].argmax() == 60 - 43 and track.values[3].argmax() == 52


def test_silence_is_known_and_what_follows_the_end_is_not() -> None:
    assert m.to_track([], GRID).known.all()
    track = m.to_track([(0, 4, 60)], GRID, end_s=4)
    assert track.known.tolist() == [n < 100 for n in range(250)]


def test_of_notes_together_the_highest_counts() -> None:
    notes = [(0.0, 2.0, 72), (0.0, 4.0, 60), (1.0, 3.0, 64)]
    assert m.from_track(m.to_track(notes, GRID)) == ((0, 2, 72), (2, 3, 64), (3, 4, 60))


@given(lines(), st.sampled_from([Fraction(25), Fraction(50)]))
def test_reading_a_track_and_writing_it_again_changes_nothing(
    line: list[tuple[float, float, int]], rate: Fraction
) -> None:
    grid = FrameGrid.of_seconds(10, rate)
    track = m.to_track(line, grid)
    assert torch.equal(m.to_track(m.from_track(track), grid).values, track.values)


@given(lines(), st.integers(0, 200), st.integers(1, 60))
def test_cropping_a_track_is_rebuilding_it_from_shifted_notes(
    line: list[tuple[float, float, int]], first: int, length: int
) -> None:
    length = min(length, 250 - first)
    shift = first / 25
    rebuilt = m.to_track([(s - shift, e - shift, p) for s, e, p in line], FrameGrid(GRID.frame_rate, length))
    cropped = crop(m.to_track(line, GRID), first, length)
    assert torch.equal(cropped.values, rebuilt.values) and torch.equal(cropped.known, rebuilt.known)


@given(lines(), st.integers(-5, 5))
def test_transposition_commutes_with_encoding(line: list[tuple[float, float, int]], semitones: int) -> None:
    middle = [(s, e, 50 + p % 30) for s, e, p in line]
    moved = m.to_track([(s, e, p + semitones) for s, e, p in middle], GRID)
    assert torch.equal(moved.values, m.to_track(middle, GRID).values.roll(semitones, dims=1))


def test_notes_outside_the_range_move_by_octaves_with_a_warning() -> None:
    folded = m.fold([(0, 1, 30), (1, 2, 60), (2, 3, 108)])
    assert [p for _, _, p in folded.notes] == [54, 60, 84]
    assert folded.warnings == ("2 note(s) outside MIDI 43-95 are moved by octaves: 30, 108",)
    assert m.fold([(0, 1, 43), (1, 2, 95)]).warnings == ()


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ((1.0, 1.0, 60), r"note 1: needs finite times with start < end, got 1 to 1"),
        ((float("nan"), 1.0, 60), r"note 1: needs finite times.*got nan"),
        ((0.0, 1.0, 128), r"note 1: the MIDI number must be 0-127, got 128"),
    ],
)
def test_bad_notes_are_named(note: tuple[float, float, int], message: str) -> None:
    with pytest.raises(m.MelodyError, match=message):
        m.to_track([(0.0, 1.0, 60), note], GRID)


def test_salience_of_a_pitch_tracker() -> None:
    salience = torch.zeros(101, 360)  # 1.01 s at 100 rows a second
    a4 = round((1200 * 5.459431618637297 - 1997.3794084376191) / 20)  # log2(440 / 10)
    salience[:50, a4] = 0.9
    salience[50:, a4 + 60] = 0.3
    track = m.from_salience(salience, 100.0, FrameGrid(Fraction(25), 50))
    assert m.from_track(track) == ((0.0, 0.48, 69),)  # the frame of rows 48-51 averages 0.45
    assert track.known.tolist() == [n < 25 for n in range(50)]
    both = m.from_salience(salience, 100.0, FrameGrid(Fraction(25), 25), threshold=0.2)
    assert [p for _, _, p in m.from_track(both)] == [69, 81]
    high = m.from_salience(salience, 100.0, FrameGrid(Fraction(25), 25), threshold=0.2, low_midi=75)
    assert [p for _, _, p in m.from_track(high)] == [81]
    with pytest.raises(m.MelodyError, match=r"\(0, 360\)"):
        m.from_salience(torch.zeros(0, 360), 100.0, GRID)
