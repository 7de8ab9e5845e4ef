"""The sheets of an export: chords in bars for people, and in seconds for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowmusic.annotations.annotation import Annotations, Chord
from flowmusic.files import write_text
from flowmusic.sheets import audacity, chordpro, jams_file, musicxml_write
from flowmusic.sheets.sheet import Bar, of_annotations
from flowmusic.studio.tags import Provenance, software

CHORDPRO, MUSICXML, LABELS, JAMS = ".cho", ".musicxml", ".txt", ".jams"
FILES: Mapping[str, str | None] = {CHORDPRO: None, MUSICXML: None, LABELS: "labels", JAMS: None}
"""The part of the name, by ending: Audacity imports labels from text files."""

TEMPO_CHANGE = 0.05
"""Tempi that differ by less, as a share, are one on paper."""


def write(
    paths: Mapping[str, Path],
    told: Annotations,
    heard: Annotations,
    asked: Annotations | None,
    title: str,
    provenance: Provenance,
) -> None:
    """Write a chord sheet as ChordPro and MusicXML, labels for Audacity, and JAMS with all that is known.

    Args:
        paths: by the endings of :data:`FILES`.
        told: on its bars, what the sheets hold.
        heard, asked: told beside each other in JAMS; ``asked`` is None for what is no take.
    """
    sheet = replace(of_annotations(told), title=title)
    sheet = replace(sheet, bars=_plainer(sheet.bars))
    comment = provenance.comment()
    write_text(paths[CHORDPRO], f"# {comment}\n# {software()}\n{chordpro.write(sheet)}")
    write_text(paths[MUSICXML], musicxml_write.write(sheet, software(), comment))
    write_text(paths[LABELS], audacity.write(told))
    write_text(paths[JAMS], json.dumps(_jams(told, heard, asked, title, provenance), indent=1) + "\n")


def _plainer(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """Bars that tell a tempo only where it has left the one before: a player needs no more, and MIDI has it all."""
    found, last = [], 0.0
    for bar in bars:
        quarters = None if bar.bpm is None else bar.bpm * bar.meter.beat_quarters
        told = quarters is not None and abs(quarters - last) > TEMPO_CHANGE * last
        found.append(bar if told else replace(bar, bpm=None))
        last = quarters if told and quarters is not None else last
    return tuple(found)


def _jams(
    told: Annotations, heard: Annotations, asked: Annotations | None, title: str, provenance: Provenance
) -> dict[str, Any]:
    """First what the sheets hold, which readers take; then what was heard, where something else was asked for."""
    content = jams_file.to_json(told, title)
    for each in content["annotations"]:
        each["annotation_metadata"]["data_source"] = "request" if _asked(asked, each["namespace"]) else "program"
    ear = Annotations(seconds=told.seconds, chords=heard.chords, melody=heard.melody, drums=heard.drums)
    content["annotations"] += jams_file.to_json(ear)["annotations"]
    content["sandbox"] = {"provenance": provenance.fields()}
    return content


def _asked(asked: Annotations | None, namespace: str) -> bool:
    known = {"chord": "chords", "note_midi": "melody", "beat": "beats", "tempo": "bpm", "segment_open": "sections"}
    return asked is not None and namespace in known and getattr(asked, known[namespace]) is not None


def rows(chords: Sequence[Chord] | None) -> list[list[Any]] | None:
    """Chords as plain data."""
    return None if chords is None else [[round(start, 4), round(end, 4), label] for start, end, label in chords]
