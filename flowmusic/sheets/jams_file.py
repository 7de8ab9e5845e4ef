"""JAMS (Humphrey et al., ISMIR 2014): annotations of a recording as JSON, as corpora of music research have them.

Namespaces: ``chord`` (Harte's names), ``note_midi`` for the melody, ``beat`` (the value is the place in the bar),
``tempo``, ``key_mode``, ``segment_open`` for sections, ``onset`` for the drums.  Of several annotations of one
namespace the first is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

from flowmusic import limits
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.controls.vocabulary import NO_CHORD, ROOTS, UNKNOWN_CHORD, pitch_classes, split
from flowmusic.sheets.chordpro import key_in_words
from flowmusic.sheets.written import SheetError, label_of

SUFFIXES = (".jams",)
VERSION = "0.3.4"
"""Of the schema."""
_HARTE = {
    "": "maj", "m": "min", "7": "7", "maj7": "maj7", "m7": "min7", "m7b5": "hdim7", "6": "maj6", "m6": "min6",
    "dim": "dim", "aug": "aug",
}  # fmt: skip
_DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")


def of_json(data: Any) -> tuple[Annotations, list[str]]:
    """What a file says, and notices.  Raises: SheetError naming the namespace and row."""
    if not isinstance(data, dict) or not isinstance(data.get("annotations"), list):
        raise SheetError("it is no JAMS: a JSON object with 'annotations' is needed")
    notices: list[str] = []
    found: dict[str, list[tuple[float, float, Any]]] = {}
    for each in data["annotations"]:
        name = each.get("namespace") if isinstance(each, dict) else None
        if isinstance(name, str) and name not in found:
            found[name] = _rows(each.get("data"), name)
    about = data.get("file_metadata")
    seconds = about.get("duration") if isinstance(about, dict) else None
    chords = found.get("chord") or found.get("chord_harte")
    beats = found.get("beat") or found.get("beat_position")
    tempo = [value for _, _, value in found.get("tempo", []) if _number(value)]
    onsets = found.get("onset")
    sections = found.get("segment_open") or found.get("segment_salami_function") or []
    return Annotations(
        seconds=limits.number("time", float(seconds), "duration") if _number(seconds) and seconds > 0 else None,
        bpm=limits.number("bpm", float(tempo[0]), "tempo") if tempo else None,
        key=_key(found.get("key_mode", []), notices),
        beats=None if beats is None else tuple(time for time, _, _ in beats),
        downbeats=None if beats is None else tuple(time for time, _, value in beats if _place(value) == 1) or None,
        chords=None if chords is None else tuple(
            (time, time + long, label_of(str(value), f"chord {n + 1}", notices))
            for n, (time, long, value) in enumerate(chords)
            if long > 0
        ),
        melody=_notes(found.get("note_midi")),
        drums=None if onsets is None else DrumHits(tuple(sorted({time for time, _, _ in onsets}))),
        sections=tuple((t, t + long, str(value)[:60], "") for t, long, value in sections if long > 0) or None,
    ), notices  # fmt: skip


def _rows(data: Any, name: str) -> list[tuple[float, float, Any]]:
    """Time, duration and value; rows as objects, or columns as lists of old files."""
    if isinstance(data, dict) and all(isinstance(data.get(key), list) for key in ("time", "duration", "value")):
        data = [
            {"time": t, "duration": d, "value": v}
            for t, d, v in zip(data["time"], data["duration"], data["value"], strict=False)
        ]
    if not isinstance(data, list):
        raise SheetError(f"{name}: 'data' must be a list of observations")
    found = []
    for number, row in enumerate(data, start=1):
        if not isinstance(row, dict) or not _number(row.get("time")):
            raise SheetError(f"{name}, observation {number}: 'time' must be a number of seconds")
        duration = row.get("duration") or 0.0
        if not _number(duration) or row["time"] < 0 or duration < 0:
            raise SheetError(f"{name}, observation {number}: time and duration must be seconds from 0 upwards")
        found.append((float(row["time"]), float(duration), row.get("value")))
    return sorted(found, key=lambda row: row[0])


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _place(value: Any) -> int | None:
    place = value.get("position") if isinstance(value, dict) else value
    return round(place) if _number(place) else None


def _key(rows: list[tuple[float, float, Any]], notices: list[str]) -> str | None:
    for _, _, value in rows:
        try:
            return key_in_words(str(value).replace(":", " "))
        except ValueError:
            notices.append(f"the key {str(value)[:20]!r} is not read")
    return None


def _notes(rows: Iterable[tuple[float, float, Any]] | None) -> tuple[tuple[float, float, int], ...] | None:
    if rows is None:
        return None
    found: list[tuple[float, float, int]] = []
    for time, long, value in rows:
        if not _number(value) or not 0 <= value <= 127:
            raise SheetError(f"note_midi: {str(value)[:20]!r} is no MIDI number from 0 to 127")
        if found and found[-1][1] > time:
            found[-1] = (found[-1][0], time, found[-1][2])
        if long > 0:
            found.append((time, time + long, round(value)))
    return tuple(note for note in found if note[1] > note[0])


def to_json(annotations: Annotations, title: str | None = None, artist: str | None = None) -> dict[str, Any]:
    """The annotations as the content of a JAMS file."""
    seconds = annotations.seconds or 0.0
    found: list[dict[str, Any]] = []

    def add(namespace: str, rows: Iterable[tuple[float, float, Any]]) -> None:
        # The schema of JAMS takes a tempo with a number only: 1 is the whole of the belief in it.
        sure = 1.0 if namespace == "tempo" else None
        data = [{"time": t, "duration": d, "value": v, "confidence": sure} for t, d, v in rows]
        about = {"annotation_tools": "flowmusic", "data_source": "program"}
        found.append(
            {"namespace": namespace, "time": 0.0, "duration": seconds, "annotation_metadata": about, "data": data,
             "sandbox": {}}
        )  # fmt: skip

    if annotations.chords is not None:
        add("chord", ((start, end - start, harte(label)) for start, end, label in annotations.chords))
    if annotations.melody is not None:
        add("note_midi", ((start, end - start, midi) for start, end, midi in annotations.melody))
    if annotations.beats is not None:
        add("beat", _numbered(annotations))
    if annotations.drums is not None:
        add("onset", ((time, 0.0, 1) for time in annotations.drums.onsets))
    if annotations.bpm is not None:
        add("tempo", [(0.0, seconds, annotations.bpm)])
    if annotations.key is not None:
        add("key_mode", [(0.0, seconds, annotations.key.replace(" ", ":"))])
    if annotations.sections is not None:
        add("segment_open", ((start, end - start, name) for start, end, name, _ in annotations.sections))
    about = {"title": title or "", "artist": artist or "", "release": "", "duration": seconds, "identifiers": {},
             "jams_version": VERSION}  # fmt: skip
    return {"annotations": found, "file_metadata": about, "sandbox": {}}


def _numbered(annotations: Annotations) -> Iterable[tuple[float, float, int | None]]:
    """Beats with their place in the bar; None before the first bar."""
    downbeats = set(annotations.downbeats or ())
    place: int | None = None
    for time in annotations.beats or ():
        place = 1 if time in downbeats else None if place is None else place + 1
        yield time, 0.0, place


def harte(label: str) -> str:
    """A label as Harte et al. (ISMIR 2005) write it.

    >>> harte("Am7"), harte("C/E"), harte("N")
    ('A:min7', 'C:maj/3', 'N')
    """
    if label in (NO_CHORD, UNKNOWN_CHORD):
        return "N" if label == NO_CHORD else "X"
    chord = split(label)
    found = pitch_classes(label)
    assert chord is not None and found.root is not None
    name = f"{ROOTS[found.root]}:{_HARTE[chord.suffix]}"
    if found.bass is None or found.bass == found.root:
        return name
    return f"{name}/{_DEGREES[(found.bass - found.root) % 12]}"
