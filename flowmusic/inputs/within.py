"""What a person asks of some regions of a piece: the flags of a request, read on the beat grid of the piece."""

from __future__ import annotations

import argparse
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flowmusic.controls import chords as chord_text
from flowmusic.inputs import request, silence
from flowmusic.inputs.regions import Span

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.inputs.lead_sheet import LeadSheet
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.types import Controls, FrameGrid, Track


@dataclass(frozen=True)
class Piece:
    """What is known of the piece that a request is for.

    Attributes:
        name: for messages.
        seconds: its length.
        controls: what holds for it without the request, on its grid.
        written: the same in the terms of the request, to be judged by.
        beats: its beat grid; None where no tempo is known.
        meter: of its bars.
    """

    name: str
    seconds: float
    controls: Controls
    written: Controls
    grid: FrameGrid
    beats: Track | None
    meter: str


def read(args: argparse.Namespace, piece: Piece, spans: Sequence[Span], starts: Sequence[float]) -> GenerateRequest:
    """Read the flags of a request for some regions.

    Args:
        starts: where the chords, melody and drums of each region begin.

    Raises: ValueError or OSError as :func:`flowmusic.inputs.request.read`, and for chords in bars without a tempo.
    """
    from flowmusic.controls.beats import tempo

    bpm = None if piece.beats is None else tempo(piece.beats)
    if bpm is None and args.chords is not None and not chord_text.is_timed(args.chords):
        raise ValueError(
            f"the tempo of {piece.name} is not known, so --chords in bars have no place; give --bpm, or chords at "
            'seconds of the region, as in "0:C 2.5:Am"'
        )
    seconds = max(end - start for start, (_, end) in zip(starts, spans, strict=True))
    # A tempo that the piece does not keep to more exactly than this is not worth more digits in a message.
    settled: dict[str, Any] = {
        "bpm": None if bpm is None else round(bpm, 3),
        "meter": piece.meter if _counted(args) else None,
    }
    lead: LeadSheet | None = getattr(args, "lead", None)
    if lead is not None:
        told = (*lead.notices, *lead.told(bpm, None if piece.beats is None else piece.meter, piece.name))
        lead = replace(lead if bpm is None else lead.at(bpm), notices=told)
        settled["lead"] = lead
    asked = request.read(argparse.Namespace(**{**vars(args), "text": args.text or "", "seconds": seconds, **settled}))
    return replace(asked, seconds=piece.seconds, bpm=None, meter=piece.meter)


def _counted(args: argparse.Namespace) -> bool:
    """Whether anything is counted in bars, without which a meter has no effect, and that would be said."""
    return args.chords is not None or args.drums is not None


def merged(
    asked: GenerateRequest,
    piece: Piece,
    spans: Sequence[Span],
    starts: Sequence[float],
    generator: Generator,
    free: Collection[str] = (),
) -> Piece:
    """The piece with what is asked for in the regions, and without what is free there.

    Raises: ValueError as :func:`flowmusic.inputs.request.to_controls`.
    """
    from flowmusic.controls.beats import from_track, tempo, to_track
    from flowmusic.controls.tracks import batched, crop
    from flowmusic.generate.edit import inside
    from flowmusic.types import FrameGrid

    rate, times = float(piece.grid.frame_rate), None
    least, bpm = 0.0, None
    if piece.beats is not None:
        times, bpm = from_track(piece.beats), tempo(piece.beats)
        least = 0.0 if bpm is None else 125.0 / bpm  # two beats tell a tempo
    controls, written = piece.controls, piece.written
    free = {*free, *silence.ended(asked.facts.said, controls, generator)}
    for (start, end), first_s in zip(spans, starts, strict=True):
        first = math.floor(round(first_s * rate, 3))
        grid = FrameGrid.of_seconds(max(end, first_s + least) - first / rate, piece.grid.frame_rate)
        beats = None
        if times is not None and bpm is not None:
            pulse, bars = ([time - first / rate for time in of] for of in (times.beats, times.downbeats))
            beats = batched(to_track(pulse, bars, grid))
        new = request.to_controls(asked, grid, beats)
        counted = new if generator.drums_as_codes else new.only(new.names() - {"beats"})
        read = request.for_model(asked, counted, generator)
        read = silence.added(asked.facts.said, read, grid, generator, asked.notices)

        def placed(part: Controls, first: int = first) -> Controls:
            tracks = {
                name: crop(track, -first, piece.grid.length) for name, track in part.tracks.items() if name != "beats"
            }
            return replace(part, tracks=tracks)

        # Until what is new begins, what goes on from the piece holds.
        here = [(max(start, first_s), end)]
        controls = inside(controls, placed(read), here, piece.grid, free)
        written = inside(written, placed(new), here, piece.grid, free)
    asked.notices[:] = list(dict.fromkeys(asked.notices))
    return replace(piece, controls=controls, written=written)
