"""The folder of an export: whole or not at all, and never in place of what is no export.

``export.json`` in it names every file, so that a later export knows what it may replace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowmusic import beside, disk, plain
from flowmusic.errors import UsageError
from flowmusic.files import temporary_folder, write_readable_json
from flowmusic.paths import shown

INDEX = "export.json"
FORMAT = 1


def check(out: Path, replace: bool) -> None:
    """Refuse, before the work, a folder that holds something else.

    Args:
        replace: files of an earlier export may be replaced.

    Raises: UsageError naming the folder and what to do.
    """
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not replace:
        raise UsageError(
            f"the folder {shown(out)} is not empty; give another --out, or --replace where it holds an earlier export"
        )
    earlier(out)


def earlier(out: Path) -> list[str]:
    """The files of the export in a folder.  Raises: UsageError where it holds none, or its list is damaged."""
    index = out / INDEX
    if not index.is_file():
        raise UsageError(f"--replace: {shown(out)} holds no earlier export (no {INDEX}); give another --out")
    try:
        found = plain.read_json(index)
        names = found.get("files") if isinstance(found, dict) else None
        if not isinstance(names, list):
            raise plain.PlainError(f"{shown(index)} lists no files")
        return [beside.beside(name, out, f"{shown(index)}: files").relative_to(out).as_posix() for name in names]
    except ValueError as error:
        raise UsageError(f"--replace: {error}; give another --out") from None


@contextmanager
def placed(out: Path, index: dict[str, Any]) -> Iterator[Path]:
    """A temporary folder to fill; when the block ends well, its files take their places in ``out``, the index last.

    Args:
        index: content of :data:`INDEX`, to which ``files`` are added.

    Raises: UsageError where a file would be put in place of one that is no earlier export's; OSError.
    """
    with temporary_folder(out) as temporary, disk.naming(out, temporary):
        yield temporary
        os.chmod(temporary, 0o755)
        names = sorted(path.relative_to(temporary).as_posix() for path in temporary.rglob("*") if path.is_file())
        content = {"format": FORMAT, **index, "files": [*names, INDEX]}
        write_readable_json(temporary / INDEX, content)
        if not out.exists() or not any(out.iterdir()):
            os.replace(temporary, out)
        else:
            _move(temporary, out, names, content)


def _move(temporary: Path, out: Path, names: Sequence[str], content: dict[str, Any]) -> None:
    """File by file over an earlier export."""
    old = earlier(out)
    foreign = [name for name in names if name not in old and os.path.lexists(out / name)]
    if foreign:
        raise UsageError(f"{shown(out / foreign[0])} is in the way and no part of the earlier export; move it away")
    # Should the rest be interrupted, the next export still knows all of these files.
    write_readable_json(out / INDEX, {**content, "files": sorted({*names, *old, INDEX})})
    for name in old:
        if name not in names and name != INDEX and (out / name).is_file():
            (out / name).unlink()
    for name in names:
        (out / name).parent.mkdir(exist_ok=True)
        os.replace(temporary / name, out / name)
    os.replace(temporary / INDEX, out / INDEX)
