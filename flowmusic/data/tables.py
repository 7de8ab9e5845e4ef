"""Tables with a header, as programs and people write them: commas, semicolons or tabs, with or without a mark.

Excel separates by the semicolon where the comma is the decimal sign, writes ``sep=;`` before the header where it was
asked to, and saves "Unicode text" as UTF-16 with tabs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from flowmusic import plain

MOST_TABLE = 256 * plain.MIB
SEPARATORS = (",", ";", "\t")


class TableError(ValueError):
    """A file is no table; the message names it."""


def rows(path: str | Path, ragged: bool = False) -> Iterator[tuple[int, dict[str, str]]]:
    """Number of its last line and cells by column of every row that is not empty; the header comes first, as line 1.

    The header decides what separates: of comma, semicolon and tab the one that parts it into most names.

    Args:
        path: of the table.
        ragged: rows may have more cells than the header, which are left out.

    Raises: FileNotFoundError; PlainError for what is no text; TableError naming a line with more cells than the header.
    """
    text = plain.read_text(path, MOST_TABLE)
    before = 0
    if text[:4].lower() == "sep=":
        text, before = text.partition("\n")[2], 1
    separator = separator_of(text.partition("\n")[0])
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        names = [name.strip() for name in next(reader, [])]
        yield 1 + before, {name: name for name in names}
        for cells in reader:
            number = reader.line_num + before
            if not any(cell.strip() for cell in cells):
                continue
            if not ragged and any(cell.strip() for cell in cells[len(names) :]):
                raise TableError(
                    f"{plain.shown(path)}, line {number}: more fields than columns; quote captions that hold the "
                    "separator"
                )
            yield number, {name: cell.strip() for name, cell in zip(names, [*cells, *[""] * len(names)])}
    except csv.Error as error:
        raise TableError(f"{plain.shown(path)} is no table ({error}, near line {reader.line_num + before})") from None


def separator_of(header: str) -> str:
    """What parts a header into most names; the comma where nothing does.

    >>> separator_of('"file, or path";caption'), separator_of("path,caption"), separator_of("path")
    (';', ',', ',')
    """

    def parts(separator: str) -> int:
        cells = next(csv.reader([header], delimiter=separator), [])
        # A quote within a cell is one that was cut in two.
        return 0 if any('"' in cell for cell in cells) else len(cells)

    return max(SEPARATORS, key=parts)


def number(text: str) -> str:
    """A number's text with a point for its decimal sign: ``30,5`` is 30.5; what has both signs is left as it is.

    >>> number("30,5"), number(" 7 "), number("1,234.5")
    ('30.5', '7', '1,234.5')
    """
    text = text.strip()
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
