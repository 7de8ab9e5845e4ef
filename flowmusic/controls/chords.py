"""Chord text and chord changes to tracks of vocabulary ids, and back.

Text (see :func:`parse`) comes in two forms::

    C Am | F G | %        bars, see :mod:`flowmusic.controls.chord_text`; the whole repeats
    0:C 2.5:Am7 4:F/A     seconds: each chord holds until the next, the last to the end

A change ``(start_s, end_s, label)`` takes effect at the first frame n with n / frame_rate >= start_s (the rule of the
JASCO models); frames that no change covers are unknown.

>>> parse("C Am | F", seconds=4.0, bpm=120).changes
((0.0, 1.0, 'C'), (1.0, 2.0, 'Am'), (2.0, 4.0, 'F'))
>>> from flowmusic.types import FrameGrid
>>> from_track(to_track([(0.0, 1.0, "C:min"), (1.0, 2.0, "F")], FrameGrid.of_seconds(2, 25)))
((0.0, 1.0, 'Cm'), (1.0, 2.0, 'F'))
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmusic import limits
from flowmusic.controls import chord_text
from flowmusic.controls.harmony import REDUCTIONS, ChordError, canonical, shown
from flowmusic.controls.vocabulary import LABELS, NULL_ID, label_id
from flowmusic.units import first_frame_at_or_after, frame_to_seconds

if TYPE_CHECKING:
    from flowmusic.types import FrameGrid, Track

__all__ = [
    "REDUCTIONS",
    "Change",
    "ChordError",
    "ChordLine",
    "canonical",
    "from_track",
    "is_timed",
    "parse",
    "to_text",
    "to_track",
]

Change = tuple[float, float, str]
"""Start and end in seconds, and a label."""

_TIMED = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?)):(.*)", re.IGNORECASE)
_EPSILON_S = 1e-9


@dataclass(frozen=True)
class ChordLine:
    """A read chord text: ascending changes in seconds with vocabulary labels, and what the person should know."""

    changes: tuple[Change, ...]
    warnings: tuple[str, ...]


def is_timed(text: str) -> bool:
    """Whether the text is of the ``TIME:CHORD`` form, whose places do not depend on a tempo.

    Raises: ChordError for a text that holds no chords.
    """
    return any(_TIMED.fullmatch(token) for token in chord_text.timed_tokens(text)[0])


def parse(text: str, seconds: float, bpm: float = 120.0, beats_per_bar: float = 4) -> ChordLine:
    """Read a chord text for a clip.

    Args:
        text: bars or ``TIME:CHORD`` tokens, see the module's head; headings and words between them are skipped.
        seconds: length of the clip, which a progression in bars repeats to fill.
        bpm: beats a minute; places bars only.
        beats_per_bar: of the same beats.

    Raises: ChordError naming the chord and its bar and position, or its token and time.
    """
    for name, value in (("seconds", seconds), ("bpm", bpm), ("beats_per_bar", beats_per_bar)):
        if not (math.isfinite(value) and value > 0):
            raise ChordError(f"{name} must be a positive number, got {value}")
    tokens, sheet = chord_text.timed_tokens(text)
    if any(_TIMED.fullmatch(token) for token in tokens):
        return _parse_timed(tokens, seconds, sheet.notices)
    return _parse_bars(text, seconds, 60.0 / bpm * beats_per_bar)


def _parse_timed(tokens: list[str], seconds: float, notices: Sequence[str]) -> ChordLine:
    starts: list[float] = []
    labels: list[str] = []
    notes: list[str] = list(notices)
    for index, token in enumerate(tokens, start=1):
        match = _TIMED.fullmatch(token)
        if match is None:
            hint = "; write seconds with a point, as in 2.5:C" if re.match(r"\d+(,\d|$)", token) else ""
            raise ChordError(
                f"{shown(token)} (token {index}) has no time, but others have: "
                f"write every chord as TIME:CHORD, or all of them in bars{hint}"
            )
        start = float(match[1])
        if not (math.isfinite(start) and start >= 0):
            raise ChordError(f"{shown(token)} (token {index}): the time must be 0 or more seconds, got {match[1][:20]}")
        if re.fullmatch(r"\d\d(?:[:.].*)?", match[2]):
            raise ChordError(
                f"{shown(token)} (token {index}): times are seconds without minutes; write 75:C for a C at 1:15"
            )
        if starts and start <= starts[-1]:
            raise ChordError(
                f"{shown(token)} (token {index}): times must ascend, but {match[1][:20]} s follows {starts[-1]:g} s"
            )
        try:
            label, warning = canonical(match[2])
        except ChordError as error:
            raise ChordError(f"{error} (token {index}, at {start:g} s)") from None
        starts.append(start)
        labels.append(label)
        notes += [warning] if warning else []
    if starts[0] >= seconds:
        raise ChordError(
            f"the first chord {shown(tokens[0])} begins at {starts[0]:g} s, but the clip ends at {seconds:g} s"
        )
    late = sum(start >= seconds for start in starts)
    if late:
        notes.append(f"{late} chord(s) from {starts[-late]:g} s on lie beyond the clip's {seconds:g} s and are cut")
    ends = [*starts[1:], seconds]
    kept = [(s, min(e, seconds), label) for s, e, label in zip(starts, ends, labels, strict=True) if s < seconds]
    return ChordLine(_merge(kept), _unique(notes))


def _parse_bars(text: str, seconds: float, bar_s: float) -> ChordLine:
    read = chord_text.read_bars(text)
    bars, notices = read.bars, list(read.notices)
    total_s = len(bars) * bar_s
    if total_s > seconds + _EPSILON_S:
        notices.append(f"the {len(bars)} bars of chords last {total_s:g} s and are cut at the clip's {seconds:g} s")
    changes: list[Change] = []
    for number in range(math.ceil(seconds / bar_s - _EPSILON_S)):
        bar = bars[number % len(bars)]
        for position, label in enumerate(bar):
            start = (number + position / len(bar)) * bar_s
            end = (number + (position + 1) / len(bar)) * bar_s
            if start < seconds - _EPSILON_S:
                changes.append((start, min(end, seconds), label))
    return ChordLine(_merge(changes), _unique(notices))


def _merge(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Join neighbours that touch and have one label."""
    merged: list[Change] = []
    for start, end, label in changes:
        if merged and merged[-1][2] == label and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end, label)
        else:
            merged.append((start, end, label))
    return tuple(merged)


