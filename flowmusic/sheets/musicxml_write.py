"""A sheet as MusicXML 4.0: one part, chord symbols over the melody, or over rests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flowmusic.controls.meter import Meter
from flowmusic.controls.vocabulary import ROOTS
from flowmusic.sheets.musicxml_read import MAJORS, MINORS
from flowmusic.sheets.sheet import Bar, Sheet

_OF_SUFFIX = {
    "": "major", "m": "minor", "aug": "augmented", "dim": "diminished", "7": "dominant", "maj7": "major-seventh",
    "m7": "minor-seventh", "m7b5": "half-diminished", "6": "major-sixth", "m6": "minor-sixth",
}  # fmt: skip
DIVISIONS = 24
"""Of a quarter: what triplets of sixteenths need."""
_TYPES = {
    96: ("whole", 0, False), 72: ("half", 1, False), 48: ("half", 0, False), 36: ("quarter", 1, False),
    24: ("quarter", 0, False), 18: ("eighth", 1, False), 16: ("quarter", 0, True), 12: ("eighth", 0, False),
    9: ("16th", 1, False), 8: ("eighth", 0, True), 6: ("16th", 0, False), 4: ("16th", 0, True), 3: ("32nd", 0, False),
    2: ("32nd", 0, True), 1: ("64th", 0, True),
}  # fmt: skip
"""Divisions: name of the note, dots, and whether it is one of a triplet."""


def write(sheet: Sheet, software: str | None = None, comment: str | None = None) -> str:
    """The sheet as a score of one part: chord symbols over the melody, or over rests.

    Args:
        software, comment: what made it, told in its identification.
    """
    score = Element("score-partwise", version="4.0")
    if sheet.title:
        SubElement(SubElement(score, "work"), "work-title").text = sheet.title
    _write_identification(score, sheet.composer, software, comment)
    part_list = SubElement(score, "part-list")
    SubElement(SubElement(part_list, "score-part", id="P1"), "part-name").text = "Lead"
    part = SubElement(score, "part", id="P1")
    meter: Meter | None = None
    over: list[tuple[int, int]] = []
    for number, bar in enumerate(sheet.bars):
        pickup = bar.short is not None
        measure = SubElement(part, "measure", number=str(number + (0 if sheet.bars[0].short else 1)))
        if pickup:
            measure.set("implicit", "yes")
        _write_attributes(measure, bar, meter, first=number == 0)
        meter = bar.meter
        _write_directions(measure, bar)
        quarters = Fraction(bar.meter.beat_quarters)
        for beat, label in bar.chords:
            _write_harmony(measure, label, round(beat * quarters * DIVISIONS))
        over = _write_notes(measure, bar, over, round(bar.beats * quarters * DIVISIONS))
    indent(score)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    kind = '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    return f'{head}{kind}"http://www.musicxml.org/dtds/partwise.dtd">\n{tostring(score, encoding="unicode")}\n'


def _write_identification(score: Element, composer: str | None, software: str | None, comment: str | None) -> None:
    if composer or software or comment:
        identification = SubElement(score, "identification")
        if composer:
            SubElement(identification, "creator", type="composer").text = composer
        if software or comment:
            encoding = SubElement(identification, "encoding")
            for name, text in (("software", software), ("encoding-description", comment)):
                if text:
                    SubElement(encoding, name).text = text


def _write_attributes(measure: Element, bar: Bar, meter: Meter | None, first: bool) -> None:
    if not first and bar.key is None and bar.meter == meter:
        return
    attributes = SubElement(measure, "attributes")
    if first:
        SubElement(attributes, "divisions").text = str(DIVISIONS)
    if bar.key is not None:
        tonic, _, mode = bar.key.partition(" ")
        names = MINORS if mode == "minor" else MAJORS
        key = SubElement(attributes, "key")
        SubElement(key, "fifths").text = str(names.index(tonic) - 7 if tonic in names else 0)
        SubElement(key, "mode").text = mode
    if bar.meter != meter:
        count, _, unit = bar.meter.name.partition("/")
        time = SubElement(attributes, "time")
        SubElement(time, "beats").text, SubElement(time, "beat-type").text = count, unit


def _write_directions(measure: Element, bar: Bar) -> None:
    if bar.section is not None:
        direction = SubElement(measure, "direction", placement="above")
        SubElement(SubElement(direction, "direction-type"), "rehearsal").text = bar.section
    if bar.bpm is not None:
        direction = SubElement(measure, "direction", placement="above")
        metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
        dotted, _, name = bar.meter.beat.rpartition(" ")
        SubElement(metronome, "beat-unit").text = {"sixteenth": "16th"}.get(name, name)
        if dotted:
            SubElement(metronome, "beat-unit-dot")
        SubElement(metronome, "per-minute").text = f"{bar.bpm:g}"
        SubElement(direction, "sound", tempo=f"{bar.bpm * bar.meter.beat_quarters:.6g}")


def _write_harmony(measure: Element, label: str, offset: int) -> None:
    harmony = SubElement(measure, "harmony")
    match = re.fullmatch(r"([A-G])([#b]?)([^/]*)(?:/([A-G])([#b]?))?", label)
    root = SubElement(harmony, "root")
    if match is None or match[3] not in _OF_SUFFIX:
        SubElement(root, "root-step").text = "C"
        SubElement(harmony, "kind", text="N.C.").text = "none"
    else:
        _write_named(root, "root", match[1], match[2])
        SubElement(harmony, "kind", text=match[3]).text = _OF_SUFFIX[match[3]]
        if match[4]:
            _write_named(SubElement(harmony, "bass"), "bass", match[4], match[5])
    if offset:
        SubElement(harmony, "offset").text = str(offset)


def _write_named(parent: Element, what: str, step: str, accidental: str) -> None:
    SubElement(parent, f"{what}-step").text = step
    if accidental:
        SubElement(parent, f"{what}-alter").text = "1" if accidental == "#" else "-1"


def _write_notes(measure: Element, bar: Bar, over: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Notes and rests that fill a bar; what leads over its end is tied, and given back for the next one."""
    quarters = Fraction(bar.meter.beat_quarters)
    # (start, divisions, midi, tied from before)
    events = [(0, left, midi, True) for midi, left in over]
    events += [(round(b * quarters * DIVISIONS), round(d * quarters * DIVISIONS), m, False) for b, d, m in bar.notes]
    at, left_over = 0, []
    for number, (start, long, midi, tied) in enumerate(events):
        _write_pieces(measure, start - at, None, False, False)
        following = events[number + 1][0] if number + 1 < len(events) else length
        # One voice: a note ends where the next begins.
        here = min(long, max(following, start) - start)
        goes_on = number == len(events) - 1 and start + long > length
        _write_pieces(measure, here, midi, tied, goes_on)
        if goes_on:
            left_over.append((midi, start + long - length))
        at = max(at, start + here)
    _write_pieces(measure, length - at, None, False, False)
    return left_over


