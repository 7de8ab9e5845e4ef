"""Chord adherence bar by bar."""

from __future__ import annotations

import pytest

from flowmusic.metrics.bars import by_bar


def test_bars_cut_chords_and_score_each() -> None:
    asked = [(0.0, 3.0, "C"), (3.0, 4.0, "Am"), (4.0, 6.0, "Bdim")]
    heard = [(0.0, 1.0, "C"), (1.0, 2.5, "G"), (2.5, 6.0, "Am")]
    bars = by_bar(asked, heard, [2.0, 4.0], 6.0)
    assert [(bar.start, bar.end) for bar in bars] == [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)]
    assert bars[1].asked == ("C", "Am") and bars[1].heard == ("G", "Am")
    assert [bar.agreement for bar in bars[:2]] == pytest.approx([0.5, 0.5])
    assert bars[2].agreement is None  # diminished chords are outside of maj/min


def test_an_upbeat_is_a_bar_and_bars_without_a_request_are_not() -> None:
    bars = by_bar([(0.0, 2.5, "C")], [(0.0, 9.0, "C")], [0.5, 2.5, 4.5], 6.0)
    assert [(bar.start, bar.end, bar.agreement) for bar in bars] == [(0.0, 0.5, 1.0), (0.5, 2.5, 1.0)]
    # A downbeat at the very beginning or end makes no sliver.
    assert len(by_bar([(0.0, 4.0, "C")], [], [0.0, 2.0, 3.99], 4.0)) == 2
    assert by_bar([], [(0.0, 4.0, "C")], [0.0, 2.0], 4.0) == []
