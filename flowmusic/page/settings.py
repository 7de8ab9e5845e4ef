"""A take's record as the form that asks for it again: *use these settings*."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flowmusic.annotations import checks
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.checks import SheetError
from flowmusic.facts import CHOICES, INSTRUMENTS
from flowmusic.options import GUIDANCE_KEYS
from flowmusic.page.form import LOOP, TAKE, Form, Making

JOINED_S = 0.5
"""Bars so close to each other leave nothing out."""
FILES = {"melody": "melody", "drums": "drum loop", "style": "style clip"}
"""Inputs that a record names and does not hold."""


def form_of(record: Mapping[str, Any]) -> tuple[Form, tuple[str, ...]]:
    """The form, and what a record does not tell.

    A record is a file that anybody may have written: what does not have the form of its field is left out.
    """
    asked = _mapping(record.get("controls"))
    notes: list[str] = []
    score, seconds = asked_of(record), _number(record.get("seconds")) or 10.0
    chords = _text(asked.get("chords_text"))
    flagged = {
        row.get("fact"): row.get("value")
        for row in _list(_mapping(record.get("facts")).get("from"))
        if isinstance(row, Mapping) and row.get("how") == "flag"
    }
    sources = _mapping(asked.get("sources"))
    for name, called in FILES.items():
        if name in sources and (name == "style" or not score.events(name)):
            notes.append(f"the {called} {_text(sources[name])!r} is not kept with a take: choose it again")
    loop = _mapping(record.get("loop"))
    for key, command in (("edits", "edited"), ("vary", "varied"), ("story", "told as a story")):
        if key in record:
            notes.append(f"this take was {command}; the settings are those of the whole")
    facts: dict[str, Any] = {
        fact: _among(flagged.get(fact), CHOICES[fact]) for fact in ("genre", "mood", "energy", "key")
    }
    form = Form(
        mode=LOOP if loop else TAKE,
        text=_text(record.get("text")),
        instruments=tuple(name for name in _list(flagged.get("instruments")) if _text(name) in INSTRUMENTS),
        drumless=flagged.get("drums") is False,
        **facts,
        unwanted=_text(_mapping(_mapping(record.get("facts")).get("not")).get("text")),
        seconds=seconds,
        bars=int(_number(loop.get("bars")) or 4),
        bpm=_number(asked.get("bpm")),
        meter=_text(asked.get("meter")) or None,
        chords=chords,
        score=score,
        making=Making(
            model=_text(record.get("model")) or "nano",
            guidance={k: v for k, v in _mapping(record.get("guidance")).items() if k in GUIDANCE_KEYS and _number(v)},
            seed=int(_number(record.get("seed")) or 0),
            mono=record.get("channels") == 1,
        ),
    )
    return form, tuple(notes)


def asked_of(record: Mapping[str, Any]) -> Annotations:
    """What a take was asked for, in seconds."""
    asked = _mapping(record.get("controls"))
    drums = asked.get("drums")
    hits = _checked(lambda: checks.drums(drums)[0]) if isinstance(drums, Mapping) else None
    return Annotations(
        seconds=_number(record.get("seconds")),
        bpm=_number(asked.get("bpm")),
        meter=_text(asked.get("meter")) or None,
        chords=_checked(lambda: checks.optional(asked.get("chords"), checks.chords)),
        melody=_checked(lambda: checks.optional(asked.get("melody"), checks.melody)),
        drums=hits if isinstance(hits, DrumHits) else None,
        beats=_checked(lambda: checks.optional(asked.get("beats"), lambda times: checks.times(times, "beats"))),
    )


def heard_of(record: Mapping[str, Any]) -> Annotations | None:
    """The chords that were heard in a take, bar by bar.

    None where none were judged, or not throughout: of an edit its new bars alone are, and what was not judged would
    look as if nothing had been heard.
    """
    rows: list[list[Any]] = []
    seconds, reached = _number(record.get("seconds")) or 0.0, 0.0
    for bar in _list(_mapping(record.get("adherence")).get("bars")):
        found = _mapping(bar)
        start, end, heard = _number(found.get("start")), _number(found.get("end")), _list(found.get("heard"))
        if start is None or end is None or not heard or start > reached + JOINED_S:
            return None
        each = (end - start) / len(heard)
        rows += [[start + n * each, start + (n + 1) * each, label] for n, label in enumerate(heard)]
        reached = end
    if not rows or reached < seconds - JOINED_S:
        return None
    chords = _checked(lambda: checks.chords(rows))
    return None if chords is None else Annotations(seconds=seconds, chords=chords)


def _checked(read: Any) -> Any:
    try:
        return read()
    except (SheetError, ValueError, TypeError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def _among(value: Any, allowed: Any) -> str:
    return value if value in allowed else ""