def _write_pieces(measure: Element, divisions: int, midi: int | None, tied: bool, goes_on: bool) -> None:
    """A length in notes that can be written, tied to each other."""
    pieces = list(_pieces(divisions))
    for number, piece in enumerate(pieces):
        note = SubElement(measure, "note")
        if midi is None:
            SubElement(note, "rest")
        else:
            name = ROOTS[midi % 12]
            pitch = SubElement(note, "pitch")
            SubElement(pitch, "step").text = name[0]
            if len(name) > 1:
                SubElement(pitch, "alter").text = "1" if name[1] == "#" else "-1"
            SubElement(pitch, "octave").text = str(midi // 12 - 1)
        SubElement(note, "duration").text = str(piece)
        ties = ["stop"] * (tied or number > 0) + ["start"] * (goes_on or number < len(pieces) - 1)
        for kind in ties if midi is not None else ():
            SubElement(note, "tie", type=kind)
        SubElement(note, "voice").text = "1"
        kind_name, dots, triplet = _TYPES[piece]
        SubElement(note, "type").text = kind_name
        for _ in range(dots):
            SubElement(note, "dot")
        if triplet:
            change = SubElement(note, "time-modification")
            SubElement(change, "actual-notes").text, SubElement(change, "normal-notes").text = "3", "2"
        if ties and midi is not None:
            notations = SubElement(note, "notations")
            for kind in ties:
                SubElement(notations, "tied", type=kind)


def _pieces(divisions: int) -> Iterator[int]:
    """Lengths that one note can have, the longest first."""
    while divisions > 0:
        piece = max(each for each in _TYPES if each <= divisions)
        yield piece
        divisions -= piece
