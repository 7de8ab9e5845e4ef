"""A `Piece` and a soundfont to stems and their mix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowmusic.corpus.piece import Piece
    from flowmusic.corpus.synth import FontSynth

SAMPLE_RATE = 32_000


@dataclass(frozen=True)
class Rendering:
    """16-bit mono audio: `stems` by part [N], `mix` [N] = their exact sum, `rms` in dBFS."""

    stems: Mapping[str, NDArray[np.int16]]
    mix: NDArray[np.int16]
    rms: Mapping[str, float]
    sample_rate: int = SAMPLE_RATE


def render(piece: Piece, synth: FontSynth) -> Rendering:
    """Render a piece from 0 to its length in seconds."""
    from flowmusic.corpus.mix import mix

    raw = {part.name: synth.render(part, piece.room, 0.0, piece.seconds) for part in piece.parts}
    parts = {part.name: part for part in piece.parts}
    stems, total, rms = mix(raw, parts, piece.room, SAMPLE_RATE)
    return Rendering(stems, total, rms)
