"""``flowmusic generate``: text and controls in; a take, its record and its adherence out."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from flowmusic import options, progress
from flowmusic.apps import export, fact_flags, loop_flags, take_flags
from flowmusic.errors import DONE, check_output, reading_input
from flowmusic.files import remove_stale
from flowmusic.inputs import lead_sheet
from flowmusic.options import check_device

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Make music from a text and, if you like, chords, a melody and drums.

Chords, in bars of --bpm:  "C Am F G"    "C Am | F / G / | %"    "|: C | F :| x3"    (the progression repeats)
Chords, at seconds:        "0:C 2.5:Am7 4:F/A"    (the last one holds)
Curves, value@time:        "0@0 4@10"    "1@bar1 0.5@bar9"    (straight lines between, held outside)
Story, a section a line:   0:15 | waking up, gentle piano | chords=C G Am F guidance.text=2"""
    parser.epilog = f"{take_flags.GUIDANCE_KEYS}\n{take_flags.EXIT_CODES}"
    add = parser.add_argument
    add("text", nargs="?", type=options.words, metavar="TEXT", help='what it should sound like; "" for no text')
    take_flags.add_request(parser)
    lead_sheet.add_arguments(parser, recall=True)
    fact_flags.add(parser)
    add("--image", type=options.existing_file, metavar="FILE", help="a picture (PNG, JPEG, WEBP) to take the mood of")
    add("--caption-model", type=options.existing_path, metavar="DIR", help="says in words what --image shows")
    add(
        "--seconds",
        type=options.seconds,
        metavar="N",
        help="length (10, or that of chords, sheet, story); any, in flat memory",
    )
    loop_flags.add(parser)
    add("--story", type=options.existing_file, metavar="FILE", help="sections, each with words, chords, ... of its own")
    add("--fade", type=options.limited("short_time"), metavar="N", help="seconds of a story's changes (a bar, or 2)")
    add("--blur", type=options.blur, metavar="K=V,...", help="seconds by which controls are less exact; may be curves")
    take_flags.add_blend(parser)
    take_flags.add_sampling(parser, over_time=True)
    add("--preview", action="store_true", help="a rough take of the same seed, in a fraction of the time")
    take_flags.add_model(parser)
    take_flags.add_output(parser, folder=True)
    export.add_flags(parser)
    add("--batch", type=options.existing_file, metavar="FILE", help="requests, a JSON object a line; --out is a folder")
    add("--keep-going", action="store_true", help="of a --batch, make what can be made, and name the lines that cannot")


def _loaded(args: argparse.Namespace) -> Generator:
    progress.starting("flowmusic generate")
    from flowmusic.interop import model_files

    with reading_input():
        check_device(args.device)
        model_files.find(args.model)
    return take_flags.load(args)


def run(args: argparse.Namespace) -> int:
    """Read, load, generate ``--count`` takes, and write and judge each as soon as it is there."""
    from flowmusic.takes import order

    take_flags.settle_output(args)
    if args.batch is not None:
        from flowmusic.takes.batch import Batch

        return Batch(args, options.reader(add_arguments)).run(partial(_loaded, args))
    with reading_input():
        asked = order.check(args)
    progress.starting("flowmusic generate")
    from flowmusic.interop import model_files
    from flowmusic.takes.making import check_record

    with reading_input():
        check_device(args.device)
        model_files.find(args.model)
        check_record(args.out)
        reading = order.read(asked)
    generator = take_flags.load(args)
    from flowmusic.generate.generator import draw_seed

    with reading_input():
        settled = reading.settle(generator)
        exporting = export.of_takes(args, settled.request.seconds)
        check_output(args.out, settled.size() * (5 if args.stems else 1))
        remove_stale(args.out.parent)
    if not args.quiet:
        for notice in settled.request.notices:
            print(f"note: {notice}", file=sys.stderr)
    for take in settled.produce(draw_seed() if args.seed is None else args.seed, quiet=args.quiet):
        exporting(take)
    return DONE
