"""Labels of a corpus's clips, as the data of our networks read them: ``DIR/SPLIT/ID.json`` beside ``ID.flac``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowmusic import plain


def paths(corpus: Path, split: str, limit: int | None = None) -> list[Path]:
    """The labels files of a split, in order, at most ``limit`` of them.  Raises: ValueError if there are none."""
    found = sorted((corpus / split).glob("*.json"))[:limit]
    if not found:
        raise ValueError(f"no clips in {corpus / split}; make some with `flowmusic corpus --out {corpus}`")
    return found


def read(path: Path, *keys: str) -> Mapping[str, Any]:
    """The labels of a clip.  Raises: ValueError naming the file if it is no JSON object with all of ``keys``."""
    labels = plain.read_json(path)
    missing = [key for key in keys if not isinstance(labels, dict) or key not in labels]
    if missing or not isinstance(labels, dict):
        raise ValueError(
            f"{plain.shown(path)} holds no labels of a clip ({', '.join(missing) or type(labels).__name__} missing); "
            "make the corpus again with `flowmusic corpus`"
        )
    return labels
