"""A piece with room before or after it: how long, on which beat grid, with which controls and style."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flowmusic import limits
from flowmusic.inputs.regions import EARLY_S, Span

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.inputs.within import Piece
    from flowmusic.takes.source import Source

STYLE_SECONDS = 3.0
"""Of the end of a piece (or of its beginning, where music is to lead up to it), whose feel the new part is to have."""


def bars_seconds(piece: Piece, bars: int) -> float:
    """How long some bars of a piece last.  Raises: ValueError where its tempo is not known."""
    from flowmusic.controls.beats import parse_meter, tempo

    bpm = None if piece.beats is None else tempo(piece.beats)
    if bpm is None:
        raise ValueError(
            f"the tempo of {piece.name} is not known, so --bars have no length; give --bpm as well, or --seconds"
        )
    return round(bars * parse_meter(piece.meter).bar_seconds(bpm), 6)  # a tempo that is read from phases


def longer(piece: Piece, seconds: float, first: int, free: Collection[str]) -> Piece:
    """The piece with ``seconds`` more after it, or ``first`` frames more before it, where its controls go on.

    Raises: ValueError for more than a take may last.
    """
    from flowmusic.generate.extend import continued, running_on
    from flowmusic.types import FrameGrid

    rate = piece.grid.frame_rate
    total = piece.seconds + (first / float(rate) if first else seconds)
    limits.number("seconds", total, "the length of the longer piece")
    grid = FrameGrid(rate, first + piece.grid.length) if first else FrameGrid.of_seconds(total, rate)
    beats = None if piece.beats is None else running_on(piece.beats, grid, first)
    return replace(
        piece,
        seconds=total,
        grid=grid,
        beats=beats,
        controls=continued(piece.controls, piece.beats, grid, first, free, piece.seconds),
        written=continued(piece.written, piece.beats, grid, first, free, piece.seconds),
    )


def whole_frames(piece: Piece) -> int:
    """How many frames a piece fills from the first to the last sample, at least one."""
    return max(1, math.floor(round(piece.seconds * float(piece.grid.frame_rate), 3)))


def next_bar(lines: Sequence[float] | None, span: Span) -> float:
    """The first bar line in a span, where what is new begins; without one, the beginning of the span."""
    within = [line for line in (lines or [])[:-1] if span[0] - EARLY_S <= line < span[1]]
    return max(within[0], 0.0) if within else span[0]


def in_style_of(piece: Piece, source: Source, generator: Generator, before: bool) -> Piece:
    """The piece asked for in the style of the source's end, or beginning; of silence, and of too little, in none."""
    from flowmusic.audio import Audio, rms_db
    from flowmusic.inputs.request import SILENT_DB, STYLE_LEAST_S

    count = round(STYLE_SECONDS * source.audio.rate)
    part = source.audio.samples[..., :count] if before else source.audio.samples[..., -count:]
    excerpt = Audio(part, source.audio.rate)
    if excerpt.seconds < STYLE_LEAST_S or rms_db(part) < SILENT_DB:
        return piece
    return replace(piece, controls=replace(piece.controls, style=(generator.style(excerpt),)))
