"""Chunks of a WAV file beside its samples: tempo, loop points, marks, origin.

Layouts: ``smpl``, ``cue``, ``LIST`` after the RIFF and multimedia data standards (IBM and Microsoft 1991, 1994);
``bext`` after EBU Tech 3285 version 2; ``acid`` is not published, and is written as programs that read it expect it (24
bytes, the tempo last).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from flowmusic.files import replacing
from flowmusic.plain import shown

_COPY = 1 << 20
LONGEST = 1 << 32
"""Bytes of a WAV file."""
_ONE_SHOT, _ROOT_SET, _STRETCH = 0x01, 0x02, 0x04
NOTE_C4 = 60


class WavError(ValueError):
    """A file that is no WAV file, or is damaged."""


@dataclass(frozen=True)
class Acid:
    """A loop that a program may stretch to its tempo: beats, tempo (quarters a minute), meter, and its root note."""

    beats: int
    bpm: float
    meter: tuple[int, int] = (4, 4)
    root: int | None = None

    def chunk(self) -> bytes:
        """The content of an ``acid`` chunk."""
        flags = _STRETCH | (0 if self.root is None else _ROOT_SET)
        count, unit = self.meter
        root = NOTE_C4 if self.root is None else self.root
        return struct.pack("<IHHfIHHf", flags, root, 0x8000, 0.0, self.beats, unit, count, self.bpm)


@dataclass(frozen=True)
class Mark:
    """A name at a sample."""

    sample: int
    name: str


@dataclass(frozen=True)
class Origin:
    """Who made a file: what ``bext`` and ``LIST INFO`` tell.  Dates are left out: a seed makes the same file again."""

    title: str
    comment: str
    software: str
    licence: str = ""
    genre: str = ""
    unique: str = ""
    """A reference of up to 32 letters that tells this file from others."""


def smpl_chunk(rate: int, loop: tuple[int, int] | None, note: int = NOTE_C4) -> bytes:
    """The content of a ``smpl`` chunk: the root note, and a loop from a first to a last sample, both played."""
    loops = [] if loop is None else [struct.pack("<IIIIII", 0, 0, loop[0], loop[1], 0, 0)]
    head = struct.pack("<IIIIIIIII", 0, 0, round(1e9 / rate), note, 0, 0, 0, len(loops), 0)
    return head + b"".join(loops)


def cue_chunks(marks: Sequence[Mark]) -> list[tuple[bytes, bytes]]:
    """A ``cue`` chunk of some marks, and the ``LIST`` of their names."""
    points = b"".join(
        struct.pack("<II4sIII", number, mark.sample, b"data", 0, 0, mark.sample)
        for number, mark in enumerate(marks, start=1)
    )
    labels = b"".join(
        _chunk(b"labl", struct.pack("<I", number) + _text(mark.name)) for number, mark in enumerate(marks, start=1)
    )
    return [(b"cue ", struct.pack("<I", len(marks)) + points), (b"LIST", b"adtl" + labels)]


def bext_chunk(origin: Origin, start_sample: int = 0) -> bytes:
    """The content of a ``bext`` chunk, version 2 without loudness.

    The time reference says where on a timeline a part begins.
    """
    return struct.pack(
        "<256s32s32s10s8sQH64shhhhh180s",
        _ascii(origin.comment, 256),
        _ascii(origin.software, 32),
        _ascii(origin.unique, 32),
        b"",
        b"",
        start_sample,
        2,
        b"",
        # Not measured, by the standard.
        *(0x7FFF,) * 5,
        b"",
    )


def info_chunk(origin: Origin) -> bytes:
    """The content of a ``LIST INFO`` chunk."""
    fields = {
        b"INAM": origin.title,
        b"ICMT": origin.comment,
        b"ISFT": origin.software,
        b"ICOP": origin.licence,
        b"IGNR": origin.genre,
    }
    return b"INFO" + b"".join(_chunk(name, _text(value)) for name, value in fields.items() if value)


def add(path: Path, chunks: Sequence[tuple[bytes, bytes]]) -> Path:
    """Write chunks into a WAV file, in place of those of the same name; samples stay as they are.

    ``bext`` comes before the samples, as its standard recommends, the others behind them.
    Raises: WavError for what is no WAV file.
    """
    names = {_key(name, content) for name, content in chunks}
    with path.open("rb") as file:
        kept = [
            (name, place, size) for name, place, size in _chunks(file, path) if _kind(file, name, place) not in names
        ]
        with replacing(path) as temporary, temporary.open("wb") as out:
            out.write(b"RIFF\0\0\0\0WAVE")
            for name, content in chunks:
                if name == b"bext":
                    out.write(_chunk(name, content))
            for name, place, size in kept:
                _copy(file, out, name, place, size)
            for name, content in chunks:
                if name != b"bext":
                    out.write(_chunk(name, content))
            size = out.tell() - 8
            if size >= LONGEST:
                raise WavError(f"{shown(path)} is longer than a WAV file can be; write .flac")
            out.seek(4)
            out.write(struct.pack("<I", size))
    return path


def read(path: Path) -> Mapping[bytes, bytes]:
    """Chunks by name, without the samples; a ``LIST`` by its kind (``LIST:INFO``).  Raises: WavError."""
    found = {}
    with path.open("rb") as file:
        for name, place, size in list(_chunks(file, path)):
            if name != b"data":
                kind = _kind(file, name, place)
                file.seek(place)
                found[kind] = file.read(size)
    return found


def _kind(file: BinaryIO, name: bytes, place: int) -> bytes:
    if name != b"LIST":
        return name
    file.seek(place)
    return b"LIST:" + file.read(4)


def _key(name: bytes, content: bytes) -> bytes:
    return b"LIST:" + content[:4] if name == b"LIST" else name


def _chunks(file: BinaryIO, path: Path) -> list[tuple[bytes, int, int]]:
    """Name, place of the content and its size, of every chunk."""
    file.seek(0, 2)
    length = file.tell()
    file.seek(0)
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise WavError(f"{shown(path)} is no WAV file")
    found, place = [], 12
    while place + 8 <= length:
        file.seek(place)
        name, size = struct.unpack("<4sI", file.read(8))
        size = min(size, length - place - 8)
        found.append((name, place + 8, size))
        place += 8 + size + size % 2
    if not any(name == b"data" for name, _, _ in found):
        raise WavError(f"{shown(path)} holds no samples")
    return found


def _copy(file: BinaryIO, out: BinaryIO, name: bytes, place: int, size: int) -> None:
    out.write(struct.pack("<4sI", name, size))
    file.seek(place)
    left = size
    while left:
        block = file.read(min(left, _COPY))
        if not block:
            break
        out.write(block)
        left -= len(block)
    out.write(b"\0" * (size % 2))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def _text(words: str) -> bytes:
    """Text as most programs read it: UTF-8, which is ASCII where it can be, with a zero behind."""
    return words.encode("utf-8", "replace") + b"\0"


def _ascii(words: str, most: int) -> bytes:
    return words.encode("ascii", "replace")[:most]
