"""A corpus of `flowmusic corpus`: exact labels and stems of every clip."""

from __future__ import annotations

from pathlib import Path

from flowmusic import plain
from flowmusic.corpus import reader
from flowmusic.datasets.captions import distinct
from flowmusic.datasets.scan import SIDECAR, STEMS, Problem, Scan
from flowmusic.datasets.sets.base import Begin, DataSet, Draft, complete


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
            except (OSError, ValueError, TypeError, AttributeError) as error:
                problems.append(
                    Problem(str(clip.audio), SIDECAR, f"{labels.name} cannot be read ({plain.reason(error)})")
                )
                continue
            stems = {name: clip.audio.with_name(f"{clip.audio.stem}.{name}.flac") for name in STEMS}
            drafts.append(Draft(clip.audio, captions, None, split, tags, labels=labels, stems=stems))
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
