"""Chord adherence bar by bar: where a take left its chords."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from flowmusic.controls.beats import bar_edges
from flowmusic.metrics.chords import chord_acc

SLIVER_S = 0.05
"""Written chords snap to frames of 40 ms, so that one may reach into the next bar."""


@dataclass(frozen=True)
class Bar:
    """A bar in seconds, the chords asked for and heard in it, and their agreement in 0..1 (None: not comparable).

    ``number`` counts the bars of the piece from 1 (:func:`flowmusic.controls.beats.bar_edges`).
    """

    start: float
    end: float
    asked: tuple[str, ...]
    heard: tuple[str, ...]
    agreement: float | None
    number: int = 1


def by_bar(
    requested: Sequence[Sequence], recognised: Sequence[Sequence], downbeats: Sequence[float], end_s: float
) -> list[Bar]:
    """Agreement of every bar that has a requested chord; what lies before the first downbeat is a bar as well.

    Args:
        requested, recognised: ``(start [s], end [s], label)``, see :mod:`flowmusic.metrics.chords`.
        downbeats: ascending times in seconds.
        end_s: of the last bar.

    >>> asked, heard = [(0.0, 2.0, "C"), (2.0, 4.0, "Am")], [(0.0, 3.0, "C"), (3.0, 4.0, "Am")]
    >>> [(bar.start, bar.agreement) for bar in by_bar(asked, heard, downbeats=[0.0, 2.0], end_s=4.0)]
    [(0.0, 1.0), (2.0, 0.5)]
    """
    edges = bar_edges(downbeats, end_s)
    found = []
    for number, (start, end) in enumerate(zip(edges, edges[1:], strict=False), start=1):
        asked, heard = within(requested, start, end), within(recognised, start, end)
        if not asked:
            continue
        with warnings.catch_warnings():
            # A bar of diminished chords has no score, and says so by None.
            warnings.simplefilter("ignore", UserWarning)
            agreement = chord_acc(asked, heard)
        wanted, got = (tuple(label for _, _, label in spans) for spans in (asked, heard))
        found.append(Bar(start, end, wanted, got, None if math.isnan(agreement) else agreement, number))
    return found


def within(spans: Sequence[Sequence], start: float, end: float) -> list[tuple[float, float, str]]:
    """The parts of spans that lie in a stretch of time; slivers are dropped."""
    cut = [(max(float(s), start), min(float(e), end), str(label)) for s, e, label in spans]
    return [span for span in cut if span[1] - span[0] > SLIVER_S]
