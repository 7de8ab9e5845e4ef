"""A file as numbered parts of limited size with an index, and back: for places that move small files only.

``parts.json`` holds ``name``, ``bytes`` and ``sha256`` of the whole and ``[name, bytes, sha256]`` of every part.  It is
written last, so an index means that all parts were written.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.files import replacing

PART_BYTES = 16 * 2**20
INDEX = "parts.json"


class PartsError(ValueError):
    """Parts are missing, damaged or of something else; the message names them."""


def split(source: str | Path, folder: str | Path, part_bytes: int = PART_BYTES) -> list[Path]:
    """Write a file as ``folder/NAME.000, NAME.001, ...`` and the index; parts of an earlier split are replaced.

    Returns: every file written, the index last.
    Raises: ValueError for a part size under one byte.
    """
    if part_bytes < 1:
        raise ValueError(f"part_bytes must be at least 1, got {part_bytes}")
    source, folder = Path(source), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove(folder)
    whole = hashlib.sha256()
    parts: list[tuple[str, int, str]] = []
    written: list[Path] = []
    with source.open("rb") as stream:
        while data := stream.read(part_bytes):
            whole.update(data)
            path = folder / f"{source.name}.{len(parts):03d}"
            _replace(path, data)
            parts.append((path.name, len(data), hashlib.sha256(data).hexdigest()))
            written.append(path)
    index = {"name": source.name, "bytes": sum(p[1] for p in parts), "sha256": whole.hexdigest(), "parts": parts}
    _replace(folder / INDEX, (json.dumps(index, indent=1) + "\n").encode())
    return [*written, folder / INDEX]


def remove(folder: Path) -> None:
    """Delete the index of a folder and the parts that it names, the index first."""
    if not (folder / INDEX).is_file():
        return
    names = [name for name, _, _ in read_index(folder)["parts"]]
    (folder / INDEX).unlink()
    for name in names:
        (folder / name).unlink(missing_ok=True)


def read_index(folder: str | Path) -> dict[str, Any]:
    """The index of a folder of parts.  Raises: PartsError."""
    file = Path(folder) / INDEX
    if not file.is_file():
        raise PartsError(f"{file} is missing: {folder} holds no parts, or their writing was cut off")
    try:
        index: dict[str, Any] = plain.read_json(file)
        names: list[str] = [index["name"], *(name for name, size, digest in index["parts"])]
    except (ValueError, KeyError, TypeError) as error:
        raise PartsError(f"{file} is no index of parts ({error})") from error
    # A name is a name: an index must not write or read beside its folder.
    if any(Path(name).name != name for name in names):
        raise PartsError(f"{file} names a file in another folder")
    return index


def join(folder: str | Path, target: str | Path) -> Path:
    """Put the parts of a folder together again, verified, as ``target``, which appears whole or not at all.

    Raises: PartsError that names every missing or damaged part.
    """
    folder, target = Path(folder), Path(target)
    index = read_index(folder)
    missing = [name for name, _, _ in index["parts"] if not (folder / name).is_file()]
    if missing:
        raise PartsError(f"{folder} lacks {', '.join(missing)} of {len(index['parts'])} parts; bring them too")
    whole, damaged = hashlib.sha256(), []
    with replacing(target) as temporary:
        with temporary.open("wb") as stream:
            for name, size, digest in index["parts"]:
                data = (folder / name).read_bytes()
                if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
                    damaged.append(f"{name} ({len(data)} bytes of {size})" if len(data) != size else name)
                whole.update(data)
                stream.write(data)
        if damaged:
            raise PartsError(f"{folder} has damaged parts: {', '.join(damaged)}; copy them again")
        if whole.hexdigest() != index["sha256"]:
            raise PartsError(f"the parts in {folder} are sound, but do not make up {index['name']}: a mixed index")
    return target


def _replace(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)
