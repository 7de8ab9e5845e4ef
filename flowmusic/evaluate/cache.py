"""What an evaluation has made so far, on disk: takes and what was heard in them, each under a key of all it depends on.

``OUT/takes/SYSTEM/CLIP.KEY.flac`` with ``.json`` beside it (written last: with it a take is complete), and
``OUT/heard/SYSTEM/CLIP.KEY.json``.  A key is a hash of the settings and inputs, so a run that was killed goes on where
it was, further settings add files, and none is ever taken for another.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.audio import Audio
from flowmusic.files import write_readable_json
from flowmusic.paths import cut

SUFFIX = ".flac"
MOST_NAME = 150
"""Bytes of a name of which a file is called; a key and endings follow."""


@dataclass(frozen=True)
class Take:
    """A recording on disk; ``facts`` say what it took (``num_evals``, ``seconds_per_clip``), empty without a model."""

    path: Path
    key: str
    facts: Mapping[str, Any]

    def audio(self) -> Audio:
        """The recording, ``[C, N]``.  Raises: RuntimeError for one that was damaged since it was written."""
        from flowmusic import audio

        try:
            return audio.read(self.path)
        except audio.AudioError as error:
            raise RuntimeError(
                f"{error}; this evaluation wrote it: delete it, and run the same command again"
            ) from None


@dataclass(frozen=True)
class Store:
    """The folder of one evaluation."""

    folder: Path

    def take(self, system: str, clip: str, key: str) -> Take | None:
        """A finished take, or None."""
        path = self._path("takes", system, clip, key).with_suffix(SUFFIX)
        facts = _read(path.with_suffix(".json"))
        return None if facts is None or not path.is_file() else Take(path, key, facts)

    def put(self, audio: Audio, facts: Mapping[str, Any], system: str, clip: str, key: str) -> Take:
        """Keep a take ``[C, N]``."""
        from flowmusic import audio as audio_tools

        path = self._path("takes", system, clip, key).with_suffix(SUFFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        audio_tools.write(audio, path)
        write_readable_json(path.with_suffix(".json"), facts)
        return Take(path, key, facts)

    def heard(self, system: str, clip: str, key: str, listen: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """What was found under this key, or else what ``listen`` finds, which is kept.  Plain data without nan."""
        path = self._path("heard", system, clip, key).with_suffix(".json")
        found = _read(path)
        if found is None:
            found = listen()
            path.parent.mkdir(parents=True, exist_ok=True)
            write_readable_json(path, found)
        return found

    def _path(self, kind: str, system: str, clip: str, key: str) -> Path:
        # A suffix that with_suffix may replace: clips may have dots in their names.
        return self.folder / kind / slug(system) / f"{slug(clip)}.{key}.part"


def key_of(*values: Any) -> str:
    """A short hash of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


def slug(name: str) -> str:
    """A name as part of a path: letters of any script, digits, ``_``, ``.`` and ``-``; long ones end in a hash."""
    plain = re.sub(r"[^\w.-]+", "_", name)
    if len(os.fsencode(plain)) <= MOST_NAME:
        return plain
    return f"{cut(plain, MOST_NAME)}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"


def _read(path: Path) -> Mapping[str, Any] | None:
    """Plain data; None if there is none, or what is there was damaged: it is made again."""
    try:
        found = plain.read_json(path)
    except (FileNotFoundError, plain.PlainError):
        return None
    return found if isinstance(found, dict) else None
