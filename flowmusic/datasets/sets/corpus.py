"""A corpus of `flowmusic corpus`: exact labels and stems of every clip."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.corpus import reader
from flowmusic.corpus.fonts import NOT_KNOWN, licences
from flowmusic.corpus.reader import clips
from flowmusic.corpus.splits import SPLITS
from flowmusic.datasets.captions import distinct
from flowmusic.datasets.manifest import Entry
from flowmusic.datasets.scan import SIDECAR, STEMS, Problem, Scan
from flowmusic.datasets.sets.base import Begin, DataSet, Draft, complete
from flowmusic.hashes import of_file


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """All splits of a finished corpus; labels are its own JSON files, stems those that were written."""
    drafts: list[Draft] = []
    problems: list[Problem] = []
    for split in reader.SPLITS:
        for clip in reader.clips(source, split):
            labels = clip.audio.with_suffix(".json")
            try:
                record = clip.labels
                tags = {k: v for k, v in record.get("tags", {}).items() if isinstance(v, str)}
                captions = distinct(map(str, record.get("captions", ())))
                licence = _licence(record)
            except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
                problems.append(
                    Problem(str(clip.audio), SIDECAR, f"{labels.name} cannot be read ({plain.reason(error)})")
                )
                continue
            stems = {name: clip.audio.with_name(f"{clip.audio.stem}.{name}.flac") for name in STEMS}
            drafts.append(Draft(clip.audio, captions, licence, split, tags, labels=labels, stems=stems))
    return complete(drafts, problems, "flowmusic-corpus", out, workers, begin)


SET = DataSet(
    name="corpus",
    title="A corpus of `flowmusic corpus`",
    hours="as many as were rendered",
    licence="yours; what a sound font asks for stays (FluidR3 and MuseScore General: MIT, TimGM6mb: GPL-2)",
    commercial="yes, as far as the sound font allows",
    layout="{train,validation,test}/ID.flac and ID.json, stems ID.NAME.flac, manifest.jsonl",
    where="flowmusic corpus --hours 1 --seed 0 --stems drums --out DIR",
    cite="nothing",
    gives="captions, chords, melody, beats, drums, stems, all exact; its own splits",
    read=read,
)


DATASET = "flowmusic-corpus"
"""Name of the data set in manifests."""


def manifest_entries(folder: str | Path) -> list[Entry]:
    """The clips of a corpus as entries of a manifest, with their exact labels and whatever stems lie beside them.

    Raises: FileNotFoundError for a folder that is no finished corpus.
    """
    import soundfile

    folder = Path(folder).resolve()
    found = []
    for split in SPLITS:
        stems_of: dict[str, dict[str, str]] = {}
        for path in sorted((folder / split).glob("*.*.flac")):
            clip_id, stem = path.name.removesuffix(".flac").rsplit(".", 1)
            stems_of.setdefault(clip_id, {})[stem] = str(path)
        for clip in clips(folder, split):
            facts, record = soundfile.info(os.fsencode(clip.audio)), clip.labels
            found.append(
                Entry(
                    path=str(clip.audio),
                    duration=facts.duration,
                    rate=facts.samplerate,
                    channels=facts.channels,
                    hash=of_file(clip.audio),
                    text=tuple(record.get("captions", ())),
                    licence=_licence(record),
                    split=split,
                    dataset=DATASET,
                    labels=str(clip.audio.with_suffix(".json")),
                    stems=stems_of.get(clip.id, {}),
                )
            )
    return found


def _licence(record: Mapping[str, Any]) -> str | None:
    """What the licences of a clip's fonts and recordings are, in one text; None where none is known."""
    found = licences(record)
    return None if not found or found == [NOT_KNOWN] else ", ".join(found)