def _unique(notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))


def check_changes(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes as a tuple.  Raises: ChordError for times that are not finite, reversed, overlapping or unsorted."""
    checked: list[Change] = []
    for index, (start, end, label) in enumerate(changes):
        if not (limits.moments(start, end) and start <= end):
            raise ChordError(f"chord {index} ({label}): needs finite times with start <= end, got {start:g} to {end:g}")
        if checked and start < checked[-1][1] - _EPSILON_S:
            raise ChordError(
                f"chord {index} ({label}): begins at {start:g} s, before chord {index - 1} ends at {checked[-1][1]:g} s"
            )
        checked.append((float(start), float(end), label))
    return tuple(checked)


def to_track(changes: Iterable[Change], grid: FrameGrid) -> Track:
    """Ids per frame.

    Args:
        changes: ascending ``(start_s, end_s, label)``; any spelling that :func:`canonical` reads; times may lie
            before 0 or after the grid.

    Returns: Track with values ``[T]`` int64 (:data:`NULL_ID` where unknown) and known ``[T]``.
    Where several changes begin between two frames the last one wins.
    Raises: ChordError for unreadable labels and for times that overlap or descend.
    """
    import torch

    from flowmusic.types import Track

    values = torch.full((grid.length,), NULL_ID, dtype=torch.int64)
    for start, end, label in check_changes(changes):
        first = max(0, first_frame_at_or_after(start, grid.frame_rate))
        last = max(0, first_frame_at_or_after(end, grid.frame_rate))
        values[first:last] = label_id(canonical(label).label)
    return Track(values, values != NULL_ID, grid)


def from_track(track: Track) -> tuple[Change, ...]:
    """Changes of the known frames of an unbatched (or batch of one) chord track, equal neighbours joined."""
    import torch

    from flowmusic.controls.tracks import runs, single

    track = single(track)
    ids = torch.where(track.known, track.values, NULL_ID)
    if int(ids.min()) < 0 or int(ids.max()) > NULL_ID:
        raise ChordError(f"chord ids must be 0-{NULL_ID}, got {int(ids.min())} to {int(ids.max())}")
    rate = track.grid.frame_rate
    return tuple(
        (frame_to_seconds(first, rate), frame_to_seconds(last, rate), LABELS[value])
        for first, last, value in runs(ids)
        if value != NULL_ID
    )


def to_text(changes: Iterable[Change]) -> str:
    """``TIME:CHORD`` text that :func:`parse` reads back, for a clip that ends with the last change.

    Raises: ChordError if the changes are empty or leave a gap, which the text cannot say.
    """
    checked = check_changes(changes)
    if not checked:
        raise ChordError("there are no chord changes to write as text")
    for (_, end, before), (start, _, label) in zip(checked, checked[1:], strict=False):
        if start > end + _EPSILON_S:
            raise ChordError(
                f"chord text has no gaps, but {before} ends at {end:g} s and {label} begins at {start:g} s"
            )
    return " ".join(f"{_number(start)}:{label}" for start, _, label in checked)


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
