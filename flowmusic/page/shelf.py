"""The takes of one person or of one folder: the audio files with the records that the commands write beside them.

Nothing but the files is remembered, so a list survives whatever happens to page and server, and takes that a command
made in the folder are in it too.  Names of takes are made here; one that comes from a browser is looked up among those
that are there, so it leads nowhere else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flowmusic import disk, plain
from flowmusic.errors import UsageError
from flowmusic.files import write_json
from flowmusic.paths import sibling

ENDINGS = (".wav", ".flac", ".ogg")
STARS = "starred.json"
MOST = 500
"""Takes that are listed, the newest."""
PEAKS = 2000
"""Columns of a drawn waveform."""
LEVEL_LUFS, MOST_GAIN_DB = -23.0, 24.0
"""All takes are heard this loud, but none is raised by more."""
SILENT_LUFS = -70.0
MADE_BY = (("vary", "varied"), ("edits", "edited"), ("loop", "loop"), ("story", "story"))
"""Keys of a record, and what they say of a take."""
_SALT = secrets.token_bytes(16)
_OWNER = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True)
class Take:
    """A take in a list.

    Attributes:
        name: of its audio file, which is unique on its shelf.
        audio: the file.
        record: what its record says.
        starred: whether somebody starred it.
    """

    name: str
    audio: Path
    record: Mapping[str, Any]
    starred: bool

    def row(self, place: str) -> dict[str, Any]:
        """What a list shows, as JSON.  Every text in it is a person's own, to be shown as text.

        Args:
            place: the address of the audio's folder.
        """
        record = self.record
        scores = {
            name: value
            for name, value in (record.get("adherence") or {}).items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        made = [word for key, word in MADE_BY if key in record]
        return {
            "name": self.name,
            "text": plain.shortened(str(record.get("text") or ""), 300),
            "seconds": record.get("seconds"),
            "seed": record.get("seed"),
            "model": plain.shortened(str(record.get("model") or ""), 80),
            "made": made[0] if made else "",
            "scores": scores,
            "starred": self.starred,
            "gain_db": round(gain_db(self.audio), 2),
            "audio": f"{place}/{self.name}",
        }


@dataclass(frozen=True)
class Shelf:
    """A folder of takes."""

    folder: Path

    def takes(self) -> list[Take]:
        """The newest first.  What is damaged, or no take, is not in it."""
        if not self.folder.is_dir():
            return []
        stars = self._stars()
        found = []
        for path in self.folder.iterdir():
            if path.suffix.lower() not in ENDINGS or path.is_symlink() or not sibling(path, ".json").is_file():
                continue
            try:
                found.append((path.stat().st_mtime, path))
            except OSError:
                continue  # it was removed meanwhile
        takes = []
        for _, path in sorted(found, reverse=True)[:MOST]:
            record = _record(path)
            if record is not None:
                takes.append(Take(path.name, path, record, path.name in stars))
        return takes

    def take(self, name: str) -> Take:
        """The take of that name.  Raises: UsageError where there is none."""
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name == name and path.suffix.lower() in ENDINGS and not path.is_symlink():
                record = _record(path)
                if record is not None:
                    return Take(name, path, record, name in self._stars())
        raise UsageError(f"there is no take {plain.shortened(name, 80)!r} here; choose one of the list")

    def new(self) -> Path:
        """A name for a take, of the time and of chance alone.  Raises: OSError if the folder cannot be made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"take-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.wav"

    def star(self, name: str, starred: bool) -> None:
        """Star a take, or take its star away.  Raises: UsageError, OSError."""
        self.take(name)
        stars = self._stars() | {name} if starred else self._stars() - {name}
        write_json(self.folder / STARS, sorted(stars))

    def _stars(self) -> set[str]:
        found = disk.remembered(self.folder / STARS, lambda path: plain.read_json(path))
        return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()


@dataclass(frozen=True)
class Shelves:
    """Whose takes are where: one folder for all who open the page, or one for each browser.

    Args:
        base: a folder.
        shared: everybody sees the takes in it; else each browser has a folder in it, named by a secret that only this
            browser and the server know.
    """

    base: Path
    shared: bool

    def of(self, owner: str) -> Shelf:
        """The shelf of a browser.  Raises: UsageError for a name that we did not make."""
        if self.shared:
            return Shelf(self.base)
        if not _OWNER.fullmatch(owner):
            raise UsageError("this browser has no name here yet; load the page again")
        return Shelf(self.base / owner)


def new_owner() -> str:
    """A name that nobody guesses."""
    return secrets.token_urlsafe(16)


def owner_of_session(session: str) -> str:
    """The name of a client without cookies, for as long as its session lasts; the session's own is not in it."""
    digest = hashlib.sha256(_SALT + session.encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode("ascii").rstrip("=")


def is_owner(name: str | None) -> bool:
    """Whether a name is one of :func:`new_owner`'s form."""
    return bool(name and _OWNER.fullmatch(name))


def _record(audio: Path) -> Mapping[str, Any] | None:
    try:
        found = plain.read_json(sibling(audio, ".json"))
    except (plain.PlainError, OSError):
        return None
    return found if isinstance(found, Mapping) and "seed" in found and "model" in found else None


def gain_db(audio: Path) -> float:
    """By how much a take is raised so that all are equally loud (BS.1770-4); 0 for silence."""
    return _measured(audio, audio.stat().st_mtime_ns)[0]


def peaks(audio: Path) -> tuple[float, ...]:
    """The waveform in :data:`PEAKS` columns, 0..1."""
    return _measured(audio, audio.stat().st_mtime_ns)[1]


@functools.lru_cache(maxsize=2 * MOST)
def _measured(audio: Path, changed: int) -> tuple[float, tuple[float, ...]]:
    """Gain and waveform; ``changed`` tells whether it is still the same file."""
    from flowmusic.audio import read
    from flowmusic.corpus import bus

    try:
        sound = read(audio, min_seconds=0.0)
    except (ValueError, OSError):
        return 0.0, ()
    samples = sound.samples.numpy()
    lufs = bus.loudness_as_heard(samples, sound.rate)
    gain = 0.0 if not math.isfinite(lufs) or lufs < SILENT_LUFS else min(MOST_GAIN_DB, LEVEL_LUFS - lufs)
    tall = np.abs(samples).max(axis=0)
    edges = np.linspace(0, len(tall), min(PEAKS, len(tall)) + 1).astype(int)[:-1]
    columns = np.maximum.reduceat(tall, edges) if len(edges) else np.zeros(0)
    return gain, tuple(float(value) for value in np.clip(columns, 0.0, 1.0).round(3))
