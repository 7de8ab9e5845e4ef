"""``flowmusic sheet``: what a lead sheet says, bar by bar; or the same in another format."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flowmusic import options
from flowmusic.errors import DONE, check_output, reading_input
from flowmusic.sheets import WRITTEN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Read a lead sheet or annotations and show what was understood, bar by bar.

Read are ChordPro, MusicXML (.musicxml, .mxl), MIDI, ABC, iReal Pro, JAMS, label tracks of Audacity, controls.json and
chords as people paste them."""
    parser.epilog = f"Written are: {', '.join(WRITTEN)}."
    add = parser.add_argument
    add("sheet", type=options.existing_file, metavar="FILE", help="the sheet")
    add("--bpm", type=options.bpm, metavar="N", help="tempo of a sheet in bars (its own, or 120)")
    add("--meter", type=options.words, metavar="M", help="time signature of chords as text (4/4)")
    add("--form", type=options.words, metavar="S", help='play its sections in this order, such as "A A B A"')
    add("--out", type=Path, action="append", default=[], metavar="FILE", help="write it so; may be repeated")
    add("--quiet", action="store_true", help="no listing; only the names of the files")


def run(args: argparse.Namespace) -> int:
    """Read, list, and write."""
    from flowmusic import sheets
    from flowmusic.sheets import formats, listing

    with reading_input():
        reading = sheets.read(args.sheet, bpm=args.bpm, meter=args.meter or "4/4", form=args.form)
        for out in args.out:
            check_output(out, 1 << 20)
    for notice in reading.notices:
        print(f"note: {notice}", file=sys.stderr)
    if not args.quiet:
        print("\n".join(listing.lines(reading, args.bpm)))
    for out in args.out:
        with reading_input():
            written = formats.write(reading, out)
        print(written, flush=True)
    return DONE
