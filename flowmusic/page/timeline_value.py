"""The value of the page's timeline: annotations as JSON, and what is shown beside them.

A browser sends the value back, so everything in it may be wrong: sizes are limited, numbers finite and within
:mod:`flowmusic.limits`, names of fields known, and chords read by the grammar of :mod:`flowmusic.controls`.

>>> asked = Annotations(seconds=8.0, bpm=120.0, chords=((0.0, 4.0, "C"), (4.0, 8.0, "Am")))
>>> value = to_value(asked, region=(2, 3))
>>> value["annotations"]["chords"], value["beats_per_bar"], value["region"]
([[0.0, 4.0, 'C'], [4.0, 8.0, 'Am']], 4, [2, 3])
>>> from_value(value) == asked
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from flowmusic import limits, plain
from flowmusic.annotations import checks
from flowmusic.annotations.annotation import Annotations, DrumHits, Section
from flowmusic.controls import TRACKS
from flowmusic.controls.chord_text import read_bars
from flowmusic.controls.chords import is_timed, parse
from flowmusic.controls.harmony import ChordError
from flowmusic.controls.meter import parse_meter

T = TypeVar("T")

DEFAULT_BPM = 120.0
MOST_EVENTS = 20_000
"""Chords, notes, hits, beats or sections of one lane: an hour of sixteenth notes at 80 beats a minute."""
MOST_PEAKS = 20_000
"""Values of a drawn waveform; a screen has some 2000 columns."""
MOST_NAME, MOST_WORDS, MOST_ADDRESS = 200, 10_000, 4096
"""Characters of a section's name, of words, and of the address of a recording."""

DEPTH = 8
"""Levels of lists and objects in one another."""

FIELDS = ("annotations", "recognised", "waveform", "audio", "seconds", "bpm", "beats_per_bar", "region")
"""Of the value.  Those of annotations are :class:`~flowmusic.annotations.annotation.Annotations`'."""
_ANNOTATIONS = tuple(Annotations.__dataclass_fields__)
_TIMES_ONLY = ("seconds", "bpm", "beats_per_bar")


class TimelineError(ValueError):
    """A value of the timeline that cannot be used; the message names the field and what is allowed."""


@dataclass(frozen=True)
class Edited:
    """A value of the timeline, checked.

    Attributes:
        annotations: what is asked for.
        recognised: what was heard in the chosen take, or None.
        seconds: how long the timeline is.
        bpm, beats_per_bar: its grid, whose first bar begins at 0 s.
        region: numbers of the first and the last bar to be made anew, from 1; None for no region.
        waveform: peaks of the chosen take, 0..1, evenly spaced.
        audio: the address of the chosen take.
    """

    annotations: Annotations
    recognised: Annotations | None
    seconds: float
    bpm: float
    beats_per_bar: int
    region: tuple[int, int] | None = None
    waveform: tuple[float, ...] | None = None
    audio: str | None = None

    @property
    def bar_seconds(self) -> float:
        return self.beats_per_bar * 60.0 / self.bpm

    def region_seconds(self) -> tuple[float, float] | None:
        """Start and end of the region in seconds, no later than the timeline's end.

        >>> read(to_value(Annotations(seconds=7.0), region=(2, 4))).region_seconds()
        (2.0, 7.0)
        """
        if self.region is None:
            return None
        first, last = self.region
        return (first - 1) * self.bar_seconds, min(last * self.bar_seconds, self.seconds)


