"""``flowmusic detect``: whether a recording carries the mark of what flowmusic makes, which, and where."""

from __future__ import annotations

import argparse
import json
import sys

from flowmusic import options
from flowmusic.errors import DONE, reading_input


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Look for the mark that generate, edit, extend, vary and stream put into what they make.

It is looked for at every place and at speeds of up to 2.5 % more or less, without a network.  Five seconds are enough.
A recording without a mark is taken for marked once in ten thousand times at most; a mark that is not found may have
been there: docs/watermark.md says what removes it."""
    parser.add_argument("audio", type=options.existing_file, metavar="FILE", help="WAV, FLAC, OGG, MP3; more by ffmpeg")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options.add_threads(parser)


def run(args: argparse.Namespace) -> int:
    """Look for it, and print what is found."""
    from flowmusic.watermark import detect, telling

    with reading_input():
        found = detect.detect(args.audio)
    for notice in found.notices:
        print(f"note: {notice}", file=sys.stderr)
    print(json.dumps(telling.plain(found, args.audio), indent=2) if args.json else telling.line(found))
    return DONE
