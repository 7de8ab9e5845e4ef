"""Read a corpus folder (``DIR/{train,validation,test}/ID.flac`` + ``ID.json``, ``manifest.jsonl``)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmusic import beside, plain
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.labels_file import of_record
from flowmusic.datasets.manifest import SPLITS, Entry
from flowmusic.hashes import of_file

DATASET = "flowmusic-corpus"
"""Name of the data set in manifests."""


@dataclass(frozen=True)
class Clip:
    """One clip of a corpus: where its audio and its exact labels are."""

    id: str
    split: str
    audio: Path

    @property
    def labels(self) -> dict[str, Any]:
        """The parsed ``ID.json``, with captions, tags and whatever else is no annotation.

        Raises: FileNotFoundError; PlainError for what is no JSON object.
        """
        path = self.audio.with_suffix(".json")
        parsed = plain.read_json(path)
        if not isinstance(parsed, dict):
            raise plain.PlainError(f"{plain.shown(path)} holds no labels but {type(parsed).__name__}; make it again")
        return parsed

    @property
    def annotations(self) -> Annotations:
        """The exact annotations in ``ID.json``.  Raises: FileNotFoundError; ValueError for what holds none."""
        return of_record(self.labels, self.audio.with_suffix(".json"))

    def stem(self, name: str) -> Path:
        """Path of a stem, e.g. ``drums``; the corpus must have been written with ``--stems``."""
        path = self.audio.with_name(f"{self.audio.stem}.{name}.flac")
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing; write the corpus with --stems {name}")
        return path


def clips(folder: str | Path, split: str, limit: int | None = None) -> list[Clip]:
    """Clips of one split in the order of the manifest.

    Raises: ValueError for an unknown split, and for a line that names no file below the folder (StrayName);
        FileNotFoundError for a folder that is no finished corpus.
    """
    folder = Path(folder)
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; there are: {', '.join(SPLITS)}")
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():
        raise FileNotFoundError(
            f"{folder} is not a finished corpus (no manifest.jsonl); make one with: "
            f"flowmusic corpus --hours 1 --seed 0 --stems drums --out {folder}"
        )
    found: list[Clip] = []
    for number, line in plain.lines(manifest):
        place = f"{plain.shown(manifest)}, line {number}"
        told = plain.json_of(line, place)
        if not isinstance(told, dict) or not {"path", "split"} <= set(told):
            raise plain.PlainError(f"{place} tells no path and split; make the corpus again")
        if told["split"] == split and len(found) != limit:
            name = beside.relative(told["path"], place)
            found.append(Clip(Path(name).stem, split, folder / name))
    return found


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
            facts = soundfile.info(os.fsencode(clip.audio))
            found.append(
                Entry(
                    path=str(clip.audio),
                    duration=facts.duration,
                    rate=facts.samplerate,
                    channels=facts.channels,
                    hash=of_file(clip.audio),
                    text=tuple(clip.labels.get("captions", ())),
                    split=split,
                    dataset=DATASET,
                    labels=str(clip.audio.with_suffix(".json")),
                    stems=stems_of.get(clip.id, {}),
                )
            )
    return found
