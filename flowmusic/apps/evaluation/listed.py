"""The recordings of a manifest as a test set: its captions are the prompts, and its labels, where it has any, controls.

Nothing is extracted: a recording without labels is asked for in words alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flowmusic import audio as audio_tools
from flowmusic import limits, plain
from flowmusic.apps.corpus_clips import DrumControl, LabelledClip, attributes_of, digest_of
from flowmusic.apps.evaluation.store import key_of, slug
from flowmusic.controls import beats, checks, chords, drums, melody
from flowmusic.controls.request import TRACKS
from flowmusic.controls.tracks import batched
from flowmusic.data import manifest
from flowmusic.metrics.adherence import Requested
from flowmusic.types import TEXT, Audio, Controls, FrameGrid, Track

SHORT_SECONDS = 0.25
"""How much a recording may lack of the clip's length: it ends in silence then, as clips cut from a film do."""


def read_listed(
    file: Path,
    split: str,
    count: int | None,
    grid: FrameGrid,
    rate: int,
    names: Iterable[str],
    drum_control: DrumControl | None = None,
) -> list[LabelledClip]:
    """The beginning of the first ``count`` usable recordings of a split (None: all).

    Duplicates are left out, and so is what nothing is said of.  What cannot be used is named on stderr.

    Args:
        names: the controls that are wanted, ``text`` for the prompt.
        drum_control: what makes the model's drum control of a drum stem; None is onset strength, which labels alone
            can give as well.

    Raises: ValueError if fewer than ``count``, or than two, are usable; FileNotFoundError without the manifest.
    """
    chosen = frozenset(names)
    entries = [entry for entry in manifest.read(file) if entry.split == split and entry.duplicate_of is None]
    clips: list[LabelledClip] = []
    taken: set[str] = set()
    mute = 0
    for entry in entries:
        if len(clips) == count:
            break
        try:
            clip = _clip(entry, grid, rate, chosen, drum_control, taken)
        except (ValueError, OSError) as error:
            print(f"note: left out: {error}", file=sys.stderr)
            continue
        if clip.text is None and not clip.controls.tracks:
            mute += 1
            continue
        taken.add(clip.id)
        clips.append(clip)
    if mute:
        print(f"note: left out: {mute} recordings that have neither captions nor labels", file=sys.stderr)
    least = 2 if count is None else count
    if len(clips) < least:
        raise ValueError(
            f"the {split} split of {file} has {len(clips)} usable recordings of {grid.seconds:g} s with captions or "
            f"labels of what is asked for, {least} are needed"
        )
    return clips


def _clip(
    entry: manifest.Entry,
    grid: FrameGrid,
    rate: int,
    chosen: frozenset[str],
    drum_control: DrumControl | None,
    taken: set[str],
) -> LabelledClip:
    seconds = grid.seconds
    if entry.duration < seconds - SHORT_SECONDS:
        raise ValueError(f"{entry.path} lasts {entry.duration:.1f} s, {seconds:g} s are asked for")
    part = _part(entry.path, entry.start, seconds, rate)
    labels = {} if entry.labels is None else _labels(Path(entry.labels), entry.start, seconds)
    wanted = [name for name in TRACKS if name in chosen]
    tracks = {name: _track(name, labels, grid) for name in wanted}
    stem = entry.stems.get("drums")
    if stem is not None and "drums" in chosen:
        tracks["drums"] = _drums(_part(stem, entry.start, seconds), grid, drum_control)
    elif drum_control is not None:
        tracks.pop("drums", None)  # codes of a codec are heard in a stem, and nothing else makes them
    known = {name: track for name, track in tracks.items() if track is not None}
    text = entry.text[0] if entry.text and TEXT in chosen else None
    files = [Path(each) for each in (entry.labels, stem) if each is not None]
    digest = key_of(entry.hash or digest_of([Path(entry.path)]), entry.start, digest_of(files), text, sorted(known))
    name = slug(Path(entry.path).stem)
    whole = LabelledClip(
        name if name not in taken else f"{name}-{digest[:6]}",
        part,
        Controls((text,), {name: batched(track) for name, track in known.items()}),
        Requested(
            chords=labels.get("chords"),
            onsets=labels.get("onsets"),
            melody=labels.get("melody"),
            beats=labels.get("beats"),
        ),
        attributes_of(labels.get("tags") or {}),
        digest,
    )
    # What is asked of the model and what it is scored on are the same.
    return whole.asking_only(*known)


def _part(path: str, start_s: float, seconds: float, rate: int | None = None) -> Audio:
    """A part of a file, mono, with silence after its end.  Shape: ``[1, seconds * rate]``."""
    reading = audio_tools.read_mono(path, rate, start=start_s, seconds=seconds)
    for notice in reading.notices:
        print(f"note: {path}: {notice}", file=sys.stderr)
    return audio_tools.fit(reading.audio, round(seconds * reading.audio.rate))


def _labels(path: Path, start_s: float, seconds: float) -> dict[str, Any]:
    """Labels of a part, in seconds from its start; what the file does not say is left out.

    Raises: ValueError naming the file.
    """
    try:
        record = plain.read_json(path)
        if not isinstance(record, Mapping):
            raise ValueError("it holds no JSON object")
        found: dict[str, Any] = {}
        if record.get("chords") is not None:
            found["chords"] = _spans(checks.chords(record["chords"]), start_s, seconds)
        if record.get("melody") is not None:
            found["melody"] = _spans(record["melody"], start_s, seconds)
        for name, given in (("beats", record.get("beats")), ("downbeats", record.get("downbeats"))):
            if given is not None:
                found[name] = _times(given, start_s, seconds)
        hits = record.get("drums")
        if isinstance(hits, Mapping) and hits.get("onsets") is not None:
            found["onsets"] = _times(hits["onsets"], start_s, seconds)
            classes = hits.get("classes") or {}
            found["classes"] = {
                name: tuple(_times(classes[name], start_s, seconds)) for name in drums.BAND_OF_CLASS if name in classes
            }
        found["tags"] = record.get("tags") if isinstance(record.get("tags"), Mapping) else {}
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ValueError(f"labels {plain.shown(path)}: {plain.reason(error, 300)}") from None
    return found


def _times(given: Iterable[float], start_s: float, seconds: float) -> list[float]:
    moved = [limits.number("time", time) - start_s for time in given]
    return [max(0.0, time) for time in moved if -1e-3 <= time < seconds - 1e-3]


def _spans(given: Iterable[Any], start_s: float, seconds: float) -> list[tuple[float, float, Any]]:
    moved = [
        (limits.number("time", start) - start_s, limits.number("time", end) - start_s, what)
        for start, end, what in given
    ]
    return [(max(0.0, start), min(end, seconds), what) for start, end, what in moved if end > 0 and start < seconds]


def _track(name: str, labels: Mapping[str, Any], grid: FrameGrid) -> Track | None:
    """A control from labels; None where they do not say."""
    if name == "chords" and labels.get("chords"):
        return chords.to_track(labels["chords"], grid)
    if name == "melody" and "melody" in labels:
        return melody.to_track(labels["melody"], grid)
    if name == "beats" and len(labels.get("beats", ())) > 1:
        return beats.to_track(labels["beats"], labels.get("downbeats", ()), grid)
    if name == "drums" and "onsets" in labels:
        return drums.onsets_to_track(labels["onsets"], grid, classes=labels["classes"])
    return None


def _drums(stem: Audio, grid: FrameGrid, control: DrumControl | None) -> Track:
    from feature_extractors.drums import Drums

    return (control or Drums(separate=False))(stem, grid)
