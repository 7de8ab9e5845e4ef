"""Flags and first steps of the commands that start from a take or a recording."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowmusic import options
from flowmusic.apps import take_flags
from flowmusic.errors import UsageError, reading_input
from flowmusic.inputs import lead_sheet
from flowmusic.options import check_device
from flowmusic.paths import sibling
from flowmusic.takes.source import FREE

if TYPE_CHECKING:
    from pathlib import Path

    from flowmusic.generate.generator import Generator
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.takes.source import Source


def add_source(parser: argparse.ArgumentParser) -> None:
    """SOURCE, and TEXT behind it, with flags before, between and after them."""
    if isinstance(parser, options.Parser):
        parser.intermixed = True
    add = parser.add_argument
    add("source", type=options.existing_file, metavar="SOURCE", help="a take, with its record beside it, or any music")
    add("text", type=options.words, nargs="?", metavar="TEXT", help="what the new part should sound like (the same)")


def add_making(parser: argparse.ArgumentParser, out: str) -> None:
    """What is asked for, how it is made, and where it is written."""
    take_flags.add_request(parser)
    lead_sheet.add_arguments(parser)
    parser.add_argument(
        "--free",
        type=options.names((*FREE, "all")),
        default=frozenset(),
        metavar="LIST",
        help=f"what not to keep of SOURCE: {', '.join(FREE)}, or all",
    )
    take_flags.add_sampling(parser)
    take_flags.add_model(parser)
    take_flags.add_output(parser)
    parser.set_defaults(out=out, model=None)


def free(args: argparse.Namespace) -> frozenset[str]:
    """The names of --free; facts go with the words that say them."""
    names = frozenset(FREE) if "all" in args.free else frozenset(args.free)
    return names | {"facts"} if "text" in names else names


def opened(
    args: argparse.Namespace, judge: Callable[[Path, Mapping[str, Any]], None] | None = None
) -> tuple[Generator, Source]:
    """The model, of --model or of the take's record, and what SOURCE is to it.

    Args:
        judge: called with the audio file and its record, {} for other recordings, before anything is loaded.

    Raises: UsageError.
    """
    from flowmusic.interop import model_files
    from flowmusic.takes import source
    from flowmusic.takes.making import check_record

    with reading_input():
        check_device(args.device)
        path = source.audio_of(args.source)
        outs = [sibling(args.out, f"-{n + 1}{args.out.suffix}") for n in range(args.count)]
        source.check_outputs([args.out] if args.count == 1 else outs, path)
        check_record(args.out)
        source.check_length(path)
        record = source.record_of(path)
        if judge is not None:
            judge(path, record)
        recorded = record.get("model")
        chosen, args.model = args.model, args.model or (recorded if isinstance(recorded, str) else "nano")
        try:
            model_files.find(args.model)
        except ValueError as error:
            if chosen is not None:
                raise
            told = f"{path.name} was made by {args.model}, which is not here ({error}); give --model"
            raise UsageError(told) from None
    generator = take_flags.load(args)
    with reading_input():
        found = source.read(path, generator, None if args.quiet else lambda step: print(step, file=sys.stderr))
        if chosen is not None:
            source.check_codec(found, generator)
    return generator, found


def tell(args: argparse.Namespace, asked: GenerateRequest, notices: Sequence[str]) -> None:
    """Print what a person should know, and keep it for the record."""
    asked.notices[:0] = notices
    if not args.quiet:
        for notice in asked.notices:
            print(f"note: {notice}", file=sys.stderr)
