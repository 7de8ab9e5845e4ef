"""Files of a folder of shards, by name: from this machine, or from an address that the user gave.

The user's own setting decides how files travel (``shards=DIR``, ``http://HOST/PATH``, ``pipe:gsutil cat
gs://BUCKET/PATH``); what the folder holds only names files in it.  A name is letters, digits, ``_``, ``-`` and ``.``,
so that appended to a command of the user's it is one more letter of its last word, and never another command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from flowmusic.beside import StrayName
from flowmusic.data.errors import WrongData
from flowmusic.plain import MIB, check_file, shown, text_of

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_ADDRESS = re.compile(r"pipe:|[a-z][a-z0-9+]*://")


class StrayShard(StrayName, WrongData):
    """A folder of shards names something that is no file of its own."""


def check_name(name: object, place: object) -> str:
    """The name itself.  Raises: StrayShard for anything but a plain file name; ``place`` is where it stands."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise StrayShard(
            f"{shown(place)}: {shown(name)!r} cannot be the name of a shard, which has letters, digits, _, - and . "
            "only; get the folder from its publisher again, or build it"
        )
    return name


def is_address(location: str | Path) -> bool:
    """Whether files are asked for elsewhere; a :class:`~pathlib.Path` is a folder of this machine, however it reads."""
    return isinstance(location, str) and _ADDRESS.match(location) is not None


def within(location: str | Path, name: str) -> str:
    """A file of the folder as text.  Raises: StrayName."""
    return f"{str(location).rstrip('/')}/{check_name(name, location)}"


@contextmanager
def opened(location: str | Path, name: str, most: int) -> Iterator[Limited]:
    """A file of the folder for reading.

    Raises: StrayName; FileNotFoundError; PlainError for a device, or a file of this machine that is larger than
        ``most`` bytes; whatever the transport raises.
    """
    place = within(location, name)
    if is_address(location):
        from webdataset.gopen import gopen

        with gopen(place) as stream:
            yield Limited(stream, most, place)
    else:
        check_file(place, most)
        with open(place, "rb") as file:
            yield Limited(file, most, place)


def read_text(location: str | Path, name: str, most: int) -> str:
    """A text file of the folder.  Raises: as :func:`opened`; ValueError for one that is too long or no UTF-8."""
    with opened(location, name, most) as stream:
        parts = []
        while part := stream.read(MIB):
            parts.append(part)
        return text_of(b"".join(parts), within(location, name))


class Limited:
    """A stream that ends with an error where it is longer than was said; its bytes may go through a digest."""

    def __init__(self, stream: BinaryIO, most: int, place: str) -> None:
        self.stream, self.most, self.place = stream, most, place
        self.done = 0
        self.digest: Any = None

    def read(self, size: int = -1) -> bytes:
        # One byte more than is allowed tells.
        rest = self.most - self.done + 1
        data: bytes = self.stream.read(rest if size < 0 else min(size, rest))
        self.done += len(data)
        if self.done > self.most:
            raise ValueError(f"{shown(self.place)} is longer than {self.most} bytes, which is what was said of it")
        if self.digest is not None:
            self.digest.update(data)
        return data