def to_value(
    annotations: Annotations,
    *,
    recognised: Annotations | None = None,
    waveform: Sequence[float] | None = None,
    audio: str | None = None,
    seconds: float | None = None,
    bpm: float | None = None,
    beats_per_bar: int | None = None,
    region: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """The value that shows these annotations.

    Args:
        annotations: what is asked for.
        recognised: what was heard in the chosen take.
        waveform: peaks 0..1 of that take, about 2000.
        audio: its address on the page's own server.
        seconds: length of the timeline; by default that of the annotations.
        bpm, beats_per_bar: its grid; by default the annotations', or 120 and 4.
        region: first and last bar, from 1.

    Raises: TimelineError for what :func:`read` would refuse.
    """
    if beats_per_bar is None:
        beats_per_bar = 4 if annotations.meter is None else _meter(annotations.meter).beats_per_bar
    length = annotations.seconds if seconds is None else seconds
    if length is None:
        raise TimelineError("the timeline needs a length: give seconds, or annotations that have them")
    value = {
        "annotations": _plain(annotations),
        "recognised": None if recognised is None else _plain(recognised),
        "waveform": None if waveform is None else [round(float(peak), 4) for peak in waveform],
        "audio": audio,
        "seconds": length,
        "bpm": bpm or annotations.bpm or DEFAULT_BPM,
        "beats_per_bar": beats_per_bar,
        "region": None if region is None else list(region),
    }
    read(value)
    return value


def from_value(value: Any) -> Annotations:
    """What is asked for.  Raises: TimelineError as :func:`read`."""
    return read(value).annotations


def read(value: Any) -> Edited:
    """A value of the timeline, checked whole.

    Raises: TimelineError of one line naming the field, what was given and what is allowed.

    >>> read({"annotations": {}, "seconds": 4, "bpm": 1e9, "beats_per_bar": 4})
    Traceback (most recent call last):
    flowmusic.page.timeline_value.TimelineError: timeline: bpm must be a number of beats a minute from 20 to 400, ...
    """
    try:
        return _read(value)
    except TimelineError as error:
        raise TimelineError(plain.shortened(f"timeline: {error}")) from None
    except (checks.SheetError, ChordError, limits.LimitError) as error:
        raise TimelineError(plain.shortened(f"timeline: {plain.reason(error, 460)}")) from None


def _read(value: Any) -> Edited:
    _shallow(value)
    _fields(value, "the value", FIELDS)
    for name in ("annotations", *_TIMES_ONLY):
        if value.get(name) is None:
            raise TimelineError(f"the field {name!r} is missing")
    seconds = limits.number("seconds", value["seconds"], "seconds")
    bpm = limits.number("bpm", value["bpm"], "bpm")
    beats_per_bar = limits.whole("meter_beats", value["beats_per_bar"], "beats_per_bar")
    bars = math.ceil(seconds * bpm / 60.0 / beats_per_bar - 1e-6)
    return Edited(
        _annotations(value["annotations"], "annotations"),
        _optional(value.get("recognised"), lambda given: _annotations(given, "recognised")),
        seconds,
        bpm,
        beats_per_bar,
        _optional(value.get("region"), lambda given: _region(given, bars)),
        _optional(value.get("waveform"), _peaks),
        _optional(value.get("audio"), lambda given: _text(given, "audio", MOST_ADDRESS)),
    )


def at_tempo(annotations: Annotations, old: float, new: float) -> Annotations:
    """The same music at another tempo: every time is moved to where its beat is then.

    >>> at_tempo(Annotations(seconds=4.0, bpm=120.0, chords=((0.0, 2.0, "C"), (2.0, 4.0, "F"))), 120.0, 60.0)
    Annotations(seconds=8.0, bpm=60.0, chords=((0.0, 4.0, 'C'), (4.0, 8.0, 'F')))
    """
    factor = limits.number("bpm", old, "bpm") / limits.number("bpm", new, "bpm")

    def moved(times: Iterable[float] | None) -> tuple[float, ...] | None:
        return None if times is None else tuple(time * factor for time in times)

    def spans(rows: Iterable[Sequence[Any]] | None) -> Any:
        return None if rows is None else tuple((s * factor, e * factor, *rest) for s, e, *rest in rows)

    drums = annotations.drums
    if drums is not None:
        classes = None if drums.classes is None else {name: moved(times) or () for name, times in drums.classes.items()}
        drums = DrumHits(moved(drums.onsets) or (), classes)
    return replace(
        annotations,
        seconds=None if annotations.seconds is None else annotations.seconds * factor,
        bpm=None if annotations.bpm is None else new,
        beats=moved(annotations.beats),
        downbeats=moved(annotations.downbeats),
        chords=spans(annotations.chords),
        melody=spans(annotations.melody),
        drums=drums,
        sections=spans(annotations.sections),
    )


def read_chords(request: Any) -> dict[str, Any]:
    """Typed chords as labels of the vocabulary, for the script of the timeline.

    Args:
        request: ``text``, and ``seconds``, ``bpm`` and ``beats_per_bar`` of the timeline.

    Returns: ``bars``, a list of labels for each, or ``changes`` in seconds where the text gives times; and ``notices``.
    ``error`` alone where it cannot be read.

    >>> asked = {"seconds": 8.0, "bpm": 120.0, "beats_per_bar": 4}
    >>> read_chords({"text": "C Am | Fmaj9", **asked})["bars"]
    [['C', 'Am'], ['Fmaj7']]
    >>> read_chords({"text": "H7", **asked})
    {'error': "chord 'H7' does not begin with a note A-G (or N for no chord); ..."}
    """
    try:
        _fields(request, "the request", ("text", *_TIMES_ONLY))
        text = _text(request.get("text"), "text", MOST_WORDS)
        if is_timed(text):
            grid = [limits.number(row, request.get(name), name) for row, name in _GRID]
            timed = parse(text, *grid)
            return {"changes": [list(change) for change in timed.changes], "notices": list(timed.warnings)}
        found = read_bars(text)
        return {"bars": [list(bar) for bar in found.bars[:MOST_EVENTS]], "notices": list(found.notices)}
    except (TimelineError, ChordError, limits.LimitError) as error:
        return {"error": plain.reason(error, 400)}


_GRID = (("seconds", "seconds"), ("bpm", "bpm"), ("meter_beats", "beats_per_bar"))
"""Rows of limits, and the fields they hold for."""


def _plain(annotations: Annotations) -> dict[str, Any]:
    """Every field that is known, as JSON."""

    def rows(spans: Iterable[Sequence[Any]] | None) -> list[list[Any]] | None:
        return None if spans is None else [list(span) for span in spans]

    def times(given: Iterable[float] | None) -> list[float] | None:
        return None if given is None else list(given)

    drums = annotations.drums
    hits: dict[str, Any] | None = None
    if drums is not None:
        classes = None if drums.classes is None else {name: list(hits) for name, hits in drums.classes.items()}
        hits = {"onsets": list(drums.onsets), "classes": classes}
    data = {
        **{name: getattr(annotations, name) for name in ("seconds", "text", "bpm", "meter", "key")},
        "beats": times(annotations.beats),
        "downbeats": times(annotations.downbeats),
        "chords": rows(annotations.chords),
        "melody": rows(annotations.melody),
        "drums": hits,
        "sections": rows(annotations.sections),
        "confidence": dict(annotations.confidence) or None,
    }
    return {name: field for name, field in data.items() if field is not None}


def _annotations(data: Any, place: str) -> Annotations:
    _fields(data, place, _ANNOTATIONS)

    def field(name: str, check: Callable[[Any], T]) -> T | None:
        try:
            return _optional(data.get(name), check)
        except (TimelineError, checks.SheetError, ChordError, limits.LimitError) as error:
            raise TimelineError(f"{place}: {error}") from None

    return Annotations(
        seconds=field("seconds", checks.seconds),
        text=field("text", lambda given: _text(given, "text", MOST_WORDS)),
        bpm=field("bpm", checks.bpm),
        meter=field("meter", lambda given: _meter(_text(given, "meter", 10)).name),
        key=field("key", lambda given: _text(given, "key", MOST_NAME)),
        beats=field("beats", lambda given: checks.times(_few(given, "beats"), "beats")),
        downbeats=field("downbeats", lambda given: checks.times(_few(given, "downbeats"), "downbeats")),
        chords=field("chords", lambda given: checks.chords(_few(given, "chords"))),
        melody=field("melody", lambda given: checks.melody(_few(given, "melody"))),
        drums=field("drums", _drums),
        sections=field("sections", _sections),
        confidence=field("confidence", _confidence) or {},
    )


def _shallow(value: Any) -> None:
    """Raises: TimelineError for what nests deeper than :data:`DEPTH`, which could not even be shown in a message."""
    level = [[value]]
    for _ in range(DEPTH):
        # The values inside of all objects and lists of a level are the next one.
        level = [part for item in level for part in (item.values() if isinstance(item, Mapping) else item)]
        level = [part for part in level if isinstance(part, Mapping | list | tuple)]
        if not level:
            return
    raise TimelineError(f"the value is nested deeper than {DEPTH} levels; it is no timeline's")


def _fields(data: Any, place: str, known: Sequence[str]) -> None:
    """An object with no fields but those."""
    if not isinstance(data, Mapping):
        raise TimelineError(f"{place} must be an object with {', '.join(known)}, got {_shown(data)}")
    for name in data:
        if name not in known:
            raise TimelineError(f"{place} has an unknown field {_shown(name)}; the fields are {', '.join(known)}")


def _few(value: Any, place: str, most: int = MOST_EVENTS) -> Any:
    if isinstance(value, list) and len(value) > most:
        raise TimelineError(f"{place} has {len(value)} entries, at most {most} are read; make it shorter")
    return value


def _text(value: Any, place: str, most: int) -> str:
    """Words that can be written again, of limited length."""
    if not isinstance(value, str):
        raise TimelineError(f"{place} must be text, got {_shown(value)}")
    if len(value) > most:
        raise TimelineError(f"{place} has {len(value)} characters, at most {most} are read; make it shorter")
    if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in value):
        raise TimelineError(f"{place} holds half a letter or a null, which no file can; type it again")
    return value


