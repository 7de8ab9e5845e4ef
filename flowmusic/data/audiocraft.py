"""Audiocraft's manifests: ``data.jsonl`` or ``data.jsonl.gz``, with music info JSON beside the recordings.

A line has ``path``, ``duration``, ``sample_rate`` and optionally ``amplitude``, ``weight``, ``info_path``.  It says
nothing of channels and of the bytes: ``channels`` 0 and an empty ``hash`` stand for that in an entry, and
``flowmusic data read audiocraft`` fills them in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowmusic.data.captions import of_info

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
    if not isinstance(line.get("path"), str) or ".zip:" in str(line["path"]):
        raise ValueError(f"path {line.get('path')!r}: recordings inside archives cannot be read; unpack them")
    path = _placed(line["path"], manifest)
    plain: dict[str, Any] = {
        "path": str(path),
        "duration": line.get("duration"),
        "rate": line["sample_rate"],
        "channels": 0,
        "hash": "",
        "split": _SPLITS.get(manifest.absolute().parent.name.lower(), "train"),
    }
    if not isinstance(plain["duration"], int | float):
        raise ValueError(f"duration must be a number of seconds, got {plain['duration']!r}")
    info = _placed(line["info_path"], manifest) if line.get("info_path") else path.with_suffix(".json")
    if info.is_file():
        try:
            parsed = json.loads(info.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{info} is not JSON ({error})") from None
        if not isinstance(parsed, Mapping):
            raise ValueError(f"{info} holds {type(parsed).__name__}, not a JSON object")
        said = of_info(parsed)
        plain.update(text=said.captions, licence=said.licence, tags=said.tags)
    return plain


def _placed(path: str, manifest: Path) -> Path:
    beside = manifest.absolute().parent / path
    return beside if beside.exists() or not Path(path).exists() else Path(path).absolute()
