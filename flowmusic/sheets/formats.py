"""Which reader and writer a file of a sheet goes to: by what is in it, and by its name where that leaves it open.

>>> sorted(WRITERS)
['.abc', '.cho', '.chopro', '.ireal', '.jams', '.json', '.labels', '.mid', '.musicxml', '.txt']
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.json_file import ControlsFile, to_json
from flowmusic.annotations.midi import SUFFIXES as MIDI_SUFFIXES
from flowmusic.annotations.midi import is_midi
from flowmusic.annotations.retime import faster
from flowmusic.controls.meter import Meter
from flowmusic.files import write_text
from flowmusic.plain import PlainError, json_of, read_text, shown
from flowmusic.sheets import (
    abc,
    audacity,
    chordpro,
    ireal,
    jams_file,
    midi_sheet,
    musicxml_read,
    musicxml_write,
    plain_text,
)
from flowmusic.sheets.form import in_order, played_as
from flowmusic.sheets.sheet import FOUR, Sheet, of_annotations
from flowmusic.sheets.written import SheetError

if TYPE_CHECKING:
    from flowmusic.types import FrameGrid, Track


@dataclass(frozen=True)
class Reading:
    """What a file says: in bars where the format has bars, and in seconds.

    Attributes:
        format: name of the format, for a person.
        sheet: its bars; of a format in seconds, on its beats; None where these are not known.
        annotations: the same in seconds.
        notices: what was reduced, left out or guessed.
        in_bars: whether the format itself is in bars, so that a tempo may be chosen.
        tempo: beats a minute that the file says it begins with; None where it says none.
    """

    format: str
    sheet: Sheet | None
    annotations: Annotations
    notices: tuple[str, ...]
    in_bars: bool
    tempo: float | None = None

    @property
    def seconds(self) -> float:
        """How long it lasts; 0 where it does not say."""
        return self.annotations.seconds or 0.0

    def tracks(self, grid: FrameGrid) -> dict[str, Track]:
        """Chords, melody, drums and beats for a take, as :func:`flowmusic.request` takes them: what the sheet has.

        What a sheet leaves empty is left open, which silence is not.
        """
        from flowmusic.annotations.tracks import request_tracks

        written = [name for name in self.annotations.names() if self.annotations.events(name)]
        return request_tracks(self.annotations, grid, written)


def read(path: str | Path, bpm: float | None = None, meter: Meter = FOUR, form: str | None = None) -> Reading:
    """Read a lead sheet or annotations of any known format.

    Args:
        path: ChordPro, MusicXML (.mxl too), MIDI, ABC, iReal Pro, JAMS, labels of Audacity, controls.json, plain text.
        bpm: tempo that it begins at, in place of what it says, and all others so many times as fast; what has neither
            bars nor a tempo keeps its seconds.
        meter: of plain text, which says none.
        form: its sections in another order, ``A A B A``.

    Raises: SheetError naming the file, and the line or measure.
    """
    path = Path(path)
    if not path.is_file():
        raise SheetError(f"sheet not found: {shown(path)}")
    try:
        return _played(_at(_read(path, bpm, meter), bpm), form, bpm)
    except (PlainError, ValueError) as error:
        said = str(error)
        raise SheetError(said if shown(path) in said or str(path) in said else f"{shown(path)}: {said}") from None


def _read(path: Path, bpm: float | None, meter: Meter) -> Reading:
    with path.open("rb") as file:
        head = file.read(512)
    if is_midi(path):
        return _in_seconds("MIDI", midi_sheet.read(path), ())
    if head[:2] == b"PK" or path.suffix.lower() in musicxml_read.SUFFIXES or b"<score-" in head:
        return _in_bars("MusicXML", musicxml_read.read(path), bpm)
    text = read_text(path)
    if text.lstrip()[:1] == "{" and '"annotations"' in text:
        return _in_seconds("JAMS", *_jams(text, path))
    if text.lstrip()[:1] == "{" and path.suffix.lower() == ".json":
        return _in_seconds("controls.json", ControlsFile.read(path).annotations, ())
    for name, module in (("iReal Pro", ireal), ("ABC", abc), ("ChordPro", chordpro)):
        if module.matches(text) or path.suffix.lower() in module.SUFFIXES and path.suffix.lower() != ".html":
            return _in_bars(name, module.read(text), bpm)
    if audacity.matches(text):
        return _in_seconds("Audacity labels", *audacity.read(text))
    return _in_bars("chords as text", plain_text.read(text, meter), bpm)


def _at(reading: Reading, bpm: float | None) -> Reading:
    """What is written in seconds, from a tempo on."""
    sheet = reading.sheet
    if bpm is None or reading.in_bars or sheet is None or sheet.bpm is None:
        return reading
    times = bpm / sheet.bpm
    bars = tuple(replace(bar, bpm=None if bar.bpm is None else bar.bpm * times) for bar in sheet.bars)
    return replace(reading, sheet=replace(sheet, bars=bars), annotations=faster(reading.annotations, times))


def _played(reading: Reading, form: str | None, bpm: float | None) -> Reading:
    """With its sections in another order."""
    if form is None:
        return reading
    if reading.in_bars and reading.sheet is not None:
        sheet = played_as(reading.sheet, form)
        return replace(reading, sheet=sheet, annotations=sheet.annotations(bpm))
    ordered = _in_seconds(reading.format, in_order(reading.annotations, form), reading.notices)
    return replace(ordered, tempo=reading.tempo)


def _jams(text: str, path: Path) -> tuple[Annotations, list[str]]:
    return jams_file.of_json(json_of(text, path))


def _in_bars(name: str, sheet: Sheet, bpm: float | None) -> Reading:
    return Reading(name, sheet, sheet.annotations(bpm), sheet.notices, True, sheet.bpm)


def _in_seconds(name: str, annotations: Annotations, notices: tuple[str, ...] | list[str]) -> Reading:
    try:
        sheet: Sheet | None = of_annotations(annotations)
    except ValueError:
        sheet = None  # without beats or a tempo there are no bars
    tempo = annotations.bpm if sheet is None else sheet.bpm
    return Reading(name, sheet, annotations, tuple(notices), False, tempo)


def _text(make: Callable[[Sheet], str]) -> Callable[[Reading, Path], Path]:
    return lambda reading, path: write_text(path, make(_bars_of(reading)))


def _bars_of(reading: Reading) -> Sheet:
    if reading.sheet is None:
        raise SheetError(
            f"the {reading.format} has neither beats nor a tempo, so there are no bars to write; "
            "write .jams, .json or .txt labels, which are in seconds"
        )
    return reading.sheet


def _write_jams(reading: Reading, path: Path) -> Path:
    sheet = reading.sheet
    title, composer = (sheet.title, sheet.composer) if sheet else (None, None)
    return write_text(path, json.dumps(jams_file.to_json(reading.annotations, title, composer), indent=1) + "\n")


def _write_controls(reading: Reading, path: Path) -> Path:
    file = ControlsFile(path.name, Fraction(25), reading.annotations)
    return write_text(path, json.dumps(to_json(file), ensure_ascii=False, indent=1) + "\n")


WRITERS: Mapping[str, Callable[[Reading, Path], Path]] = {
    ".cho": _text(chordpro.write),
    ".chopro": _text(chordpro.write),
    ".musicxml": _text(musicxml_write.write),
    ".mid": lambda reading, path: midi_sheet.write(_bars_of(reading), path),
    ".abc": _text(abc.write),
    ".ireal": _text(ireal.write),
    ".jams": _write_jams,
    ".json": _write_controls,
    ".txt": _text(plain_text.write),
    ".labels": lambda reading, path: write_text(path, audacity.write(reading.annotations)),
}
"""By the ending of the file's name."""


def write(reading: Reading, path: str | Path) -> Path:
    """Write what was read in the format of a name; whole or not at all.  Raises: SheetError for another ending."""
    path = Path(path)
    suffix = path.suffix.lower()
    suffix = ".mid" if suffix in MIDI_SUFFIXES else suffix
    if suffix not in WRITERS:
        raise SheetError(f"{path.name} names no format of sheets; end it with one of {', '.join(WRITERS)}")
    return WRITERS[suffix](reading, path)
