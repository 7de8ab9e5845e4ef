"""What the values of a ``controls.json`` or of labels must look like; every message names the key and the index."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

from flowmusic import beside, limits
from flowmusic.annotations.annotation import DRUM_CLASSES, Chord, DrumHits, Note
from flowmusic.controls.harmony import ChordError, canonical
from flowmusic.controls.notices import notice

T = TypeVar("T")


class SheetError(ValueError):
    """A controls.json that cannot be used; the message names the file, the key and the index."""


def optional(value: Any, read: Callable[[Any], T]) -> T | None:
    """None stays None; anything else is read."""
    return None if value is None else read(value)


def shown(value: Any) -> str:
    """A value as it stands in the file, shortened."""
    if isinstance(value, int) and not isinstance(value, bool):
        return limits.shown(value)
    return f"{json.dumps(value, default=str)[:60]}"


def number(value: Any, place: str) -> float:
    """A finite number."""
    # Compared, for a whole number may be too large to be made a float of.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise SheetError(f"{place} must be a number, got {shown(value)}")
    return float(value)


def frame_rate(value: Any) -> Fraction:
    """Frames per second, as a number or as text such as ``75/2``."""
    try:
        return limits.frame_rate(value)
    except limits.LimitError as error:
        raise SheetError(str(error)) from None


def seconds(value: Any) -> float:
    """The length of a recording."""
    return _limited("recording", number(value, "seconds"), "seconds")


def time(value: Any, place: str) -> float:
    """A moment of a recording."""
    return _limited("time", number(value, place), place)


def _limited(name: str, value: float, place: str) -> float:
    try:
        return limits.number(name, value, place)
    except limits.LimitError as error:
        raise SheetError(str(error)) from None


def bpm(value: Any) -> float:
    """A tempo of 20-400 beats a minute."""
    return _limited("bpm", number(value, "bpm"), "bpm")


def share(value: Any, place: str) -> float:
    """A part of a whole, 0..1."""
    return _limited("share", number(value, place), place)


def rows(value: Any, key: str, width: int, like: str) -> list[list[Any]]:
    """A list of lists of ``width`` values, which ``like`` shows."""
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
    checked = tuple(time(each, f"{key}[{index}]") for index, each in enumerate(value))
    for index in range(1, len(checked)):
        if checked[index] <= checked[index - 1]:
            raise SheetError(
                f"{key}[{index}] = {checked[index]:g} must come after {key}[{index - 1}] = {checked[index - 1]:g}"
            )
    return checked


def _span(row: list[Any], place: str, after: float) -> tuple[float, float]:
    start, end = time(row[0], f"{place}[0]"), time(row[1], f"{place}[1]")
    if start < 0 or end <= start:
        raise SheetError(f"{place} must have 0 <= start < end, got {start:g} to {end:g}")
    if start < after - 1e-6:
        raise SheetError(f"{place} begins at {start:g} s, before the one above it ends at {after:g} s")
    return start, end


def chords(value: Any) -> tuple[Chord, ...]:
    """Rows ``[start, end, label]`` in time order; labels become canonical, with a notice where one is reduced."""
    changes: list[Chord] = []
    for index, row in enumerate(rows(value, "chords", 3, "[start, end, label]")):
        place = f"chords[{index}]"
        start, end = _span(row, place, changes[-1][1] if changes else 0.0)
        if not isinstance(row[2], str):
            raise SheetError(f"{place}[2] must be a chord name, got {shown(row[2])}")
        try:
            label, warning = canonical(row[2])
        except ChordError as error:
            raise SheetError(f"{place}: {error}") from None
        if warning:
            notice(f"{place}: {warning}")
        changes.append((start, end, label))
    return tuple(changes)


def melody(value: Any) -> tuple[Note, ...]:
    """Rows ``[start, end, midi]`` in time order."""
    notes: list[Note] = []
    for index, row in enumerate(rows(value, "melody", 3, "[start, end, midi]")):
        place = f"melody[{index}]"
        start, end = _span(row, place, notes[-1][1] if notes else 0.0)
        notes.append((start, end, int(_limited("pitch", number(row[2], f"{place}[2]"), f"{place}[2]"))))
    return tuple(notes)


def drums(value: Any) -> tuple[DrumHits | None, str | None]:
    """Onsets with their classes, and the stem's file name, all optional."""
    if value is None:
        return None, None
    if not isinstance(value, dict) or set(value) - {"onsets", "stem", "classes"}:
        raise SheetError(f"drums must be an object with onsets and stem, and classes if known, got {shown(value)}")
    stem = optional(value.get("stem"), _stem)
    onsets = optional(value.get("onsets"), lambda given: times(given, "drums.onsets"))
    classes = optional(value.get("classes"), _drum_classes)
    if onsets is not None:
        return DrumHits(onsets, classes), stem
    if classes is not None:
        raise SheetError("drums.classes needs drums.onsets: it only says which of them are kicks, snares and hats")
    return None, stem


def _stem(value: Any) -> str:
    """The name of a file beside the JSON (:mod:`flowmusic.beside`)."""
    try:
        return beside.relative(value, "drums.stem")
    except beside.StrayName:
        raise SheetError(f"drums.stem must be a file name beside the JSON, or null, got {shown(value)}") from None


def _drum_classes(value: Any) -> dict[str, tuple[float, ...]]:
    known = ", ".join(DRUM_CLASSES)
    if not isinstance(value, dict):
        raise SheetError(f"drums.classes must be an object with any of {known}, got {shown(value)}")
    for name in value:
        if name not in DRUM_CLASSES:
            raise SheetError(f"drums.classes has no {name!r}; the classes are {known}")
    return {name: times(given, f"drums.classes.{name}") for name, given in value.items()}