def _drums(value: Any) -> DrumHits:
    _fields(value, "drums", ("onsets", "classes"))
    classes = value.get("classes")
    for name, given in [("onsets", value.get("onsets")), *(classes.items() if isinstance(classes, dict) else ())]:
        _few(given, f"drums.{_shown(name)}")
    hits, _ = checks.drums(value)
    if hits is None:
        raise TimelineError("drums.onsets is missing; leave drums out where they are not known")
    return hits


def _sections(value: Any) -> tuple[Section, ...]:
    """Rows ``[start, end, name, words]`` in time order."""
    found: list[Section] = []
    for index, row in enumerate(checks.rows(_few(value, "sections"), "sections", 4, "[start, end, name, words]")):
        place = f"sections[{index}]"
        start, end = (checks.time(row[side], f"{place}[{side}]") for side in (0, 1))
        if not (found[-1][1] - 1e-6 if found else 0.0) <= start < end:
            raise TimelineError(f"{place} must begin after the one before and end later, got {start:g} to {end:g}")
        found.append((start, end, _text(row[2], f"{place}[2]", MOST_NAME), _text(row[3], f"{place}[3]", MOST_WORDS)))
    return tuple(found)


def _confidence(value: Any) -> dict[str, float]:
    _fields(value, "confidence", (*TRACKS, "bpm"))
    return {name: checks.share(given, f"confidence.{name}") for name, given in value.items()}


def _region(value: Any, bars: int) -> tuple[int, int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise TimelineError(f"region must be [first bar, last bar], got {_shown(value)}")
    first = limits.whole("bars", value[0], "region[0]", high=bars)
    return first, limits.whole("bars", value[1], "region[1]", low=first, high=bars)


def _peaks(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise TimelineError(f"waveform must be a list of peaks from 0 to 1, got {_shown(value)}")
    _few(value, "waveform", MOST_PEAKS)
    return tuple(limits.number("share", peak, f"waveform[{index}]") for index, peak in enumerate(value))


def _meter(text: str) -> Any:
    try:
        return parse_meter(text)
    except ValueError as error:
        raise TimelineError(str(error)) from None


def _optional(value: Any, check: Callable[[Any], T]) -> T | None:
    return None if value is None else check(value)


def _shown(value: Any) -> str:
    return plain.shown(checks.shown(value))
