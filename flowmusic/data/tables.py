"""Tables (CSV, TSV) as programs and people write them, row by row: a broken row is told of, and the others are read.

What separates the cells is seen by the header: Excel takes the semicolon where the comma is the decimal sign, writes
``sep=;`` before the header where it was asked to, and saves "Unicode text" as UTF-16 with tabs.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from flowmusic.plain import PlainError, check_file, reason, shown

SEPARATORS = (",", ";", "\t")


def rows(path: str | Path, delimiter: str = ",", spare: bool = False) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Line number and fields by column of every row that is not blank, or in words what is wrong with the row.

    Args:
        path: of the table.
        delimiter: what separates the cells, where the header does not tell.
        spare: rows may have more fields than columns, which are left out.

    Raises: FileNotFoundError; PlainError for a file whose header is none of a table in UTF-8.
    """
    columns, delimiter, before = _header(Path(path), delimiter)
    with _opened(Path(path)) as file:
        for _ in range(before):
            next(file, None)
        reader = csv.reader(file, delimiter=delimiter)
        next(reader, None)
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except (csv.Error, UnicodeError) as error:
                yield before + reader.line_num, f"it cannot be read ({reason(error)})"
                if isinstance(error, UnicodeError):  # the rest of UTF-16 cannot be found again
                    return
                continue
            number = before + reader.line_num
            wrong = _wrong(fields)
            if wrong:
                yield number, f'it {wrong}; save the table as "CSV UTF-8"'
            elif any(field.strip() for field in fields[len(columns) :]) and not spare:
                yield number, "more fields than columns; quote captions that hold the separator"
            elif any(field.strip() for field in fields):
                yield number, dict(zip(columns, [*fields, *[""] * (len(columns) - len(fields))]))


def header(path: str | Path, delimiter: str = ",") -> list[str]:
    """The columns of a table without space around them; empty for an empty file.  Raises: as :func:`rows`."""
    return _header(Path(path), delimiter)[0]


def _header(path: Path, delimiter: str) -> tuple[list[str], str, int]:
    """Columns, what separates them, and the lines before them."""
    check_file(path)
    before = 0
    try:
        with _opened(path) as file:
            line = file.readline(1 << 16)
            if line[:4].lower() == "sep=":
                line, before = file.readline(1 << 16), 1
        delimiter = separator_of(line, delimiter)
        fields = next(csv.reader([line], delimiter=delimiter), [])
    except (csv.Error, UnicodeError) as error:
        raise PlainError(f"{shown(path)} is no table in UTF-8 ({reason(error)})") from None
    wrong = _wrong(fields)
    if wrong:
        raise PlainError(f'{shown(path)} is no table in UTF-8 (its header {wrong}); save it as "CSV UTF-8"')
    return [name.strip() for name in fields], delimiter, before


def separator_of(line: str, usual: str = ",") -> str:
    """What parts a header into most names; the usual one where nothing else parts it into more.

    >>> separator_of('"file, or path";caption'), separator_of("path,caption"), separator_of("path", usual="\\t")
    (';', ',', '\\t')
    """

    def parts(separator: str) -> int:
        cells = next(csv.reader([line], delimiter=separator), [])
        # A quote within a cell is one that was cut in two.
        return 0 if any('"' in cell for cell in cells) else len(cells)

    return max((usual, *SEPARATORS), key=parts)


def decimal(text: str) -> str:
    """A number's text with a point for its decimal sign: ``30,5`` is 30.5; what has both signs is left as it is.

    >>> decimal("30,5"), decimal(" 7 "), decimal("1,234.5")
    ('30.5', '7', '1,234.5')
    """
    text = text.strip()
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text


def _opened(path: Path) -> TextIO:
    with path.open("rb") as file:
        marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if marked:
        return path.open(encoding="utf-16", newline="")
    # A byte that is no UTF-8 becomes half a character, which its row is then refused for.
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _wrong(fields: Sequence[str]) -> str:
    text = "".join(fields)
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return "holds bytes that are no UTF-8"
    return "holds a zero byte" if "\0" in text else ""
