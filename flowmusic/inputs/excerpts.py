"""The part of a recording whose feel is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowmusic.audio import Audio
    from flowmusic.generate.generator import Generator
    from flowmusic.types import Style

STYLE_LEAST_S = 1.5
SILENT_DB, SOFT_DB = -70.0, -40.0


@dataclass(frozen=True)
class Excerpt:
    """The part of a recording whose feel is wanted, how closely, and how much of its timbre (None: the model's own)."""

    sound: Audio
    detail: int | None = None
    timbre: float | None = None

    def heard(self, model: Generator) -> Style:
        """As ``model`` is told it."""
        return model.style(self.sound, self.detail, self.timbre)


def read(path: Path, seconds: float, notices: list[str]) -> Audio:
    """The loudest ``seconds`` of a recording, of a long one in some stretches of it, as loud as they are there.

    Raises: ValueError for one that is shorter than the shortest excerpt, or silent.
    """
    from flowmusic import audio

    stretches = audio.read_stretches(path)
    notices += [f"{path}: {notice}" for notice in stretches[0][1].notices]
    if stretches[0][1].audio.seconds < STYLE_LEAST_S:
        length = stretches[0][1].audio.seconds
        raise ValueError(f"{path} lasts {length:.2f} s; a style needs at least {STYLE_LEAST_S:g} s")
    parts = [(start, *audio.loudest(stretch.audio, seconds)) for start, stretch in stretches]
    start, part, first = max(parts, key=lambda each: audio.rms_db(each[1].samples))
    level, begin = audio.rms_db(part.samples), start + first
    if level < SILENT_DB:
        raise ValueError(f"{path} is silent; give a recording with music as --style")
    if level < SOFT_DB:
        notices.append(
            f"{path} is very soft ({level:.0f} dBFS), and so is its style; make it louder if that is not meant"
        )
    if len(parts) > 1 or stretches[0][1].audio.seconds > seconds + 0.25:
        where = f"the loudest part of {len(parts)} stretches of it" if len(parts) > 1 else "its loudest part"
        notices.append(f"the style is taken from {begin:.2f} to {begin + part.seconds:.2f} s of {path}, {where}")
    return part
