"""XML from anyone's hands: no entities, no external parts, bounded size."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from flowmusic.plain import check_file, shown
from flowmusic.sheets.written import SheetError

MOST_BYTES = 64 * 2**20
"""Of a document, packed or not; a symphony has ten."""
_CONTAINER = "META-INF/container.xml"


def read_bytes(path: Path) -> bytes:
    """A document, also of a packed file (``.mxl``).  Raises: SheetError for one that is damaged or too large."""
    check_file(path, MOST_BYTES)
    data = path.read_bytes()
    return _unpacked(data, path) if data[:2] == b"PK" else data


def _unpacked(data: bytes, path: Path) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = packed.namelist()
            root = next((n for n in names if n.endswith((".musicxml", ".xml")) and not n.startswith("META-INF")), None)
            if _CONTAINER in names:
                container = parse(_member(packed, _CONTAINER), path)
                places = [each.get("full-path") for each in container.iter("rootfile")]
                root = next((place for place in places if place in names), root)
            if root is None:
                raise SheetError(f"{shown(path)} holds no MusicXML document; export it again")
            return _member(packed, root)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise SheetError(f"{shown(path)} is a damaged packed file ({error}); export it again") from None


def _member(packed: zipfile.ZipFile, name: str) -> bytes:
    with packed.open(name) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise SheetError(f"the document unpacks to more than {MOST_BYTES // 2**20} MiB, which no score has")
    return data


def parse(data: bytes, place: object) -> Element:
    """The tree of a document, without namespaces.

    Raises: SheetError for what is no XML, and for entities, with which a few lines can expand to gigabytes.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    depth = 0

    def refuse(*_: object) -> None:
        raise SheetError(f"{shown(place)} declares entities, which no score needs; export it again")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > 64:
            raise SheetError(f"{shown(place)} is nested deeper than any score")
        builder.start(name.rpartition("}")[2], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition("}")[2])

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
        return builder.close()
    except expat.ExpatError as error:
        raise SheetError(f"{shown(place)} is no whole XML document ({error}); export it again") from None
    except (AssertionError, ValueError, LookupError) as error:
        if isinstance(error, SheetError):
            raise
        raise SheetError(f"{shown(place)} is no XML document; export it again") from None
