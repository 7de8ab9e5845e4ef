"""Names of files: any script, any byte, any length that a file system takes.

Names are bytes.  Python shows those that are no UTF-8 as half characters (U+DC80 to U+DCFF, "surrogate escapes"), which
go back to the same bytes when the file is opened, and which most libraries and every strict encoder refuse.  So:

- libsndfile is given ``os.fsencode(path)``;
- what takes text alone is given a name in UTF-8 of the same file (:func:`in_utf8`);
- JSON holds such a letter as ``\\udcff``, which reads back as itself (:func:`flowmusic.files.write_text`);
- people are shown it as ``\\udcff`` (:func:`shown`), and a link in a page holds the byte (:func:`url`).
"""

from __future__ import annotations

import atexit
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

MOST_BYTES = 255
"""Of a name, on every usual file system."""


def is_utf8(path: str | Path) -> bool:
    """Whether every byte of a path is part of a letter.

    >>> is_utf8("ü.wav"), is_utf8(os.fsdecode(b"\\xff.wav"))
    (True, False)
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def in_utf8(path: str | Path) -> Iterator[str]:
    """A name of the same file or folder for a library that takes text in UTF-8: itself, or a link to it for the while.

    What is read through the link may stay mapped into memory after it is gone.
    """
    if is_utf8(path):
        yield str(path)
        return
    with linked(path) as name:
        yield name


@contextmanager
def linked(path: str | Path) -> Iterator[str]:
    """A link of a plain name to a file or folder, for the while."""
    with tempfile.TemporaryDirectory(prefix="flowmusic-") as folder:
        link = Path(folder, "link" + (Path(path).suffix if is_utf8(Path(path).suffix) else ""))
        link.symlink_to(os.path.abspath(path))
        yield str(link)


def lastingly_linked(path: str | Path) -> str:
    """As :func:`linked`, for as long as this process lives."""
    link = linked(path)
    name = link.__enter__()
    atexit.register(link.__exit__, None, None, None)
    return name


def shown(text: str | Path) -> str:
    """A name for people, and for what writes or draws text: bytes that are no letters as ``\\udcff``.

    >>> shown(os.fsdecode(b"a\\xff.wav"))
    'a\\\\udcff.wav'
    """
    return str(text).encode("utf-8", "backslashreplace").decode()


def url(path: str | Path) -> str:
    """A relative path as a link in a page.

    >>> url("a b/c#1 & é.flac"), url("odd:name")
    ('a%20b/c%231%20%26%20%C3%A9.flac', 'odd%3Aname')
    """
    return quote(os.fsencode(path))


def cut(text: str, most: int) -> str:
    """The beginning of a name in at most so many bytes, without a letter that is cut in two.

    >>> cut("größe", 3), cut("abc", 10)
    ('gr', 'abc')
    """
    data = os.fsencode(text)
    return text if len(data) <= most else data[: max(0, most)].decode("utf-8", "ignore")


def fitted(name: str, ending: str = "") -> str:
    """``name`` and ``ending`` as one name; where it would be too long, a hash stands for the end of the first.

    Names that differ in their last letters alone stay different, and files of one do not take the place of another's.

    >>> len(fitted("x" * 255, ".json")), fitted("x" * 255, ".json")[-14:], fitted("song", ".json")
    (255, '-d22609da.json', 'song.json')
    """
    room = MOST_BYTES - len(os.fsencode(ending))
    data = os.fsencode(name)
    if len(data) <= room:
        return name + ending
    mark = f"-{hashlib.sha256(data).hexdigest()[:8]}"
    return cut(name, room - len(mark)) + mark + ending


def sibling(path: str | Path, ending: str) -> Path:
    """The file of the same stem with another ending, which fits into a name.

    >>> sibling("takes/a.b.wav", "-2.json").as_posix()
    'takes/a.b-2.json'
    """
    return Path(path).with_name(fitted(Path(path).stem, ending))
