"""Text, JSON, JSON lines and YAML out of files that anyone may have written.

One rule for all of them.  A file is judged before it is opened: it is a regular file (a device never ends, a pipe may
never begin) and no larger than its kind ever is.  What a packed file expands to is counted while it expands.  What was
parsed is plain: nothing is nested deeper than :data:`DEPTH`, every number is finite, and every text can be written
again (in a byte of a file's name that is no letter is nothing wrong: :mod:`flowmusic.paths`).  Whatever is wrong is a
:class:`PlainError` of one line that names the file.
"""

from __future__ import annotations

import codecs
import gzip
import json
import math
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from flowmusic import disk

MIB = 2**20
MOST_JSON = 16 * MIB
"""Bytes of a JSON document.  Parsed, it is up to twenty times as large; the notes of an hour of piano are 2 MiB."""
MOST_PLAN = 128 * MIB
"""Bytes of the plan of a build, which lists every piece of every recording."""
MOST_YAML = MIB // 4
MOST_TEXT = 4 * MIB
MOST_LINE = 4 * MIB
"""Bytes of one line of a file that is read line by line, however long it is."""
MOST_EXPANSION, LEAST_EXPANDED = 100, 16 * MIB
"""How many times its size a packed file may expand to (JSON lines come to 30), and what any may expand to."""
DEPTH = 64
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_NAME_BYTE = re.compile(r"\\u[dD][cC][89a-fA-F]")
MOST_NODES = 50_000
"""Values of a YAML document after its aliases are followed: a few lines of them can stand for billions."""
_CHUNK = MIB
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class PlainError(ValueError):
    """A file is not the plain data that it should be; the message names it and says what to do."""


def shown(path: object) -> str:
    """A path or name for a message: on one line, and the middle left out where it is very long."""
    text = _printable(str(path))
    return text if len(text) <= 160 else f"{text[:70]}...{text[-85:]}"


def reason(error: BaseException, most: int = 160) -> str:
    """What an error says, on one line of bounded length: another library's, or ours that quotes a value of a file."""
    said = disk.told(error) if isinstance(error, OSError) and error.errno is not None else str(error)
    text = _printable(said) or type(error).__name__
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _printable(text: str) -> str:
    """On one line, with escapes for what no terminal should be given."""
    text = " ".join(text[:100_000].split())
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shortened(text: str, most: int = 500) -> str:
    """A message in at most so many characters: the middle of one that is longer is left out."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]}...{text[3 - most // 3 :]}"


def check_file(path: str | Path, most: int | None = None) -> int:
    """The size of a regular file in bytes.

    Args:
        path: may be a link to one.
        most: bytes; None for any number.

    Raises: FileNotFoundError; PlainError for a folder, device, pipe or socket, and for a file that is too large.
    """
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"{shown(path)} not found") from None
    except (OSError, ValueError) as error:
        raise PlainError(f"{shown(path)} cannot be read ({_of_system(error)})") from None
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe"
        raise PlainError(f"{shown(path)} is {kind}, not a file; give a regular file")
    if most is not None and found.st_size > most:
        raise PlainError(
            f"{shown(path)} has {_size(found.st_size)}, a file of its kind at most {_size(most)}; is it another file?"
        )
    return found.st_size


def read_text(path: str | Path, most: int = MOST_TEXT) -> str:
    """A text file, see :func:`text_of`.  Raises: as :func:`check_file`; PlainError."""
    check_file(path, most)
    try:
        with open(path, "rb") as file:
            # A file may grow between the two looks at it.
            return text_of(file.read(most + 1)[:most], path)
    except OSError as error:
        raise PlainError(f"{shown(path)} cannot be read ({_of_system(error)})") from None


def text_of(data: bytes, place: object) -> str:
    """Bytes as text: UTF-8 with or without a byte order mark, or UTF-16 with one.

    Raises: PlainError naming ``place`` and the byte.
    """
    coding = "utf-16" if data.startswith(_UTF16) and len(data) % 2 == 0 else "utf-8-sig"
    try:
        return data.decode(coding)
    except UnicodeDecodeError as error:
        nuls = "; it looks like UTF-16 without a mark" if b"\0" in data[:64] else ""
        raise PlainError(
            f"{shown(place)} is not a text file in UTF-8 (byte {error.start}{nuls}); save it as UTF-8, which Excel "
            'calls "CSV UTF-8"'
        ) from None


class _Utf8:
    """A file in UTF-16 with a mark, read as UTF-8, so that its lines end where they end."""

    def __init__(self, file: Any, place: object) -> None:
        self._file, self._place = file, place
        self._decoder = codecs.getincrementaldecoder("utf-16")()

    def read(self, size: int) -> bytes:
        while data := self._file.read(size):
            try:
                if found := self._decoder.decode(data):
                    return str(found).encode("utf-8")
            except UnicodeError:
                raise PlainError(f"{shown(self._place)} is not a text file in UTF-16; save it as UTF-8") from None
        return b""


def read_json(path: str | Path, most: int = MOST_JSON, missing: bool = False) -> Any:
    """The value that a JSON file holds; ``missing`` as for :func:`json_of`.  Raises: as :func:`read_text`."""
    return json_of(read_text(path, most), path, missing)


def json_of(text: str, place: object, missing: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        text: of a document, or of one line.
        place: the file, and the line or key, for messages.
        missing: take NaN and Infinity, which JSON does not know but many programs write for a value that they have not,
            for null; else they are refused.

    Raises: PlainError.
    """

    def constant(name: str) -> None:
        if not missing:
            raise PlainError(f"{shown(place)}: {name} is not a number that JSON allows; remove it")

    try:
        value = json.loads(text, parse_constant=constant)
    except PlainError:
        raise
    except json.JSONDecodeError as error:
        where = f"in line {error.lineno}, column {error.colno}"
        raise PlainError(f"{shown(place)} is not JSON: {reason(Exception(error.msg))} {where}") from None
    except RecursionError:
        raise PlainError(f"{shown(place)} is nested deeper than {DEPTH} levels; it is no file of this kind") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise PlainError(f"{shown(place)} is not JSON that can be read ({reason(error)})") from None
    _check(value, place)
    return value


