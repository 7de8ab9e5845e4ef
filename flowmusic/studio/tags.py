"""Provenance in the file itself: made by a model, which, by what seed, under which licence, from what.

Text in the places where programs look for it: ``LIST INFO`` and ``bext`` of WAV files, Vorbis comments of FLAC and Ogg,
ID3 of MP3.  No path, no name of a user or machine: sources go by file name and hash (:mod:`flowmusic.publishable`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmusic import __version__, publishable
from flowmusic.plain import shown
from flowmusic.studio import wav_chunks
from flowmusic.studio.wav_chunks import Origin

MADE_BY_A_MODEL = "made by a model"
"""How every comment begins, for people and programs that look for it."""
MOST = 250
"""Letters of a comment; ``bext`` has room for 256."""


@dataclass(frozen=True)
class Provenance:
    """Where a file comes from.

    Attributes:
        model: name of the model.
        seed: that makes it again.
        licence: of the model's weights.
        sources: file names of what was given, by what it was given as.
        source_hashes: their SHA-256.
        text: the words that it was asked for by.
    """

    model: str
    seed: int | None = None
    licence: str = "not stated"
    sources: Mapping[str, str] | None = None
    source_hashes: Mapping[str, str | None] | None = None
    text: str | None = None

    @staticmethod
    def of_record(record: Mapping[str, Any], licence: str) -> Provenance:
        """Of a take's record (take.json)."""
        controls = record.get("controls") or {}
        return Provenance(
            str(record.get("model", "unknown")),
            record.get("seed"),
            licence,
            controls.get("sources") or {},
            controls.get("sha256") or {},
            record.get("text"),
        )

    def comment(self) -> str:
        """One line that says it all, as far as it fits.

        >>> Provenance("nano", 7, "Apache-2.0").comment()
        'made by a model: nano, seed 7; licence of the weights: Apache-2.0'
        """
        seed = "" if self.seed is None else f", seed {self.seed}"
        words = f"{MADE_BY_A_MODEL}: {publishable.place(self.model)}{seed}; licence of the weights: {self.licence}"
        given = ", ".join(
            f"{name} {publishable.place(file)}{_short_hash(self.source_hashes, name)}"
            for name, file in (self.sources or {}).items()
        )
        whole = f"{words}; given: {given}" if given else words
        return whole if len(whole) <= MOST else f"{whole[: MOST - 3]}..."

    def fields(self) -> dict[str, str]:
        """The same by field, for tags that have names."""
        found = {
            "comment": self.comment(),
            "encoder_software": software(),
            "ai_generated": "yes",
            "model": publishable.place(self.model),
            "license": self.licence,
        }
        if self.seed is not None:
            found["seed"] = str(self.seed)
        if self.text:
            found["description"] = publishable.cleaned(self.text)
        for name, file in (self.sources or {}).items():
            found[f"source_{name.strip('<>')}"] = publishable.place(file) + _short_hash(self.source_hashes, name)
        return found


def software() -> str:
    """The program and its version."""
    return f"flowmusic {__version__}"


def _short_hash(hashes: Mapping[str, str | None] | None, name: str) -> str:
    found = (hashes or {}).get(name)
    return f" (sha256 {found[:12]})" if found else ""


def write(
    path: Path,
    provenance: Provenance,
    title: str,
    chunks: list[tuple[bytes, bytes]] | None = None,
    start_sample: int = 0,
) -> None:
    """Put provenance into an audio file, and into a WAV file further ``chunks`` and where on a timeline it begins.

    Raises: ValueError for a kind of file that has no place for it.
    """
    suffix = path.suffix.lower()
    if suffix == ".wav":
        unique = f"flowmusic-{provenance.seed}" if provenance.seed is not None else ""
        origin = Origin(title, provenance.comment(), software(), provenance.licence, unique=unique[:32])
        own = [(b"bext", wav_chunks.bext_chunk(origin, start_sample)), (b"LIST", wav_chunks.info_chunk(origin))]
        wav_chunks.add(path, [*own, *(chunks or [])])
    elif suffix in (".flac", ".ogg"):
        _write_vorbis(path, provenance, title)
    elif suffix == ".mp3":
        _write_id3(path, provenance, title)
    else:
        raise ValueError(f"{shown(path)}: tags are written into .wav, .flac, .ogg and .mp3")


def _write_vorbis(path: Path, provenance: Provenance, title: str) -> None:
    from mutagen.flac import FLAC
    from mutagen.oggvorbis import OggVorbis

    file: Any = FLAC(path) if path.suffix.lower() == ".flac" else OggVorbis(path)
    if file.tags is None:
        file.add_tags()
    file.tags["title"] = _readable(title)
    for name, value in provenance.fields().items():
        file.tags[name] = _readable(value)
    file.save()


def _write_id3(path: Path, provenance: Provenance, title: str) -> None:
    from mutagen.id3 import COMM, ID3, TCOP, TIT2, TSSE, TXXX

    tags = ID3()
    tags.add(TIT2(encoding=3, text=_readable(title)))
    tags.add(COMM(encoding=3, lang="eng", desc="", text=_readable(provenance.comment())))
    tags.add(TSSE(encoding=3, text=software()))
    tags.add(TCOP(encoding=3, text=_readable(provenance.licence)))
    for name, value in provenance.fields().items():
        tags.add(TXXX(encoding=3, desc=name, text=_readable(value)))
    tags.save(path)


def _readable(text: str) -> str:
    """Bytes of a file's name that are no letters as ``?``: tags hold nothing but letters."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read(path: Path) -> dict[str, str]:
    """Title and fields that an audio file carries, by name in lower case; {} where it carries none."""
    from mutagen import File, MutagenError

    if path.suffix.lower() == ".wav":
        return _read_info(path)
    try:
        file: Any = File(path)
    except MutagenError:
        return {}
    if file is None or file.tags is None:
        return {}
    if path.suffix.lower() == ".mp3":
        named = {frame.desc.lower(): str(frame.text[0]) for frame in file.tags.getall("TXXX")}
        return {**named, "title": str(file.tags.get("TIT2", ""))}
    return {str(name).lower(): str(value) for name, value in file.tags}


def _read_info(path: Path) -> dict[str, str]:
    names = {b"INAM": "title", b"ICMT": "comment", b"ISFT": "encoder_software", b"ICOP": "license"}
    content = wav_chunks.read(path).get(b"LIST:INFO", b"INFO")[4:]
    found, place = {}, 0
    while place + 8 <= len(content):
        name, size = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        if name in names:
            found[names[name]] = content[place + 8 : place + 8 + size].rstrip(b"\0").decode("utf-8", "replace")
        place += 8 + size + size % 2
    return found
