"""Where an exported file comes from: a take of a model, or a recording that somebody brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmusic import publishable
from flowmusic.studio.tags import Provenance


@dataclass(frozen=True)
class FromRecording(Provenance):
    """A file that was made of a recording, which no model of ours has made.

    ``sources`` and ``source_hashes`` hold the recording; ``model`` is what listened to it or took it apart.
    """

    def comment(self) -> str:
        """One line that says it all.

        >>> FromRecording("stems-ours", sources={"recording": "song.wav"}).comment()
        'made of song.wav by stems-ours'
        """
        name = publishable.place(next(iter((self.sources or {}).values()), "a recording"))
        return f"made of {name} by {publishable.place(self.model)}"[:250]

    def fields(self) -> dict[str, str]:
        """The same by field; whether the recording itself was made by a model, nobody here knows."""
        kept = ("encoder_software", "source_recording")
        return {"comment": self.comment(), **{key: value for key, value in super().fields().items() if key in kept}}


def of_take(record: Mapping[str, Any]) -> Provenance:
    """Of what a take's record tells."""
    return Provenance.of_record(record, str(record.get("licence") or "not stated"))


def of_recording(path: Path, sha256: str, by: str) -> Provenance:
    """Of a recording, by whatever heard it or took it apart."""
    return FromRecording(by, None, "", {"recording": publishable.place(path.name)}, {"recording": sha256})
