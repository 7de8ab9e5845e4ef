"""The recordings of a manifest as a test set: its captions are the prompts, and its labels, where it has any, controls.

Nothing is extracted: a recording without labels is asked for in words alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from flowmusic import audio as audio_tools
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.labels_file import of_record, read_record
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.controls import TRACKS
from flowmusic.controls.tracks import batched
from flowmusic.datasets import manifest
from flowmusic.evaluate.cache import key_of, slug
from flowmusic.evaluate.test_set import DrumControl, LabelledClip, attributes_of, digest_of, digest_with, told
from flowmusic.types import TEXT, Controls, FrameGrid, Track

SHORT_SECONDS = 0.25
"""How much a recording may lack of the clip's length: it ends in silence then, as clips cut from a film do."""
LABELS_VERSION = 2
"""Raised when the same labels are to give other controls: takes of those are other takes."""


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
    record = {} if entry.labels is None else read_record(entry.labels)
    annotations = Annotations() if entry.labels is None else of_record(record, entry.labels)
    lasts = min(seconds, entry.duration)
    wanted = [name for name in TRACKS if name in chosen]
    tracks = to_tracks(annotations, grid, wanted, entry.start, lasts)
    stem = entry.stems.get("drums")
    if stem is not None and "drums" in chosen:
        tracks["drums"] = _drums(_part(stem, entry.start, lasts), grid, drum_control)
    elif drum_control is not None:
        tracks.pop("drums", None)  # codes of a codec are heard in a stem, and nothing else makes them
    # A control of which nothing is known in this part is not one that it has.
    known = {name: tracks[name] for name in wanted if name in tracks and bool(tracks[name].known.any())}
    facts, who = told(record, grid, lasts, chosen, entry.start)
    text = entry.text[0] if entry.text and TEXT in chosen else None
    files = [Path(each) for each in (entry.labels, stem) if each is not None]
    by = [] if entry.labels is None else [LABELS_VERSION]
    recording = entry.hash or digest_of([Path(entry.path)])
    digest = key_of(recording, entry.start, digest_of(files), text, sorted(known), *by)
    name, tags = slug(Path(entry.path).stem), record.get("tags")
    whole = LabelledClip(
        name if name not in taken else f"{name}-{digest[:6]}",
        part,
        Controls((text,), {name: batched(track) for name, track in known.items()} | who, facts=facts),
        annotations.part(entry.start, lasts),
        attributes_of(tags if isinstance(tags, Mapping) else {}),
        digest_with(digest, facts, who),
    )
    # What is asked of the model and what it is scored on are the same.
    return whole.asking_only(*known)


def _part(path: str, start_s: float, seconds: float, rate: int | None = None) -> Audio:
    """A part of a file, mono, with silence after its end.  Shape: ``[1, seconds * rate]``."""
    reading = audio_tools.read_mono(path, rate, start=start_s, seconds=seconds)
    for notice in reading.notices:
        print(f"note: {path}: {notice}", file=sys.stderr)
    return audio_tools.fit(reading.audio, round(seconds * reading.audio.rate))


def _drums(stem: Audio, grid: FrameGrid, control: DrumControl | None) -> Track:
    from feature_extractors.drums import Drums

    return (control or Drums(separate=False))(stem, grid)
