"""A piece with room before or after it: how long, on which beat grid, with which controls."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flowmusic import limits
from flowmusic.inputs.regions import EARLY_S, Span

if TYPE_CHECKING:
    import argparse

    from flowmusic.inputs.lead_sheet import LeadSheet
    from flowmusic.inputs.within import Piece


def bars_seconds(piece: Piece, bars: int) -> float:
    """How long some bars of a piece last.  Raises: ValueError where its tempo is not known."""
    from flowmusic.controls.beats import parse_meter, tempo

    bpm = None if piece.beats is None else tempo(piece.beats)
    if bpm is None:
        raise ValueError(
            f"the tempo of {piece.name} is not known, so --bars have no length; give --bpm as well, or --seconds"
        )
    return round(bars * parse_meter(piece.meter).bar_seconds(bpm), 6)  # a tempo that is read from phases


def added(args: argparse.Namespace, piece: Piece) -> float:
    """How many seconds are asked for: by number, in bars, or as a lead sheet lasts at the tempo of the piece.

    Raises: ValueError as :func:`bars_seconds`.
    """
    if args.seconds is not None:
        return float(args.seconds)
    return sheet_seconds(piece, args.lead, args.before) if args.bars is None else bars_seconds(piece, args.bars)


def sheet_seconds(piece: Piece, sheet: LeadSheet, before: bool) -> float:
    """How long a sheet lasts that begins on the next bar line after a piece, or ends on its first one."""
    from flowmusic.annotations.retime import onto
    from flowmusic.controls.beats import from_track, tempo

    bpm = None if piece.beats is None else tempo(piece.beats)
    if piece.beats is None or bpm is None or not sheet.counted:
        return sheet.seconds
    lasts = onto(sheet.beats, range(len(sheet.beats)))(sheet.seconds) * 60.0 / bpm
    lines = from_track(piece.beats).downbeats
    if not lines:
        return round(lasts, 6)
    if before:
        return round(lasts - lines[0], 6)
    bar = bars_seconds(piece, 1)
    following = lines[-1] + bar * math.ceil((piece.seconds - EARLY_S - lines[-1]) / bar)
    return round(lasts + max(0.0, following - piece.seconds), 6)


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
