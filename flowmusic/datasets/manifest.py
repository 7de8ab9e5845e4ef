"""Manifests: one line of JSON per recording, or part of one, with what is known about it.

Every source of data ends here (a scanned folder, a known data set, a corpus), and ``flowmusic build`` begins here.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from flowmusic import beside, limits, paths, plain
from flowmusic.corpus.splits import SPLITS
from flowmusic.files import TEXT, replacing

LEAST_SECONDS = 1.0
"""What is left of a recording after the last whole piece is dropped if it is shorter."""


@dataclass(frozen=True)
class Entry:
    """One recording, or a part of one.

    Attributes:
        path: of the audio file; in a file of entries, relative to the manifest's folder where it lies below that.
        start, duration: the part that is meant, in seconds of the file.
        rate, channels: of the file; Hz; 0 channels where nobody looked (Audiocraft's manifests do not say).
        hash: SHA-256 of the file's bytes, in hex; a recording that was moved is still the same.  Empty where nobody
            looked; its path names it then.
        text: captions, each of which describes the whole; empty where nobody wrote one.
        licence: as stated by the source (``CC BY 4.0``); None where it is not known.
        split: train, validation or test.
        dataset: where it comes from, e.g. ``maestro-v3``; empty for a folder of one's own.
        tags: what file or data set say of it: artist, title, genre, ...
        labels: JSON file of exact labels in seconds of the file, as the corpus writes them; any of ``chords``,
            ``melody``, ``beats`` with ``downbeats``, and ``drums`` (``{"onsets": [...]}``).  What is there is not
            extracted.  Like ``path``.
        stems: files of separated parts by name, e.g. ``drums``, on the file's clock.  Like ``path``.
        duplicate_of: path of the entry that this one repeats, nearly or exactly; None otherwise.
    """

    path: str
    duration: float
    rate: int
    channels: int
    hash: str
    start: float = 0.0
    text: tuple[str, ...] = ()
    licence: str | None = None
    split: str = "train"
    dataset: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    labels: str | None = None
    stems: Mapping[str, str] = field(default_factory=dict)
    duplicate_of: str | None = None

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("a manifest entry needs the path of its audio file")
        limits.number("time", self.start, f"{self.path}: start", low=0)
        limits.number("recording", self.duration, f"{self.path}: duration")
        limits.whole("sample_rate", self.rate, f"{self.path}: rate")
        limits.whole("channels", self.channels, f"{self.path}: channels", low=0)
        if not all(paths.is_utf8(text) for text in self.text):
            raise ValueError(
                f"{self.path}: its text holds half a character (a lone surrogate); write it as UTF-8 again"
            )
        if self.split not in SPLITS:
            raise ValueError(f"{self.path}: split must be one of {', '.join(SPLITS)}, got {self.split!r}")

    @property
    def key(self) -> str:
        """A name for the clip: the same wherever the file lies (if its hash is known), different for each part of it.

        Letters, digits, ``_`` and ``-`` only, as shards want it.
        """
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(self.path).stem)[:40]
        part = f"{self.hash or self.path}:{self.start:.3f}:{self.duration:.3f}"
        return f"{stem}-{hashlib.sha256(os.fsencode(part)).hexdigest()[:12]}"

    def pieces(self, seconds: float) -> Iterator[Entry]:
        """The recording in parts of ``seconds``, the last one shorter; one below :data:`LEAST_SECONDS` is dropped.

        Raises: ValueError for a length that is shorter than that.
        """
        if not seconds >= LEAST_SECONDS:
            raise ValueError(f"pieces must last at least {LEAST_SECONDS:g} s, got {seconds}")
        if self.duration <= seconds:
            yield self
            return
        for number in range(math.ceil(self.duration / seconds)):
            offset = number * seconds
            rest = round(min(seconds, self.duration - offset), 6)
            if rest >= LEAST_SECONDS:
                yield replace(self, start=round(self.start + offset, 6), duration=rest)


def read(path: str | Path) -> list[Entry]:
    """Entries of a manifest, also one packed by gzip (``.gz``), their paths made absolute.

    Audiocraft's ``data.jsonl`` is read as it is (:mod:`flowmusic.datasets.audiocraft_manifest`).  A manifest may name
    recordings anywhere, and their labels and stems below its own folder or below theirs (:mod:`flowmusic.beside`).

    Raises: FileNotFoundError; ValueError naming the line and what is wrong with it.
    """
    found = []
    for _, each in read_lines(path):
        if isinstance(each, str):
            raise ValueError(each)
        found.append(each)
    return found


def read_lines(path: str | Path) -> Iterator[tuple[int, Entry | str]]:
    """Line numbers with the entry of each line, or what is wrong with it, which names the file and the line.

    Raises: FileNotFoundError; PlainError for a file that is no list of lines at all.
    """
    from flowmusic.datasets import audiocraft_manifest

    path = Path(path)
    try:
        for number, line in plain.lines(path):
            place = f"{plain.shown(path)}, line {number}"
            try:
                parsed = plain.json_of(line, place)
                if audiocraft_manifest.is_line(parsed):
                    parsed = audiocraft_manifest.translate(parsed, path)
                yield number, kept_together(located(from_json(parsed), path.parent), path.parent)
            except plain.PlainError as error:
                yield number, str(error)
            except (ValueError, TypeError, OSError) as error:
                yield number, f"{place}: {plain.reason(error, 300)}"
    except FileNotFoundError:
        raise FileNotFoundError(
            f"manifest {path} not found; make one with: flowmusic data scan FOLDER --out {path}"
        ) from None


def kept_together(entry: Entry, folder: Path) -> Entry:
    """Itself, if its labels and stems lie below a folder, which is the manifest's, or below that of its recording.

    Raises: StrayName.
    """
    homes = (folder.resolve(), folder.absolute(), Path(entry.path).parent)
    named = {"labels": entry.labels, **{f"stems.{name}": stem for name, stem in entry.stems.items()}}
    for key, path in named.items():
        if path is not None and not beside.below(path, homes):
            raise beside.StrayName(
                f"{key} {plain.shown(path)!r} lies neither below the manifest nor below its recording; put it there, "
                "or the manifest into a folder that holds both"
            )
    return entry


def write(entries: Iterable[Entry], path: str | Path) -> Path:
    """Write a manifest, whole or not at all; files below its folder are named from there."""
    path = Path(path)
    folder = path.parent.resolve()
    with replacing(path) as temporary, temporary.open("w", **TEXT) as file:
        for entry in entries:
            file.write(json.dumps(to_json(entry, folder), ensure_ascii=False) + "\n")
    return path


def from_json(line: Mapping[str, Any]) -> Entry:
    """An entry from the plain data of one line.  Raises: ValueError for missing or unknown keys."""
    if not isinstance(line, Mapping):
        raise ValueError(f"expected a JSON object, got {type(line).__name__}")
    known = {f.name for f in fields(Entry)}
    unknown = sorted(set(line) - known)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; an entry has: {', '.join(sorted(known))}")
    missing = [name for name in ("path", "duration", "rate", "channels", "hash") if name not in line]
    if missing:
        raise ValueError(f"{missing[0]!r} is missing")
    given = dict(line)
    if isinstance(given.get("text"), str):
        given["text"] = [given["text"]]
    for name, right, like in _KINDS:
        if given.get(name) is not None and not right(given[name]):
            raise ValueError(f"{name} must be {like}, got {plain.shown(repr(given[name]))}")
    given["text"] = tuple(given.get("text") or ())
    return Entry(**{name: value for name, value in given.items() if value is not None or name in _MAY_BE_NULL})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_is_text(part) for part in value.values())


_KINDS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    *((name, _is_text, "text") for name in ("path", "hash", "licence", "split", "dataset", "labels", "duplicate_of")),
    *((name, _is_number, "a number") for name in ("start", "duration", "rate", "channels")),
    ("text", lambda value: isinstance(value, list | tuple) and all(map(_is_text, value)), "a list of captions"),
    ("tags", lambda value: isinstance(value, Mapping), "an object of texts"),
    ("stems", _are_texts, "an object of file names"),
)
"""What the values of a line are: where, how it is judged, and in words."""
_MAY_BE_NULL = frozenset({"licence", "labels", "duplicate_of"})


def to_json(entry: Entry, folder: Path | None = None) -> dict[str, Any]:
    """Plain data of one line: the seven facts and ``text`` and ``licence`` always, the rest where there is any."""
    shown: dict[str, Any] = {
        "path": _named(entry.path, folder),
        "start": entry.start,
        "duration": entry.duration,
        "rate": entry.rate,
        "channels": entry.channels,
        "hash": entry.hash,
        "text": list(entry.text),
        "licence": entry.licence,
        "split": entry.split,
    }
    if entry.dataset:
        shown["dataset"] = entry.dataset
    if entry.tags:
        shown["tags"] = dict(entry.tags)
    if entry.labels is not None:
        shown["labels"] = _named(entry.labels, folder)
    if entry.stems:
        shown["stems"] = {name: _named(stem, folder) for name, stem in entry.stems.items()}
    if entry.duplicate_of is not None:
        shown["duplicate_of"] = _named(entry.duplicate_of, folder)
    return shown


def located(entry: Entry, folder: Path) -> Entry:
    """The entry with every relative path taken from a folder."""

    def place(path: str | None) -> str | None:
        return None if path is None else str(folder.resolve() / path)

    return replace(
        entry,
        path=str(place(entry.path)),
        labels=place(entry.labels),
        stems={name: str(place(stem)) for name, stem in entry.stems.items()},
        duplicate_of=place(entry.duplicate_of),
    )


def _named(path: str, folder: Path | None) -> str:
    whole = Path(path)
    if folder is None or not whole.is_absolute() or not whole.resolve().is_relative_to(folder):
        return path
    return whole.resolve().relative_to(folder).as_posix()
