"""Exact labels of a recording, in seconds of its file, as tracks of a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from flowmusic import limits, plain
from flowmusic.controls import beats, chords, drums, melody
from flowmusic.types import FrameGrid, Track


def read(path: str | Path) -> dict[str, Any]:
    """The content of a labels file.  Raises: ValueError naming the file if it is none."""
    try:
        parsed = plain.read_json(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"labels {path} cannot be read: {error}") from None
    if not isinstance(parsed, dict):
        raise ValueError(f"labels {path} must hold a JSON object, got {type(parsed).__name__}")
    return parsed


def names(labels: Mapping[str, Any]) -> frozenset[str]:
    """The controls that labels tell."""
    found = {name for name in ("chords", "melody", "beats") if labels.get(name) is not None}
    if isinstance(labels.get("drums"), Mapping) and labels["drums"].get("onsets") is not None:
        found.add("drums")
    return frozenset(found)


def tracks(
    labels: Mapping[str, Any], start: float, seconds: float, grid: FrameGrid, wanted: Iterable[str]
) -> dict[str, Track]:
    """The wanted controls that labels tell, on the grid of a part that begins ``start`` seconds into the file.

    A frame is known where labels cover it: up to ``labels["seconds"]`` where that is there, else to the end of the
    part; chords inside their spans, and beats without ``seconds`` from the first to the last.

    Raises: ValueError for labels that cannot be understood.
    """
    here = names(labels) & frozenset(wanted)
    covered = seconds
    if labels.get("seconds") is not None:
        covered = min(seconds, limits.number("time", labels["seconds"], "seconds") - start)
    found: dict[str, Track] = {}
    if "chords" in here:
        found["chords"] = chords.to_track(_moved(labels["chords"], start, "chords"), grid)
    if "melody" in here:
        notes = _moved(labels["melody"], start, "melody")
        found["melody"] = melody.to_track([note for note in notes if note[1] > 0], grid)
    if "drums" in here:
        shifted = _shifted(labels["drums"]["onsets"], start)
        classes = {name: _shifted(times, start) for name, times in (labels["drums"].get("classes") or {}).items()}
        kept = {name: times for name, times in classes.items() if name in drums.BAND_OF_CLASS}
        found["drums"] = drums.onsets_to_track([t for t in shifted if t >= 0.0], grid, classes=kept)
    if "beats" in here:
        pulse = _shifted(labels["beats"], start)
        track = beats.to_track(pulse, _shifted(labels.get("downbeats") or (), start), grid)
        if labels.get("seconds") is None and pulse:
            track = _within(track, pulse[0], pulse[-1])
        found["beats"] = track
    return {name: _within(track, 0.0, covered) for name, track in found.items()}


def _moved(rows: Iterable[Sequence[Any]], start: float, name: str) -> list[tuple[float, float, Any]]:
    """Rows ``[start, end, what]`` in seconds from the part's beginning."""
    return [
        (limits.number("time", begin, name) - start, limits.number("time", end, name) - start, what)
        for begin, end, what in rows
    ]


def _shifted(times: Sequence[float], start: float) -> list[float]:
    return [limits.number("time", time, "a time of the labels") - start for time in times]


def _within(track: Track, first_s: float, last_s: float) -> Track:
    """Unknown where the centre of a frame lies outside."""
    centres = (torch.arange(track.grid.length, dtype=torch.float64) + 0.5) / float(track.grid.frame_rate)
    known = track.known & (centres >= first_s - 1e-9) & (centres < last_s + 1e-9)
    values = track.values * known[:, None] if track.values.is_floating_point() else track.values
    return Track(values, known, track.grid)
