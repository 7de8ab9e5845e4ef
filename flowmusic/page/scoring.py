"""What the page does with its timeline: chords as text, sheets, tunes and beats become annotations on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from flowmusic import limits
from flowmusic.annotations.annotation import Annotations
from flowmusic.page import listening
from flowmusic.page.form import LOOP
from flowmusic.page.messages import given, named, telling
from flowmusic.page.parts import status
from flowmusic.page.timeline_value import DEFAULT_BPM, at_tempo, read, to_value

MOST_SECONDS = 300
"""The longest take that the page asks for; the command makes longer ones."""


def set_score(
    chords: str,
    mode: str,
    seconds: float,
    bars: float,
    bpm: str | float | None,
    meter: str,
    score: dict[str, Any],
) -> Any:
    """The timeline with the chords of the text, at this length and tempo; its music keeps to the beat."""
    with telling():
        return with_chords(chords, at_length(mode, seconds, bars, given("bpm", bpm, "beats a minute"), meter, score))


def with_chords(text: str, score: dict[str, Any]) -> dict[str, Any]:
    """A timeline with the chords of a text; without any, as it is.  Raises: ChordError."""
    from flowmusic.controls.chords import parse

    if not text.strip():
        return score
    line = read(score)
    return _with(score, chords=parse(text, line.seconds, line.bpm, line.beats_per_bar).changes)


def at_length(
    mode: str, seconds: float, bars: float, bpm: float | None, meter: str, score: dict[str, Any]
) -> dict[str, Any]:
    """A timeline of another length, tempo and meter.  Raises: ValueError for one that is not allowed."""
    from flowmusic.controls.meter import parse_meter

    line, beats = read(score), parse_meter(meter or "4/4")
    tempo = bpm or DEFAULT_BPM
    length = bars * beats.bar_seconds(tempo) if mode == LOOP else seconds
    length = limits.number("seconds", length, "the length")
    moved = at_tempo(line.annotations, line.bpm, tempo) if line.bpm != tempo else line.annotations
    cut = replace(moved, seconds=max(length, moved.seconds or 0.0)).part(0.0, length)
    cut = replace(cut, seconds=None, bpm=bpm, meter=beats.name, beats=None, downbeats=None)
    return to_value(cut, seconds=length, bpm=tempo, beats_per_bar=beats.beats_per_bar)


def written_chords(chords: str, score: dict[str, Any]) -> Any:
    """The text of the chords, emptied once the timeline says others, so that what is seen counts."""
    if not chords.strip():
        return gr.skip()
    try:
        same = read(with_chords(chords, score)).annotations.chords == read(score).annotations.chords
    except ValueError:
        return gr.skip()  # a text that cannot be read is still being written
    return gr.skip() if same else ""


def read_sheet(sheet: str | None, score: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any, Any]:
    """A lead sheet or a MIDI file, written on the timeline: chords and melody, tempo and meter."""
    if not sheet:
        return (gr.skip(),) * 6
    from flowmusic.controls.meter import parse_meter
    from flowmusic.sheets import formats

    with telling(sheet):
        found = formats.read(sheet)
        line, known = read(score), found.annotations
        notes = [named(note, [Path(sheet)]) for note in found.notices]
        bpm, beats = known.bpm or (found.sheet.bpm if found.sheet else None), parse_meter(known.meter or "4/4")
        lasts = known.seconds or line.seconds
        length = limits.number("seconds", min(lasts, MOST_SECONDS), "the length")
        if lasts > length:
            notes.append(f"it lasts {lasts:.0f} s and is cut at {length:.0f} s")
        kept = replace(known.only("chords", "melody", "drums"), seconds=max(lasts, length)).part(0.0, length)
        value = to_value(
            replace(kept, seconds=None, text=None, key=None, sections=None),
            seconds=length,
            bpm=bpm or line.bpm,
            beats_per_bar=beats.beats_per_bar,
        )
        tempo = "" if bpm is None else f"{bpm:g}"
        return value, tempo, beats.name, round(length, 2), "", status(f"read as {found.format}", notes=notes)


def hear_tune(hum: str | None, score: dict[str, Any]) -> tuple[Any, Any]:
    """The notes of a voice that hums, sings or whistles, written on the timeline."""
    if not hum:
        return gr.skip(), gr.skip()
    with telling(hum):
        found = listening.tune(Path(hum), read(score).seconds)
        count = len(found.notes)
        told = status(
            f"{count} {'note' if count == 1 else 'notes'} found: listen, and correct them", notes=found.notices
        )
        return _with(score, melody=found.notes), told


def hear_beat(beat: str | None, score: dict[str, Any]) -> tuple[Any, Any]:
    """The hits of a beatbox or a table that is beaten, written on the timeline."""
    if not beat:
        return gr.skip(), gr.skip()
    with telling(beat):
        hits, notices = listening.beatbox(Path(beat), read(score).seconds)
        return _with(score, drums=hits), status(f"{len(hits.onsets)} hits found", notes=notices)


def tap_beat(pads: dict[str, Any], score: dict[str, Any]) -> tuple[Any, Any]:
    """Tapped hits as a pattern that repeats, written on the timeline."""
    with telling():
        line = read(score)
        hits = listening.pattern(
            [(time, kind) for time, kind in pads["hits"]], line.bpm, line.beats_per_bar, line.seconds
        )
        return _with(score, drums=hits), status(f"{len(hits.onsets)} hits on the timeline")


def tap_tempo(pads: dict[str, Any]) -> str:
    """Beats a minute of taps."""
    with telling():
        return f"{listening.tempo_of(pads['taps']):g}"


def clear_timeline(score: dict[str, Any]) -> tuple[Any, str]:
    """A timeline of the same length and tempo on which nothing is asked for; and no chords as text."""
    line = read(score)
    return to_value(Annotations(), seconds=line.seconds, bpm=line.bpm, beats_per_bar=line.beats_per_bar), ""


def _with(value: dict[str, Any], **controls: Any) -> dict[str, Any]:
    """A timeline with a control replaced."""
    line = read(value)
    return to_value(
        replace(line.annotations, **controls),
        recognised=line.recognised,
        seconds=line.seconds,
        bpm=line.bpm,
        beats_per_bar=line.beats_per_bar,
        region=line.region,
    )
