"""What a take was asked for, as its record (take.json) tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowmusic.annotations import checks
from flowmusic.annotations.annotation import Annotations, DrumHits, Section
from flowmusic.controls.meter import parse_meter
from flowmusic.errors import UsageError
from flowmusic.facts import KEYS
from flowmusic.plain import shown

LONGEST_NAME = 60
"""Letters of a section's words that are its name."""


def of_record(record: Mapping[str, Any], seconds: float, name: str) -> Annotations:
    """The request of a take that lasts so long; what it does not tell is None.

    Raises: UsageError, naming the take, for a record whose values no request has.
    """
    controls = record.get("controls")
    controls = controls if isinstance(controls, dict) else {}
    drums = controls.get("drums")
    facts = record.get("facts")
    key = facts.get("key") if isinstance(facts, dict) else None
    try:
        onsets = checks.optional(drums.get("onsets") if isinstance(drums, dict) else None, _times("drums.onsets"))
        meter = controls.get("meter")
        found = Annotations(
            seconds=seconds,
            bpm=checks.optional(controls.get("bpm"), checks.bpm),
            meter=None if meter is None else parse_meter(str(meter)).name,
            key=key if key in KEYS else None,
            beats=checks.optional(controls.get("beats"), _times("beats")) or None,
            downbeats=checks.optional(controls.get("downbeats"), _times("downbeats")) or None,
            chords=checks.optional(controls.get("chords"), checks.chords),
            melody=checks.optional(controls.get("melody"), checks.melody),
            drums=None if onsets is None else DrumHits(onsets),
            sections=_sections(record.get("story"), seconds),
        )
    except ValueError as error:
        raise UsageError(
            f"the record of {shown(name)} cannot be used: {error}; move it away to export the audio alone"
        ) from None
    return found.part(0.0, seconds)


def _times(key: str) -> Any:
    return lambda value: checks.times(value, key)


def _sections(story: Any, seconds: float) -> tuple[Section, ...] | None:
    """The sections of a story, by the first words of each."""
    if not isinstance(story, list):
        return None
    told = [each for each in story if isinstance(each, dict)]
    starts = [checks.time(each.get("start"), "story: start") for each in told]
    found: list[Section] = []
    for start, end, each in zip(starts, [*starts[1:], seconds], told):
        words = " ".join(str(each.get("text") or "").split())
        if end > start:
            found.append((start, end, words[:LONGEST_NAME] or f"section {len(found) + 1}", words))
    return tuple(found) or None
