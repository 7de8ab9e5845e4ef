"""Whether words that must not be told are anywhere in the files of a folder, packed or not."""

from __future__ import annotations

import html
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

SECRET, FOLDER = "hunter2", "tell-tale folder"
URL = f"https://ann:{SECRET}@example.org/set?token={SECRET}"


def leaks(folder: Path, *words: str) -> list[str]:
    """``FILE: WORD`` for each word in a file's name or bytes, as it is or as JSON, a page or an address writes it."""
    found = []
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    assert files, f"nothing to look at in {folder}"
    for path in files:
        content = b"\n".join([path.relative_to(folder.parent).as_posix().encode(), *_readable(path)])
        for word in words:
            forms = {word, html.escape(word), quote(word), json.dumps(word)[1:-1]}
            found += [f"{path}: {form}" for form in forms if form.encode() in content]
    return found


def _readable(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and of a picture what is packed in its texts."""
    data = path.read_bytes()
    yield data
    place = 8
    while data.startswith(b"\x89PNG") and place < len(data):
        (size,), kind = struct.unpack(">I", data[place : place + 4]), data[place + 4 : place + 8]
        chunk = data[place + 8 : place + 8 + size]
        place += size + 12
        if kind == b"zTXt":
            yield zlib.decompress(chunk.split(b"\0", 1)[1][1:])
        if kind == b"iTXt" and chunk.split(b"\0", 1)[1][:1] == b"\1":
            yield zlib.decompress(chunk.split(b"\0", 1)[1][2:].split(b"\0", 2)[2])
