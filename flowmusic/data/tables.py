"""Tables (CSV, TSV) that anyone may have written, row by row: a broken row is told of, and the others are read."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from flowmusic.plain import PlainError, check_file, reason, shown


def rows(path: Path, delimiter: str = ",", spare: bool = False) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Line number and fields by column of every row that is not blank, or in words what is wrong with the row.

    Args:
        path, delimiter: as named.
        spare: rows may have more fields than columns, which are left out.

    Raises: FileNotFoundError; PlainError for a file whose first line is none of a table in UTF-8.
    """
    columns = header(path, delimiter)
    with _opened(path) as file:
        reader = csv.reader(file, delimiter=delimiter)
        next(reader, None)
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, f"it cannot be read ({reason(error)})"
                continue
            wrong = _wrong(fields)
            if wrong:
                yield reader.line_num, f"it {wrong}"
            elif len(fields) > len(columns) and not spare:
                yield reader.line_num, "more fields than columns; quote captions that hold the separator"
            elif fields:
                yield reader.line_num, dict(zip(columns, [*fields, *[""] * (len(columns) - len(fields))]))


def header(path: Path, delimiter: str = ",") -> list[str]:
    """The columns of a table without space around them; empty for an empty file.  Raises: as :func:`rows`."""
    check_file(path)
    with _opened(path) as file:
        try:
            fields = next(csv.reader(file, delimiter=delimiter), [])
        except csv.Error as error:
            raise PlainError(f"{shown(path)} is no table in UTF-8 ({reason(error)})") from None
    wrong = _wrong(fields)
    if wrong:
        raise PlainError(f"{shown(path)} is no table in UTF-8 (its header {wrong})")
    return [name.strip() for name in fields]


def _opened(path: Path) -> TextIO:
    # A byte that is no UTF-8 becomes half a character, which its row is then refused for.
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _wrong(fields: Sequence[str]) -> str:
    text = "".join(fields)
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return "holds bytes that are no UTF-8"
    return "holds a zero byte" if "\0" in text else ""
