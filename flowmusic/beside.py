"""Which files the names in a file may lead to.

Whoever wrote a file has put its names there, and following one opens another file of this machine.  So:

- **Shards in an index** are plain file names.
- **A stem that the JSON of one recording names** (``controls.json``) lies beside that JSON or in a folder below: no
  absolute path, no ``..``, no link that leads out.  Whoever moves the folder moves it too.
- **Files in the list of a corpus or the table of a data set** lie inside it: no absolute path and no ``..``.
- **A manifest is a catalogue**, the user's own list of recordings that lie wherever they lie: ``path`` and
  ``duplicate_of`` may name any file.  ``labels`` and ``stems``, which nobody looks for by hand, lie below the folder of
  the manifest or below that of their recording (:func:`flowmusic.datasets.manifest.read`).  Links are followed, for
  collections are kept as links.
- What is opened in the end is a regular file, never a device or a pipe (:func:`flowmusic.plain.check_file`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from flowmusic.plain import shown

MOST_LETTERS = 255
"""Bytes of a name that file systems take."""


class StrayName(ValueError):
    """A name in a file leads somewhere else; the message says which, and what is allowed."""


def file_name(name: object, place: object) -> str:
    """The name itself, if it is one of a file in the same folder.

    Args:
        name: as written.
        place: the file and key that it stands in, for the message.

    Raises: StrayName for anything with a folder, a drive or an unprintable character in it.
    """
    wanted = f"{place}: {_quoted(name)} is not a plain file name; write the name of a file in the same folder"
    if not isinstance(name, str) or not name or len(os.fsencode(_whole(name, wanted))) > MOST_LETTERS:
        raise StrayName(wanted)
    if name in (".", "..") or "/" in name or "\\" in name or PureWindowsPath(name).drive or not name.isprintable():
        raise StrayName(wanted)
    return name


def beside(name: object, folder: str | Path, place: object) -> Path:
    """The file of that name in a folder, or in one below it; it need not be there.

    Raises: StrayName for a name that leads out of the folder, by itself or through a link.
    """
    wanted = f"{place}: {_quoted(name)} leads out of its folder; name a file that lies beside, without .. or a root"
    parts = relative(name, place).split("/")
    found = Path(folder, *parts)
    try:
        inside = found.resolve().is_relative_to(Path(folder).resolve())
    except (OSError, RuntimeError):  # links in a circle
        inside = False
    if not inside:
        raise StrayName(wanted)
    return found


def relative(name: object, place: object) -> str:
    """The name itself, with ``/`` between folders, if it reads as one of a file beside or below.  Raises: StrayName."""
    wanted = f"{place}: {_quoted(name)} leads out of its folder; name a file that lies beside, without .. or a root"
    if not isinstance(name, str) or not name.strip():
        raise StrayName(f"{place}: {_quoted(name)} is not the name of a file beside it")
    plain = _whole(name, wanted).replace("\\", "/") if os.sep == "\\" else _whole(name, wanted)
    path = PurePosixPath(plain)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in plain:
        raise StrayName(wanted)
    return path.as_posix()


def below(path: str | Path, folders: Iterable[str | Path]) -> bool:
    """Whether an absolute path lies in one of some folders or below, as it is written: links are not followed."""
    normal = os.path.normpath(path)
    return any(Path(normal).is_relative_to(os.path.normpath(folder)) for folder in folders)


def _whole(name: str, wanted: str) -> str:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise StrayName(wanted) from None
    return name


def _quoted(name: object) -> str:
    return repr(shown(name)) if isinstance(name, str) else f"{type(name).__name__} {shown(repr(name)[:120])}"
