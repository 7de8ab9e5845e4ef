"""Labels files: the exact annotations of a recording as data sets, the corpus and MIDI readers write them.

A JSON object with any of ``seconds``, ``bpm``, ``meter``, ``key`` with ``mode``, ``beats`` [s], ``downbeats`` [s],
``chords`` [[start, end, label]], ``melody`` [[start, end, midi]], ``drums`` {``onsets`` [s], ``classes`` {``kick``,
``snare``, ``hat``: [s]}} and ``captions`` or ``caption``; whatever else stands there is for other readers.  Such files
are also written by hand, so they are read more leniently than ``controls.json``: hits may come in any order, and
classes of drums that are no control are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowmusic import limits, plain
from flowmusic.annotations import checks
from flowmusic.annotations.annotation import DRUM_CLASSES, Annotations, Chord, DrumHits, Note
from flowmusic.controls.chords import check_changes
from flowmusic.controls.harmony import canonical
from flowmusic.controls.notices import notice


def labels_of(path: str | Path) -> Annotations:
    """The annotations in a labels file.

    Raises: ValueError naming the file if it holds none.  Warns: ControlNotice for chords that are reduced.
    """
    return of_record(read_record(path), path)


def read_record(path: str | Path) -> Mapping[str, Any]:
    """The whole content of a labels file.  Raises: ValueError naming the file if it is none."""
    try:
        parsed = plain.read_json(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"labels {plain.shown(path)} cannot be read: {plain.reason(error, 300)}") from None
    if not isinstance(parsed, dict):
        raise ValueError(f"labels {plain.shown(path)} must hold a JSON object, got {type(parsed).__name__}")
    return parsed


def of_record(record: Mapping[str, Any], place: str | Path) -> Annotations:
    """The annotations in what was read from ``place``.

    Raises: ValueError naming the place.  Warns: ControlNotice for chords that are reduced.
    """
    try:
        seconds = record.get("seconds")
        return Annotations(
            seconds=None if seconds is None else limits.number("time", seconds, "seconds"),
            text=_text(record),
            bpm=_tempo(record.get("bpm")),
            meter=_word(record.get("meter")),
            key=" ".join(word for word in map(_word, (record.get("key"), record.get("mode"))) if word) or None,
            beats=checks.optional(record.get("beats"), lambda value: checks.times(value, "beats")),
            downbeats=checks.optional(record.get("downbeats"), lambda value: checks.times(value, "downbeats")),
            chords=checks.optional(record.get("chords"), _chords),
            melody=checks.optional(record.get("melody"), _melody),
            drums=_drums(record.get("drums")),
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"labels {plain.shown(place)}: {plain.reason(error, 300)}") from None


def _chords(value: Any) -> tuple[Chord, ...]:
    found = []
    for index, row in enumerate(checks.rows(value, "chords", 3, "[start, end, label]")):
        place = f"chords[{index}]"
        if not isinstance(row[2], str):
            raise checks.SheetError(f"{place}[2] must be a chord name, got {checks.shown(row[2])}")
        label, warning = canonical(row[2])
        if warning:
            notice(f"{place}: {warning}")
        found.append((checks.time(row[0], f"{place}[0]"), checks.time(row[1], f"{place}[1]"), label))
    return check_changes(found)


def _melody(value: Any) -> tuple[Note, ...]:
    found = []
    for index, row in enumerate(checks.rows(value, "melody", 3, "[start, end, midi]")):
        start, end, midi = (checks.time(each, f"melody[{index}][{place}]") for place, each in enumerate(row))
        if not start < end:
            raise checks.SheetError(f"melody[{index}] must have start < end, got {start:g} to {end:g}")
        found.append((start, end, limits.whole("pitch", round(midi), f"melody[{index}][2]")))
    return tuple(found)


def _drums(value: Any) -> DrumHits | None:
    if not isinstance(value, Mapping) or value.get("onsets") is None:
        return None
    classes = value.get("classes") or {}
    if not isinstance(classes, Mapping):
        raise checks.SheetError(f"drums.classes must be an object, got {checks.shown(classes)}")
    return DrumHits(
        _sorted(value["onsets"], "drums.onsets"),
        {name: _sorted(classes[name], f"drums.classes.{name}") for name in DRUM_CLASSES if name in classes},
    )


def _sorted(value: Any, key: str) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise checks.SheetError(f"{key} must be a list of seconds, got {checks.shown(value)}")
    return tuple(sorted(checks.time(each, f"{key}[{index}]") for index, each in enumerate(value)))


def _text(record: Mapping[str, Any]) -> str | None:
    captions = record.get("captions") or record.get("caption")
    return _word(captions[0] if isinstance(captions, list) else captions)


def _tempo(value: Any) -> float | None:
    """A tempo that nobody feels as one is none: it decides nothing, so it is no reason to refuse a file."""
    try:
        return None if value is None else limits.number("bpm", value)
    except limits.LimitError:
        return None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None
