"""What the values of a ``controls.json`` must look like; every message names the key and the index."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

from flowmusic.controls import beats as beat_tracks
from flowmusic.controls import chords as chord_tracks
from flowmusic.controls import melody as melody_tracks
from flowmusic.controls.drums import BAND_OF_CLASS
from flowmusic.controls.notices import notice

T = TypeVar("T")


class SheetError(ValueError):
    """A controls.json that cannot be used; the message names the file, the key and the index."""


def optional(value: Any, read: Callable[[Any], T]) -> T | None:
    """None stays None; anything else is read."""
    return None if value is None else read(value)


def shown(value: Any) -> str:
    """A value as it stands in the file, shortened."""
    return f"{json.dumps(value, default=str)[:60]}"


def refuse_constant(name: str) -> float:
    """For ``json.loads``, which would let NaN and Infinity pass."""
    raise SheetError(f"{name} is not a number that JSON allows; remove it")


def number(value: Any, place: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise SheetError(f"{place} must be a number, got {shown(value)}")
    return float(value)


def frame_rate(value: Any) -> Fraction:
    """Frames per second, as a number or as text such as ``75/2``."""
    try:
        rate = Fraction(value if isinstance(value, str) else number(value, "frame_rate"))
    except (ValueError, ZeroDivisionError):
        raise SheetError(f"frame_rate must be frames per second such as 25 or '75/2', got {shown(value)}") from None
    rate = rate.limit_denominator(10**6)
    if rate <= 0:
        raise SheetError(f"frame_rate must be positive, got {shown(value)}")
    return rate


def bpm(value: Any) -> float:
    """A tempo of 20-400 beats a minute."""
    try:
        return beat_tracks.check_bpm(number(value, "bpm"))
    except SheetError:
        raise
    except ValueError as error:
        raise SheetError(str(error)) from None


def share(value: Any, place: str) -> float:
    """A number in 0..1."""
    checked = number(value, place)
    if not 0.0 <= checked <= 1.0:
        raise SheetError(f"{place} must be from 0 to 1, got {checked:g}")
    return checked


def _rows(value: Any, key: str, width: int, like: str) -> list[list[Any]]:
    if not isinstance(value, list):
        raise SheetError(f"{key} must be a list of {like}, got {shown(value)}")
    for index, row in enumerate(value):
        if not isinstance(row, list) or len(row) != width:
            raise SheetError(f"{key}[{index}] must be {like}, got {shown(row)}")
    return value


def times(value: Any, key: str) -> tuple[float, ...]:
    """Ascending seconds."""
    if not isinstance(value, list):
        raise SheetError(f"{key} must be a list of seconds, got {shown(value)}")
    checked = tuple(number(time, f"{key}[{index}]") for index, time in enumerate(value))
    for index in range(1, len(checked)):
        if checked[index] <= checked[index - 1]:
            raise SheetError(
                f"{key}[{index}] = {checked[index]:g} must come after {key}[{index - 1}] = {checked[index - 1]:g}"
            )
    return checked


def _span(row: list[Any], place: str, after: float) -> tuple[float, float]:
    start, end = number(row[0], f"{place}[0]"), number(row[1], f"{place}[1]")
    if start < 0 or end <= start:
        raise SheetError(f"{place} must have 0 <= start < end, got {start:g} to {end:g}")
    if start < after - 1e-6:
        raise SheetError(f"{place} begins at {start:g} s, before the one above it ends at {after:g} s")
    return start, end


def chords(value: Any) -> tuple[chord_tracks.Change, ...]:
    """Rows ``[start, end, label]`` in time order; labels become canonical, with a notice where one is reduced."""
    changes: list[chord_tracks.Change] = []
    for index, row in enumerate(_rows(value, "chords", 3, "[start, end, label]")):
        place = f"chords[{index}]"
        start, end = _span(row, place, changes[-1][1] if changes else 0.0)
        if not isinstance(row[2], str):
            raise SheetError(f"{place}[2] must be a chord name, got {shown(row[2])}")
        try:
            label, warning = chord_tracks.canonical(row[2])
        except chord_tracks.ChordError as error:
            raise SheetError(f"{place}: {error}") from None
        if warning:
            notice(f"{place}: {warning}")
        changes.append((start, end, label))
    return tuple(changes)


def melody(value: Any) -> tuple[melody_tracks.Note, ...]:
    """Rows ``[start, end, midi]`` in time order."""
    notes: list[melody_tracks.Note] = []
    for index, row in enumerate(_rows(value, "melody", 3, "[start, end, midi]")):
        place = f"melody[{index}]"
        start, end = _span(row, place, notes[-1][1] if notes else 0.0)
        midi = number(row[2], f"{place}[2]")
        if midi != round(midi) or not 0 <= midi <= 127:
            raise SheetError(f"{place}[2] must be a whole MIDI number 0-127, got {shown(row[2])}")
        notes.append((start, end, int(midi)))
    return tuple(notes)


Hits = Mapping[str, tuple[float, ...]]
"""Onset times in seconds by class of drum."""


def drums(value: Any) -> tuple[tuple[float, ...] | None, str | None, Hits | None]:
    """Onsets, the stem's file name and onsets by class, all optional."""
    if value is None:
        return None, None, None
    if not isinstance(value, dict) or set(value) - {"onsets", "stem", "classes"}:
        raise SheetError(f"drums must be an object with onsets and stem, and classes if known, got {shown(value)}")
    stem = value.get("stem")
    if stem is not None and (not isinstance(stem, str) or not stem.strip()):
        raise SheetError(f"drums.stem must be a file name beside the JSON, or null, got {shown(stem)}")
    onsets = optional(value.get("onsets"), lambda given: times(given, "drums.onsets"))
    classes = optional(value.get("classes"), _drum_classes)
    if classes is not None and onsets is None:
        raise SheetError("drums.classes needs drums.onsets: it only says which of them are kicks, snares and hats")
    return onsets, stem, classes


def _drum_classes(value: Any) -> Hits:
    known = ", ".join(BAND_OF_CLASS)
    if not isinstance(value, dict):
        raise SheetError(f"drums.classes must be an object with any of {known}, got {shown(value)}")
    for name in value:
        if name not in BAND_OF_CLASS:
            raise SheetError(f"drums.classes has no {name!r}; the classes are {known}")
    return {name: times(given, f"drums.classes.{name}") for name, given in value.items()}
