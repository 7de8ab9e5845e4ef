"""``controls.json``: the controls of a recording as a file that a person can read and edit.

Keys: ``source``, ``seconds``, ``frame_rate``, ``bpm``, ``beats`` [s], ``chords`` [[start, end, label]], ``melody``
[[start, end, midi]], ``drums`` {``onsets`` [s], ``stem`` file beside the JSON or null}; also read, and
written only when known: ``bpm_confidence``, how sure the tempo is, 0-1, ``downbeats`` [s], and in ``drums`` ``classes``
{``kick``, ``snare``, ``hat``: [s]}, which say in which band an onset sounds where there is no stem to hear it in.  An
absent control is null or left out; an empty list means that there is none to hear.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from flowmusic import beside, plain, publishable
from flowmusic.atomic import write_text
from flowmusic.controls import beats as beat_tracks
from flowmusic.controls import checks
from flowmusic.controls import chords as chord_tracks
from flowmusic.controls import drums as drum_tracks
from flowmusic.controls import melody as melody_tracks
from flowmusic.controls.checks import SheetError
from flowmusic.controls.notices import notice
from flowmusic.controls.request import TRACKS
from flowmusic.controls.tracks import batched, fit_track, single
from flowmusic.types import Controls, FrameGrid, Track

NAME = "controls.json"
_KEYS = ("source", "seconds", "frame_rate", "bpm", "bpm_confidence", "beats", "downbeats", "chords", "melody", "drums")
_NEEDED = ("source", "seconds", "frame_rate")


@dataclass(frozen=True)
class ControlSheet:
    """The controls of one recording.  Times are seconds from its start; None is not known, () is known to be none.

    ``drums_stem`` is a path relative to the JSON.
    """

    source: str
    seconds: float
    frame_rate: Fraction
    bpm: float | None = None
    beats: tuple[float, ...] | None = None
    chords: tuple[chord_tracks.Change, ...] | None = None
    melody: tuple[melody_tracks.Note, ...] | None = None
    drums_onsets: tuple[float, ...] | None = None
    drums_stem: str | None = None
    downbeats: tuple[float, ...] | None = None
    drums_classes: checks.Hits | None = None
    bpm_confidence: float | None = None

    @staticmethod
    def read(path: str | Path) -> ControlSheet:
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

        Raises: SheetError if the sheet would not be read back.
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
        """The controls that are present, by the names of tracks."""
        present = {
            "chords": self.chords is not None,
            "melody": self.melody is not None,
            "drums": self.drums_onsets is not None or self.drums_stem is not None,
            "beats": self.beats is not None or self.bpm is not None,
        }
        return frozenset(name for name in TRACKS if present[name])


def sheet_path(path: str | Path) -> Path:
    """The JSON itself, or that of a folder.  Raises: SheetError if there is none."""
    path = Path(path)
    found = path / NAME if path.is_dir() else path
    if not found.is_file():
        raise SheetError(f"controls file not found: {found}; flowmusic extract writes one")
    return found


def to_json(sheet: ControlSheet) -> dict[str, Any]:
    """Plain data, in the order of the file."""
    rate = sheet.frame_rate
    drums: dict[str, Any] | None = None
    if "drums" in sheet.names():
        drums = {"onsets": _list(sheet.drums_onsets), "stem": sheet.drums_stem}
        if sheet.drums_classes is not None:
            drums["classes"] = {name: list(times) for name, times in sheet.drums_classes.items()}
    data: dict[str, Any] = {
        # Whoever is given the controls learns what they are of, and not where that lies.
        "source": publishable.place(sheet.source),
        "seconds": sheet.seconds,
        "frame_rate": rate.numerator if rate.denominator == 1 else str(rate),
        "bpm": sheet.bpm,
        "bpm_confidence": sheet.bpm_confidence,
        "beats": _list(sheet.beats),
        "downbeats": _list(sheet.downbeats),
        "chords": None if sheet.chords is None else [list(change) for change in sheet.chords],
        "melody": None if sheet.melody is None else [list(note) for note in sheet.melody],
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


def from_json(data: Any) -> ControlSheet:
    """Strictly validated plain data to a sheet.  Raises: SheetError naming key and index."""
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
    onsets, stem, classes = checks.drums(data.get("drums"))
    return ControlSheet(
        source=data["source"],
        seconds=seconds,
        frame_rate=checks.frame_rate(data["frame_rate"]),
        bpm=checks.optional(data.get("bpm"), checks.bpm),
        bpm_confidence=checks.optional(data.get("bpm_confidence"), lambda value: checks.share(value, "bpm_confidence")),
        beats=checks.optional(data.get("beats"), lambda value: checks.times(value, "beats")),
        chords=checks.optional(data.get("chords"), checks.chords),
        melody=checks.optional(data.get("melody"), checks.melody),
        drums_onsets=onsets,
        drums_stem=stem,
        downbeats=checks.optional(data.get("downbeats"), lambda value: checks.times(value, "downbeats")),
        drums_classes=classes,
    )


def sheet_to_controls(
    sheet: ControlSheet,
    grid: FrameGrid,
    use: Iterable[str] | None = None,
    drums_track: Track | None = None,
) -> Controls:
    """Controls of one clip from a sheet, a batch of one without text.

    Args:
        use: the controls to take, out of ``chords, melody, drums, beats``; None takes all that are present.
        drums_track: the control of the drum stem, where the caller has analysed it; else the onsets, as they are.

    What is longer than the grid is cut; drums shorter than it repeat (on the sheet's tempo), beats go on at their
    tempo, chords and melody are unknown after the recording's end.
    Raises: ValueError listing what the sheet has, for a name in ``use`` that it lacks.
    """
    present = sheet.names() | ({"drums"} if drums_track is not None else set())
    wanted = present if use is None else frozenset(use)
    for name in sorted(wanted - present):
        if name not in TRACKS:
            raise ValueError(f"{name!r} is not a control; choose from {', '.join(TRACKS)}")
        has = ", ".join(n for n in TRACKS if n in present) or "none"
        raise ValueError(f"the controls of {sheet.source!r} have no {name}; present: {has}")
    if sheet.seconds > grid.seconds + 0.5 / float(grid.frame_rate):
        notice(
            f"the controls of {sheet.source!r} last {sheet.seconds:g} s and are cut at the clip's {grid.seconds:g} s"
        )
    for name, starts in (("melody", [note[0] for note in sheet.melody or ()]), ("drums", sheet.drums_onsets or ())):
        if name in wanted and starts and min(starts) >= grid.seconds:
            notice(f"of the {name} of {sheet.source!r} nothing is left: the first sound begins at {min(starts):.4g} s")
    tracks: dict[str, Track] = {}
    if "chords" in wanted and sheet.chords is not None:
        tracks["chords"] = chord_tracks.to_track(sheet.chords, grid)
    if "melody" in wanted and sheet.melody is not None:
        tracks["melody"] = melody_tracks.to_track(sheet.melody, grid, end_s=sheet.seconds)
    if "drums" in wanted:
        tracks["drums"] = _drums_track(sheet, grid, drums_track)
    if "beats" in wanted:
        tracks["beats"] = _beats_track(sheet, grid)
    return Controls((None,), {name: batched(track) for name, track in tracks.items()})


def _drums_track(sheet: ControlSheet, grid: FrameGrid, drums_track: Track | None) -> Track:
    looped = sheet.seconds < grid.seconds - 0.5 / float(grid.frame_rate)
    if drums_track is not None:
        drums = single(drums_track)
    elif sheet.drums_onsets is not None:
        own = FrameGrid.of_seconds(max(sheet.seconds, 0.01), grid.frame_rate) if looped else grid
        drums = drum_tracks.onsets_to_track(sheet.drums_onsets, own, classes=sheet.drums_classes)
    else:
        raise ValueError(
            f"the controls of {sheet.source!r} have a drum stem but no onsets; analyse {sheet.drums_stem!r} first"
        )
    return drum_tracks.loop_drums(drums, sheet.seconds, grid, sheet.bpm) if looped else fit_track(drums, grid)


def _beats_track(sheet: ControlSheet, grid: FrameGrid) -> Track:
    if sheet.beats is not None and len(sheet.beats) >= 2:
        return beat_tracks.to_track(sheet.beats, sheet.downbeats or (), grid)
    if sheet.bpm is None:
        return beat_tracks.to_track(sheet.beats or (), (), grid)
    # A tempo without beats fixes no downbeat, so the bar stays unknown.
    offset_s = sheet.beats[0] if sheet.beats else 0.0
    seconds = grid.seconds + 120.0 / sheet.bpm
    return beat_tracks.to_track(beat_tracks.grid_times(sheet.bpm, "4/4", seconds, offset_s)[0], (), grid)
