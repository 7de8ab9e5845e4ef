from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.controls.vocabulary import LABELS, NO_CHORD, split
from flowmusic.metrics.chords import chord_acc, chord_iou, to_harte

TRIADS = ["C", "Am", "F", "G7", "Dm7", "Ebmaj7", "N", "F#m6", "Bb6"]


@st.composite
def timelines(draw: st.DrawFn, labels: list[str]) -> list[tuple[float, float, str]]:
    """Gapless changes over ten seconds."""
    edges = sorted(draw(st.sets(st.integers(1, 99), max_size=6)))
    bounds = [0.0, *(n / 10 for n in edges), 10.0]
    return [(a, b, draw(st.sampled_from(labels))) for a, b in zip(bounds, bounds[1:])]


@pytest.mark.parametrize(
    ("label", "harte"),
    [
        ("C", "C:maj"),
        ("Am7b5", "A:hdim7"),
        ("F/A", "F:maj/3"),
        ("G7/B", "G:7/3"),
        ("Dbm6", "C#:min6"),
        ("N", "N"),
        ("UNK", "X"),
        ("Gaug", "G:aug"),
    ],
)
def test_notation(label: str, harte: str) -> None:
    assert to_harte(label) == harte


def test_every_label_is_understood_by_mir_eval() -> None:
    import mir_eval

    for label in LABELS:
        root, semitones, _ = mir_eval.chord.encode(to_harte(label))
        assert (root >= 0) == (label not in ("N", "UNK")), label
        assert semitones.sum() >= 3 or label in ("N", "UNK"), label


@given(timelines(TRIADS))
def test_perfect_is_one(changes: list[tuple[float, float, str]]) -> None:
    assert chord_acc(changes, changes) == pytest.approx(1.0)
    assert chord_iou(changes, changes) == pytest.approx(1.0)


def by_tenths(requested: list[tuple[float, float, str]], recognised: list[tuple[float, float, str]]) -> float:
    """The share of scored tenths of a second with the right root and third; all of these changes lie between tenths."""

    def at(changes: list[tuple[float, float, str]], tenth: int) -> tuple[int, bool] | str | None:
        label = next(name for start, end, name in changes if start <= tenth / 10 + 0.05 < end)
        chord = split(label)
        if chord is None:
            return label if label == NO_CHORD else None
        minor = {"": False, "7": False, "maj7": False, "6": False, "m": True, "m7": True, "m6": True}.get(chord.suffix)
        return None if minor is None else (chord.root, minor)

    pairs = [(at(requested, n), at(recognised, n)) for n in range(100)]
    scored = [wanted == found for wanted, found in pairs if wanted is not None]
    return sum(scored) / len(scored) if scored else math.nan


@given(timelines(TRIADS), timelines(TRIADS))
def test_symmetric_over_the_same_span_and_a_share_of_its_time(
    a: list[tuple[float, float, str]], b: list[tuple[float, float, str]]
) -> None:
    assert chord_acc(a, b) == pytest.approx(chord_acc(b, a))
    assert chord_acc(a, b) == pytest.approx(by_tenths(a, b))


@given(timelines(["C", "Am", "Bdim", "Caug", "Am7b5", "N", "UNK"]), timelines(TRIADS))
@pytest.mark.filterwarnings("ignore:chord_acc")
def test_unscored_chords_are_left_out_alike(a: list, b: list) -> None:
    assert chord_acc(a, b) == pytest.approx(by_tenths(a, b), nan_ok=True)


def test_weights_are_durations() -> None:
    requested = [(0.0, 4.0, "C"), (4.0, 5.0, "F")]
    assert chord_acc(requested, [(0.0, 5.0, "C")]) == pytest.approx(0.8)
    assert chord_iou(requested, [(0.0, 5.0, "C")]) == pytest.approx(0.8 / 1.2)


def test_sevenths_and_basses_count_as_their_triad() -> None:
    assert chord_acc([(0.0, 1.0, "C7/E")], [(0.0, 1.0, "C")]) == 1.0
    assert chord_acc([(0.0, 1.0, "Cm7")], [(0.0, 1.0, "C")]) == 0.0
    # Recognisers that hear a bass beside the chord's notes are not punished for it.
    assert chord_acc([(0.0, 1.0, "C")], [(0.0, 1.0, "C/D")]) == 1.0
    assert chord_acc([(0.0, 1.0, "C")], [(0.0, 1.0, "Am7b5/G")]) == 0.0


def test_gaps_in_the_request_are_not_scored() -> None:
    requested = [(0.0, 1.0, "C"), (3.0, 4.0, "F")]
    assert chord_acc(requested, [(0.0, 2.0, "C"), (2.0, 3.0, "G"), (3.0, 4.0, "F")]) == 1.0


def test_nothing_recognised_is_no_chord() -> None:
    assert chord_acc([(0.0, 1.0, "C"), (1.0, 2.0, "N")], []) == 0.5
    assert chord_acc([(0.0, 2.0, "C")], [(0.0, 0.5, "C")]) == 0.25


def test_empty_requests_are_nan_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="no chord was requested"):
        assert math.isnan(chord_acc([], [(0.0, 1.0, "C")]))
    with pytest.warns(UserWarning, match="none of the requested chords"):
        assert math.isnan(chord_acc([(0.0, 1.0, "Cdim")], [(0.0, 1.0, "C")]))


def test_bad_labels_and_times_are_named() -> None:
    with pytest.raises(ValueError, match="H"):
        chord_acc([(0.0, 1.0, "H")], [])
    with pytest.raises(ValueError, match=r"begins at 0\.5 s"):
        chord_acc([(0.0, 1.0, "C"), (0.5, 2.0, "F")], [])
