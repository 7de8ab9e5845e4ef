"""``controls.json``: the controls of a recording as a file that a person can read and edit.

Keys: ``source``, ``seconds``, ``frame_rate``, ``bpm``, ``beats`` [s], ``chords`` [[start, end, label]], ``melody``
[[start, end, midi]], ``drums`` {``onsets`` [s], ``stem`` file beside the JSON or null}; also read, and
written only when known: ``downbeats`` [s], and in ``drums`` ``classes`` {``kick``, ``snare``, ``hat``: [s]}, which say
in which band an onset sounds where there is no stem to hear it in.  An absent control is null or left out; an empty
list means that there is none to hear.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from flowmusic import beside, plain, publishable
from flowmusic.annotations import checks
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.checks import SheetError
from flowmusic.files import write_text

NAME = "controls.json"
_KEYS = ("source", "seconds", "frame_rate", "bpm", "bpm_confidence", "beats", "downbeats", "chords", "melody", "drums")
_NEEDED = ("source", "seconds", "frame_rate")


@dataclass(frozen=True)
class ControlsFile:
    """The content of a ``controls.json``.

    Attributes:
        source: the name of the recording.
        frame_rate: frames a second of whoever wrote it; times are in seconds anyway.
        annotations: of the recording, whose length is known; the file has no place for its text, meter, key, sections
            and confidence but that of the tempo.
        drums_stem: a path relative to the JSON.
    """

    source: str
    frame_rate: Fraction
    annotations: Annotations
    drums_stem: str | None = None

    @staticmethod
    def read(path: str | Path) -> ControlsFile:
        """Read ``controls.json``, or that of a folder.

        Raises: SheetError naming the file, key and index.  Warns: ControlNotice for chords that are reduced.
        """
        path = sheet_path(path)
        try:
            data = plain.read_json(path)
        except plain.PlainError as error:
            raise SheetError(str(error)) from None
        try:
            return from_json(data)
        except SheetError as error:
            raise SheetError(f"{plain.shown(path)}: {plain.reason(error, 320)}") from None

    def write(self, folder: str | Path) -> Path:
        """Write ``controls.json`` into a folder, which is made if needed; whole or not at all.

        Raises: SheetError if it would not be read back.
        """
        data = to_json(self)
        from_json(data)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return write_text(folder / NAME, _layout(data))

    def stem_path(self, sheet: str | Path) -> Path | None:
        """Where the drum stem lies, given the path of the JSON or its folder; None without a stem.

        Raises: SheetError for one that leads out of the folder, by its name or through a link.
        """
        if self.drums_stem is None:
            return None
        path = sheet_path(sheet)
        try:
            return beside.beside(self.drums_stem, path.parent, f"{path}: drums.stem")
        except beside.StrayName as error:
            raise SheetError(str(error)) from None

    def names(self) -> frozenset[str]:
        """The controls that are present, by the names of tracks: a drum stem and a tempo count as well."""
        more = {"drums"} if self.drums_stem is not None else set()
        more |= {"beats"} if self.annotations.bpm is not None else set()
        return frozenset(self.annotations.names()) | more


def sheet_path(path: str | Path) -> Path:
    """The JSON itself, or that of a folder.  Raises: SheetError if there is none."""
    path = Path(path)
    found = path / NAME if path.is_dir() else path
    if not found.is_file():
        raise SheetError(f"controls file not found: {found}; flowmusic extract writes one")
    return found


def to_json(file: ControlsFile) -> dict[str, Any]:
    """Plain data, in the order of the file."""
    rate, given = file.frame_rate, file.annotations
    drums: dict[str, Any] | None = None
    if "drums" in file.names():
        drums = {"onsets": _list(given.events("drums")), "stem": file.drums_stem}
        if given.drums is not None and given.drums.classes is not None:
            drums["classes"] = {name: list(times) for name, times in given.drums.classes.items()}
    data: dict[str, Any] = {
        # Whoever is given the controls learns what they are of, and not where that lies.
        "source": publishable.place(file.source),
        "seconds": given.seconds,
        "frame_rate": rate.numerator if rate.denominator == 1 else str(rate),
        "bpm": given.bpm,
        "bpm_confidence": None if given.bpm is None else given.confidence.get("bpm"),
        "beats": _list(given.beats),
        "downbeats": _list(given.downbeats),
        "chords": None if given.chords is None else [list(chord) for chord in given.chords],
        "melody": None if given.melody is None else [list(note) for note in given.melody],
        "drums": drums,
    }
    for name in ("bpm_confidence", "downbeats"):
        if data[name] is None:
            del data[name]
    return data


def _list(times: tuple[float, ...] | None) -> list[float] | None:
    return None if times is None else list(times)


def _layout(data: dict[str, Any]) -> str:
    """JSON with one chord or note a line, which is how people edit them."""
    lines = []
    for key, value in data.items():
        if key in ("chords", "melody") and value:
            rows = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in value)
            lines.append(f'  "{key}": [\n{rows}\n  ]')
        else:
            lines.append(f'  "{key}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def from_json(data: Any) -> ControlsFile:
    """Strictly validated plain data to the content of a file.  Raises: SheetError naming key and index."""
    if not isinstance(data, dict):
        raise SheetError(f"expected an object with {', '.join(_KEYS)}, got {checks.shown(data)}")
    unknown = sorted(set(data) - set(_KEYS))
    if unknown:
        raise SheetError(f"unknown key {unknown[0]!r}; the keys are {', '.join(_KEYS)}")
    for key in _NEEDED:
        if data.get(key) is None:
            raise SheetError(f"the key {key!r} is missing")
    if not isinstance(data["source"], str):
        raise SheetError(f"source must be the name of the recording, got {checks.shown(data['source'])}")
    seconds = checks.seconds(data["seconds"])
    hits, stem = checks.drums(data.get("drums"))
    frame_rate = checks.frame_rate(data["frame_rate"])
    sure = checks.optional(data.get("bpm_confidence"), lambda value: checks.share(value, "bpm_confidence"))
    annotations = Annotations(
        seconds=seconds,
        bpm=checks.optional(data.get("bpm"), checks.bpm),
        beats=checks.optional(data.get("beats"), lambda value: checks.times(value, "beats")),
        downbeats=checks.optional(data.get("downbeats"), lambda value: checks.times(value, "downbeats")),
        chords=checks.optional(data.get("chords"), checks.chords),
        melody=checks.optional(data.get("melody"), checks.melody),
        drums=hits,
        confidence={} if sure is None else {"bpm": sure},
    )
    return ControlsFile(data["source"], frame_rate, annotations, stem)
