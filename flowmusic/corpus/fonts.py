"""Soundfonts: where they are looked for, what they are called, what they hash to."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3")
_PREFERRED = (
    "FluidR3_GM.sf2",
    "MuseScore_General_Lite.sf3",
    "MuseScore_General.sf3",
    "FluidR3Mono_GM.sf3",
)
_LICENCES = {"FluidR3": "MIT", "MuseScore_General": "MIT", "TimGM6mb": "GPL-2"}
NOT_KNOWN = "not known"
GPL_NOTICE = (
    "notice: TimGM6mb.sf2 is GPL-2; do not publish audio or weights made with it "
    "(install fluid-soundfont-gm, or give --soundfont)"
)


class FontError(ValueError):
    """A soundfont is missing or cannot be read."""


@dataclass(frozen=True)
class Font:
    """A soundfont file, its name and its sha256 (hex)."""

    path: str
    name: str
    sha256: str


def licence_of(name: str) -> str:
    """Licence of a font that is known by the name of its file, else :data:`NOT_KNOWN`."""
    return next((text for start, text in _LICENCES.items() if name.startswith(start)), NOT_KNOWN)


def licences(record: Mapping[str, Any]) -> list[str]:
    """Of the fonts and recordings that a clip was rendered with, each once; none where its labels tell of none.

    >>> licences({"font": {"name": "TimGM6mb.sf2"}})
    ['GPL-2']
    >>> licences({"rendering": {"fonts": {"bass": {"licence": "MIT"}}, "kit": {"licence": "CC0-1.0"}}})
    ['CC0-1.0', 'MIT']
    """
    rendering, font = record.get("rendering"), record.get("font")
    if rendering:
        kit = rendering["kit"]
        return sorted({each["licence"] for each in rendering["fonts"].values()} | ({kit["licence"]} if kit else set()))
    return [licence_of(font["name"])] if font else []


def open_font(path: str | os.PathLike[str]) -> Font:
    """Identify the soundfont at `path`; `FontError` if it is not one."""
    file = Path(path)
    if not file.is_file():
        raise FontError(f"soundfont {str(path)!r} does not exist")
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        head = stream.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"sfbk":
            raise FontError(f"{str(path)!r} is not a soundfont (sf2 or sf3)")
        digest.update(head)
        while block := stream.read(1 << 20):
            digest.update(block)
    return Font(str(file.resolve()), file.name, digest.hexdigest())


def wheel_font() -> Path | None:
    """TimGM6mb.sf2 as it comes inside the pretty_midi package, without importing that."""
    spec = importlib.util.find_spec("pretty_midi")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / "TimGM6mb.sf2"
    return file if file.is_file() else None


def search_folders() -> list[Path]:
    """Folders in which soundfonts are looked for, in order."""
    own = os.environ.get("FLOWMUSIC_SOUNDFONTS")
    return [*([Path(own)] if own else []), *(Path(folder) for folder in _FOLDERS)]


def find_fonts(several: bool = False) -> list[Path]:
    """Soundfonts to train on: the most preferred that is installed (all, if several), else the one in the wheel."""
    own = os.environ.get("FLOWMUSIC_SOUNDFONTS")
    if own and Path(own).is_dir():
        mine = sorted(p for p in Path(own).iterdir() if p.suffix.lower() in (".sf2", ".sf3"))
        if mine:
            return mine
    found: dict[Path, Path] = {}
    for name in _PREFERRED:
        for folder in search_folders():
            if (folder / name).is_file():
                if not several:
                    return [folder / name]
                # Names may lead to one and the same file.
                found.setdefault((folder / name).resolve(), folder / name)
    if found:
        return list(found.values())
    fallback = wheel_font()
    if fallback:
        return [fallback]
    looked = ", ".join(str(folder) for folder in search_folders())
    raise FontError(f"no soundfont found in {looked} nor in the pretty_midi package")


def choose_fonts(given: Iterable[str], test: str | None, several: bool = False) -> tuple[tuple[Font, ...], Font]:
    """Fonts for training and validation, and the font for the test split.

    The test font defaults to TimGM6mb, a timbre of its own, whatever the others are.
    """
    fonts = tuple(open_font(path) for path in (list(given) or find_fonts(several)))
    fallback = wheel_font()
    if test is not None:
        return fonts, open_font(test)
    return fonts, open_font(fallback) if fallback else fonts[0]
