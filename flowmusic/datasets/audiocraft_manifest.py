"""Audiocraft's manifests: ``data.jsonl`` or ``data.jsonl.gz``, with music info JSON beside the recordings.

A line has ``path``, ``duration``, ``sample_rate`` and optionally ``amplitude``, ``weight``, ``info_path``.  It says
nothing of channels and of the bytes: ``channels`` 0 and an empty ``hash`` stand for that in an entry, and
``flowmusic data read audiocraft`` fills them in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowmusic import beside, plain
from flowmusic.datasets.captions import of_info

KEYS = frozenset({"path", "duration", "sample_rate", "amplitude", "weight", "info_path", "meta"})
_SPLITS = {
    "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "evaluate": "test", "evaluation": "test", "generate": "test",
}  # fmt: skip


def is_line(line: Any) -> bool:
    """Whether this is a line of Audiocraft's, and not one of ours."""
    return isinstance(line, Mapping) and "sample_rate" in line and "rate" not in line and set(line) <= KEYS


def translate(line: Mapping[str, Any], manifest: Path) -> dict[str, Any]:
    """A line as plain data of an entry.

    A relative path is taken from the manifest's folder if the file is there, else from the current one, as Audiocraft
    does.  The split is that of the manifest's folder (``egs/NAME/valid/data.jsonl``), train where it says none.

    Raises: ValueError for a path inside an archive, or an info file that is not a JSON object.
    """
    if not isinstance(line.get("path"), str) or ".zip:" in str(line["path"]) or "\0" in line["path"]:
        raise ValueError(
            f"path {plain.shown(line.get('path'))!r}: recordings inside archives cannot be read; unpack them"
        )
    path = _placed(line["path"], manifest)
    told: dict[str, Any] = {
        "path": str(path),
        "duration": line.get("duration"),
        "rate": line["sample_rate"],
        "channels": 0,
        "hash": "",
        "split": _SPLITS.get(manifest.absolute().parent.name.lower(), "train"),
    }
    if not isinstance(told["duration"], int | float):
        raise ValueError(f"duration must be a number of seconds, got {plain.shown(repr(told['duration']))}")
    named = line.get("info_path")
    if named is not None and (not isinstance(named, str) or "\0" in named):
        raise ValueError(f"info_path must be a file name, got {plain.shown(repr(named))}")
    info = _placed(named, manifest) if named else path.with_suffix(".json")
    if info.is_file():
        if not beside.below(info, (manifest.absolute().parent, manifest.resolve().parent, path.parent)):
            raise beside.StrayName(f"info_path {plain.shown(info)!r} lies neither below the manifest nor the recording")
        parsed = plain.read_json(info, missing=True)
        if not isinstance(parsed, Mapping):
            raise ValueError(f"{info} holds {type(parsed).__name__}, not a JSON object")
        said = of_info(parsed)
        told.update(text=said.captions, licence=said.licence, tags=said.tags)
    return told


def _placed(path: str, manifest: Path) -> Path:
    beside = manifest.absolute().parent / path
    return beside if beside.exists() or not Path(path).exists() else Path(path).absolute()