def _check(value: Any, place: object) -> None:
    """Raises: PlainError for what nests too deep, numbers beyond all bounds and text that UTF-8 cannot hold."""
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            # Those from U+DC80 to U+DCFF are bytes in the name of a file (flowmusic.paths).
            if not item.isascii() and _HALVES.search(item):
                raise PlainError(f"{shown(place)} holds half a character (a lone surrogate); write it as UTF-8 again")
        elif isinstance(item, float):
            if not math.isfinite(item):
                raise PlainError(
                    f"{shown(place)} holds a number that is not finite (NaN, or above 1e308); mend or remove it"
                )
        elif isinstance(item, int):
            if not -(2**63) <= item < 2**64:
                raise PlainError(f"{shown(place)} holds a whole number beyond 64 bits; mend or remove it")
        elif isinstance(item, (dict, list)):
            if depth >= DEPTH:
                raise PlainError(f"{shown(place)} is nested deeper than {DEPTH} levels; it is no file of this kind")
            parts = [*item, *item.values()] if isinstance(item, dict) else item
            waiting.extend((part, depth + 1) for part in parts)


def lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Number and text of every line that is not blank, also of a file packed by gzip (``.gz``).

    The file may have any number of lines; one is in memory at a time.

    Raises: as :func:`check_file`; PlainError for a line above :data:`MOST_LINE`, one that is no UTF-8, a packed file
        that is damaged, and one that expands to more than :data:`MOST_EXPANSION` times its size.
    """
    path = Path(path)
    size = check_file(path)
    packed = path.suffix == ".gz"
    most = max(LEAST_EXPANDED, MOST_EXPANSION * size) if packed else None
    try:
        with path.open("rb") as raw:
            file: BinaryIO = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
            yield from _numbered(file, path, most)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise PlainError(f"{shown(path)} cannot be unpacked ({reason(error)}); fetch it again") from None
    except OSError as error:
        raise PlainError(f"{shown(path)} cannot be read ({_of_system(error)})") from None


class _After:
    """A stream with some bytes before it that were read already."""

    def __init__(self, data: bytes, file: Any) -> None:
        self._data, self._file = data, file

    def read(self, size: int) -> bytes:
        data, self._data = self._data, b""
        return data + bytes(self._file.read(size))


def _numbered(file: BinaryIO, path: Path, most: int | None) -> Iterator[tuple[int, str]]:
    number, total, rest = 0, 0, b""
    marked = file.read(2)
    file = _After(marked, file)  # type: ignore[assignment]
    if marked in _UTF16:
        file = _Utf8(file, path)  # type: ignore[assignment]
    while chunk := file.read(_CHUNK):
        total += len(chunk)
        if most is not None and total > most:
            raise PlainError(f"{shown(path)} expands to more than {_size(most)}; unpack it yourself if that is right")
        # Line ends first, for a chunk that ends between \r and \n must not make a line of its own.
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            if line.strip():
                yield number, _line(line, path, number)
        if len(rest) > MOST_LINE:
            break
    if rest.strip():
        yield number + 1, _line(rest, path, number + 1)


def _line(line: bytes, path: Path, number: int) -> str:
    if len(line) > MOST_LINE:
        raise PlainError(f"{shown(path)}, line {number}: longer than {_size(MOST_LINE)}; is it another file?")
    return text_of(line, f"{shown(path)}, line {number}").rstrip("\r")


def read_yaml(path: str | Path, most: int = MOST_YAML) -> Any:
    """The value that a YAML file holds.  Raises: as :func:`read_text`; PlainError as :func:`yaml_of`."""
    return yaml_of(read_text(path, most), path)


def yaml_of(text: str, place: object) -> Any:
    """The plain value of a YAML text: nothing in it is built or run.

    Raises: PlainError for what is no YAML, asks for an object, nests too deep or expands too far.
    """
    import yaml

    if len(text) > MOST_YAML:
        raise PlainError(f"{shown(place)} has {_size(len(text))} of YAML, at most {_size(MOST_YAML)} are read")
    # The faster one refuses bytes of file names that are no letters.
    loader = yaml.SafeLoader if _NAME_BYTE.search(text) else getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # Events come one by one, whatever the text nests; only then is a tree made of it.
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH:
                raise PlainError(f"{shown(place)} is nested deeper than {DEPTH} levels; it is no file of this kind")
        tree = yaml.compose(text, Loader=loader)
        if tree is not None and _expanded(tree, {}, place) > MOST_NODES:
            raise PlainError(f"{shown(place)} stands for more than {MOST_NODES} values; it is no file of this kind")
        value = yaml.load(text, Loader=loader)
    except PlainError:
        raise
    except yaml.constructor.ConstructorError as error:
        raise PlainError(f"{shown(place)} is not plain YAML ({reason(Exception(error.problem))})") from None
    except Exception as error:
        # PyYAML's scalars fail with whatever their conversion fails with.
        raise PlainError(f"{shown(place)} is not YAML that can be read ({_yaml_reason(error)})") from None
    _check(value, place)
    return value


def _expanded(node: Any, sizes: dict[int, int], place: object) -> int:
    """Values that a node stands for when its aliases are followed: an alias is a node that occurs again."""
    import yaml

    if id(node) in sizes:
        if sizes[id(node)] == 0:
            raise PlainError(f"{shown(place)} holds a value that contains itself; it is no file of this kind")
        return sizes[id(node)]
    sizes[id(node)] = 0
    total = 1
    if isinstance(node, yaml.SequenceNode):
        total += sum(_expanded(part, sizes, place) for part in node.value)
    elif isinstance(node, yaml.MappingNode):
        total += sum(_expanded(key, sizes, place) + _expanded(part, sizes, place) for key, part in node.value)
    sizes[id(node)] = total
    return total


def _yaml_reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return reason(Exception(getattr(error, "problem", None) or error)) + where


def _of_system(error: Exception) -> str:
    """Without the path, which the message names."""
    return getattr(error, "strerror", None) or reason(error)


def _size(size: int) -> str:
    return f"{size / MIB:.1f} MiB" if size >= MIB // 10 else f"{size} bytes"
