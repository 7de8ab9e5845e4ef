"""A sheet as MusicXML 4.0: one part, chord symbols over the melody, or over rests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flowmusic.controls.meter import Meter
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
    fifths = 0
    over: list[tuple[int, int]] = []
    for number, bar in enumerate(sheet.bars):
        pickup = bar.short is not None
        measure = SubElement(part, "measure", number=str(number + (0 if sheet.bars[0].short else 1)))
        if pickup:
            measure.set("implicit", "yes")
        _write_attributes(measure, bar, meter, first=number == 0)
        meter = bar.meter
        fifths = fifths if bar.key is None else _fifths(bar.key) + bar.key.endswith("minor")
        _write_directions(measure, bar)
        quarters = Fraction(bar.meter.beat_quarters)
        for beat, label in bar.chords:
            _write_harmony(measure, label, round(beat * quarters * DIVISIONS))
        over = _write_notes(measure, bar, over, round(bar.beats * quarters * DIVISIONS), fifths)
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
        key = SubElement(attributes, "key")
        SubElement(key, "fifths").text = str(_fifths(bar.key))
        SubElement(key, "mode").text = bar.key.partition(" ")[2]
    if bar.meter != meter:
        count, _, unit = bar.meter.name.partition("/")
        time = SubElement(attributes, "time")
        SubElement(time, "beats").text, SubElement(time, "beat-type").text = count, unit


def _fifths(key: str) -> int:
    """Sharps of a signature; flats count below 0."""
    tonic, _, mode = key.partition(" ")
    names = MINORS if mode == "minor" else MAJORS
    return names.index(tonic) - 7 if tonic in names else 0


def spelled(midi: int, fifths: int) -> tuple[str, int, int]:
    """Step, alteration and octave of a note, by the names that lie nearest to a place of the circle of fifths.

    Args:
        fifths: sharps of the key; one more in minor, whose seventh step is raised.

    >>> spelled(68, 0), spelled(68, 3), spelled(71, -6)
    (('A', -1, 4), ('G', 1, 4), ('C', -1, 5))
    """
    # Twelve neighbours of the circle hold every pitch class once; C is 0, F before it.
    place = (7 * midi - (fifths - 4)) % 12 + fifths - 4
    alter, step = divmod(place + 1, 7)
    return "FCGDAEB"[step], alter, (midi - alter) // 12 - 1


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


def _write_notes(
    measure: Element, bar: Bar, over: list[tuple[int, int]], length: int, fifths: int
) -> list[tuple[int, int]]:
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
        _write_pieces(measure, here, spelled(midi, fifths), tied, goes_on)
        if goes_on:
            left_over.append((midi, start + long - length))
        at = max(at, start + here)
    _write_pieces(measure, length - at, None, False, False)
    return left_over


def _write_pieces(
    measure: Element, divisions: int, name: tuple[str, int, int] | None, tied: bool, goes_on: bool
) -> None:
    """A length in notes that can be written, tied to each other."""
    pieces = list(_pieces(divisions))
    for number, piece in enumerate(pieces):
        note = SubElement(measure, "note")
        if name is None:
            SubElement(note, "rest")
        else:
            step, alter, octave = name
            pitch = SubElement(note, "pitch")
            SubElement(pitch, "step").text = step
            if alter:
                SubElement(pitch, "alter").text = str(alter)
            SubElement(pitch, "octave").text = str(octave)
        SubElement(note, "duration").text = str(piece)
        ties = ["stop"] * (tied or number > 0) + ["start"] * (goes_on or number < len(pieces) - 1)
        for kind in ties if name is not None else ():
            SubElement(note, "tie", type=kind)
        SubElement(note, "voice").text = "1"
        kind_name, dots, triplet = _TYPES[piece]
        SubElement(note, "type").text = kind_name
        for _ in range(dots):
            SubElement(note, "dot")
        if triplet:
            change = SubElement(note, "time-modification")
            SubElement(change, "actual-notes").text, SubElement(change, "normal-notes").text = "3", "2"
        if ties and name is not None:
            notations = SubElement(note, "notations")
            for kind in ties:
                SubElement(notations, "tied", type=kind)


def _pieces(divisions: int) -> Iterator[int]:
    """Lengths that one note can have, the longest first."""
    while divisions > 0:
        piece = max(each for each in _TYPES if each <= divisions)
        yield piece
        divisions -= piece
