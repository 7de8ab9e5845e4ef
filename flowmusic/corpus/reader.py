"""Read a corpus folder (``DIR/{train,validation,test}/ID.flac`` + ``ID.json``, ``manifest.jsonl``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmusic import beside, plain
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.labels_file import of_record
from flowmusic.corpus.splits import SPLITS


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
