"""Flags of loops and of takes that fit together: what they change in a request."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from flowmusic import limits, options
from flowmusic.errors import UsageError

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.generate.loops import Length
    from flowmusic.types import Controls, FrameGrid

BARS = 4
PARTS = ("full", "drums", "no-drums")
"""Those of :mod:`flowmusic.generate.parts`, told without loading it."""
SECONDS = 10.0


def add(parser: argparse.ArgumentParser) -> None:
    """``--loop``, ``--bars`` and ``--set``."""
    parser.add_argument("--loop", action="store_true", help="exactly --bars bars, whose end runs on into its beginning")
    parser.add_argument("--bars", type=options.integer("bars"), metavar="N", help=f"length of the --loop ({BARS})")
    parser.add_argument(
        "--set",
        dest="parts",
        type=options.names(PARTS),
        metavar="LIST",
        help=f"takes that fit together, as name-PART.wav, from {', '.join(PARTS)}",
    )


def settle(args: argparse.Namespace) -> list[str]:
    """Turn bars into seconds, before anything is loaded.

    Returns: what a person should know.  Raises: ValueError naming the flag, what is allowed and what to do.
    """
    from flowmusic.controls.meter import parse_meter
    from flowmusic.inputs.rhythm import DEFAULT_BPM

    if not args.loop:
        if args.bars is not None:
            raise UsageError("--bars is the length of a --loop, which is not asked for; give --loop, or --seconds")
        args.seconds = SECONDS if args.seconds is None else args.seconds
        return []
    if args.seconds is not None:
        raise UsageError("--seconds and --loop: a loop is as long as its bars; give --bars and --bpm")
    notices = [] if args.bpm is not None else [f"no --bpm is given; the loop has {DEFAULT_BPM:g} beats a minute"]
    args.bpm = args.bpm or DEFAULT_BPM
    args.bars = BARS if args.bars is None else args.bars
    seconds = args.bars * parse_meter(args.meter or "4/4").bar_seconds(args.bpm)
    limits.number("loop_seconds", seconds, f"the length of {args.bars} bars at {args.bpm:g} bpm")
    args.seconds = seconds
    return notices


def length(args: argparse.Namespace, generator: Generator) -> Length | None:
    """How long the loop is, to the sample; None where none is asked for."""
    if not args.loop:
        return None
    from flowmusic.controls.meter import parse_meter
    from flowmusic.generate.loops import Length

    codec, meter = generator.codec, parse_meter(args.meter or "4/4")
    return Length.of_bars(args.bars, meter.beats_per_bar, args.bpm, codec.rate, codec.frame_rate)


def parts(args: argparse.Namespace, controls: Controls, grid: FrameGrid, generator: Generator) -> dict[str, Controls]:
    """Controls of each take of ``--set`` by its name, in their order; without it, of the one without a name.

    Raises: UsageError for a model that cannot leave a part out.
    """
    if args.parts is None:
        return {"": controls}
    from flowmusic.generate.parts import NO_DRUMS, part

    if NO_DRUMS in args.parts and ("drums" not in generator.controls or generator.drums_as_codes):
        raise UsageError(
            f"--set {NO_DRUMS}: {generator.name} has no control of drum onsets that could say that there are none; "
            "leave it out, or use nano"
        )
    return {name: part(controls, name, grid, generator.controls) for name in PARTS if name in args.parts}
