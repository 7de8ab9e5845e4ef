"""Annotations at other times: on another tempo, on the beats of other music, or one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.controls.beats import Changing


def retimed(annotations: Annotations, move: Callable[[float], float]) -> Annotations:
    """Everything at the time that ``move`` gives for its own, which must ascend; what then lasts no time is left out.

    The tempo is that of the moved beats (their median), or nothing where there are none.

    >>> retimed(Annotations(4.0, chords=((0.0, 4.0, "C"),), beats=(0.0, 1.0)), lambda time: 2.0 * time)
    Annotations(seconds=8.0, bpm=30.0, beats=(0.0, 2.0), chords=((0.0, 8.0, 'C'),))
    """

    def times(given: Sequence[float] | None) -> tuple[float, ...] | None:
        return None if given is None else tuple(move(time) for time in given)

    def spans(given: Sequence[Sequence[Any]] | None) -> tuple[Any, ...] | None:
        if given is None:
            return None
        moved = ((move(start), move(end), *what) for start, end, *what in given)
        return tuple(span for span in moved if span[1] > span[0])

    drums = annotations.drums
    if drums is not None:
        classes = {name: times(hits) or () for name, hits in (drums.classes or {}).items()}
        drums = DrumHits(times(drums.onsets) or (), None if drums.classes is None else classes)
    beats = times(annotations.beats)
    bpm = None if beats is None or len(beats) < 2 else float(60.0 / np.median(np.diff(beats)))
    return replace(
        annotations,
        seconds=None if annotations.seconds is None else move(annotations.seconds),
        bpm=bpm,
        beats=beats,
        downbeats=times(annotations.downbeats),
        chords=spans(annotations.chords),
        melody=spans(annotations.melody),
        drums=drums,
        sections=spans(annotations.sections),
    )


def faster(annotations: Annotations, times: float) -> Annotations:
    """Everything ``times`` as fast, and its tempo so many times as high."""
    moved = retimed(annotations, lambda time: time / times)
    return replace(moved, bpm=None if annotations.bpm is None else annotations.bpm * times)


def onto(beats: Sequence[float], others: Sequence[float]) -> Callable[[float], float]:
    """The way from times among some beats to the same places among others: the first on the first, and so on.

    Between beats, and before and behind them, times go on at the tempo there.

    >>> move = onto((0.0, 1.0, 2.0), (10.0, 10.5, 11.0))
    >>> move(0.5), move(4.0)
    (10.25, 12.0)

    Raises: ValueError for fewer than two beats.
    """
    if min(len(beats), len(others)) < 2:
        raise ValueError("two beats or more are needed on both sides to tell a place between them")
    own, new = Changing(tuple(beats)), Changing(tuple(others))
    # Times are told to a hundredth of a microsecond, so that a bar line stays on its own side of a frame's edge.
    return lambda time: round(new.seconds(own.count(time)), 8)


def joined(parts: Sequence[Annotations]) -> Annotations:
    """Recordings one after the other; each must say how long it lasts.

    A control that some do not know is known where the others do: of melody and drums, that is silence in the rest.
    Raises: ValueError for no parts, or one of unknown length.
    """
    if not parts or any(part.seconds is None for part in parts):
        raise ValueError("parts can be put one after the other where each says how long it lasts")
    moved, at = [], 0.0
    for part in parts:
        start = at
        moved.append(replace(retimed(part, lambda time, start=start: time + start), bpm=part.bpm))  # type: ignore[misc]
        at = start + (part.seconds or 0.0)

    def all_of(name: str) -> tuple[Any, ...] | None:
        known = [value for part in moved if (value := getattr(part, name)) is not None]
        return tuple(each for value in known for each in value) if known else None

    hits = [part.drums for part in moved if part.drums is not None]
    kinds = dict.fromkeys(kind for each in hits for kind in (each.classes or {}))
    classes = {kind: tuple(t for each in hits for t in (each.classes or {}).get(kind, ())) for kind in kinds}
    drums = DrumHits(tuple(time for each in hits for time in each.onsets), classes or None) if hits else None
    joined: dict[str, Any] = {name: all_of(name) for name in ("beats", "downbeats", "chords", "melody", "sections")}
    return replace(moved[0], seconds=at, drums=drums, **joined)
