"""``flowmusic export``: a take or a recording in; stems, MIDI, sheets and loops for a studio out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flowmusic import options, progress
from flowmusic.errors import DONE, UsageError, reading_input
from flowmusic.paths import sibling

KINDS, FORMATS, SEPARATORS = ("stems", "midi", "sheets", "loops"), ("wav", "flac", "ogg", "mp3"), ("ours", "demucs")
"""Those of :mod:`flowmusic.studio`, told without loading it."""
ENDING = ".export"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Carry a take, or any recording of up to 10 minutes, on to a studio.

Written are stems that sum to the mix to the last bit, MIDI with a tempo map and a track for every part, a chord sheet
(ChordPro, MusicXML), labels for Audacity, JAMS, and loops of whole bars.  The bars of a take, a file with its JSON
record beside it, are those that it was asked for; those of a recording are heard, unless --bpm tells them."""
    add = parser.add_argument
    add("audio", type=options.existing_file, metavar="TAKE|AUDIO", help="WAV, FLAC, OGG, MP3; more with ffmpeg")
    add("--out", type=options.output_folder, metavar="DIR", help=f"default: the file's name + {ENDING}")
    add("--only", type=options.names(KINDS), metavar="LIST", help=f"of {', '.join(KINDS)} (all)")
    add("--loop-bars", type=options.integer("bars"), metavar="N", help="cut loops of N bars; without it there are none")
    add("--separator", choices=SEPARATORS, help="ours: drums and other; demucs: bass and vocals too, from its weights")
    add("--format", choices=FORMATS, default="wav", help="of stems and loops; ogg and mp3 lose something (wav)")
    add("--bpm", type=options.bpm, metavar="N", help="tempo of a recording, where it is not heard rightly")
    add("--meter", type=options.words, metavar="M", help="its time signature (4/4)")
    add("--downbeat", type=options.limited("time", low=0), metavar="S", help="where its first bar begins, with --bpm (0)")
    add("--replace", action="store_true", help="put it in place of an earlier export in DIR")
    options.add_threads(parser)
    add("--quiet", action="store_true", help="no progress or notices; only the names of the files")


def run(args: argparse.Namespace) -> int:
    """Read, listen, take apart, and write the folder."""
    kinds = args.only or frozenset(KINDS) - (set() if args.loop_bars else {"loops"})
    if args.only is not None and ("loops" in args.only) != (args.loop_bars is not None):
        raise UsageError("--only loops needs --loop-bars N, and --loop-bars needs loops among --only")
    if args.downbeat is not None and args.bpm is None:
        raise UsageError("--downbeat goes with --bpm, which is not given")
    progress.starting("flowmusic export")
    from flowmusic.controls.meter import parse_meter
    from flowmusic.studio import folder
    from flowmusic.takes import source

    with reading_input():
        if args.meter is not None:
            parse_meter(args.meter)
        path = source.audio_of(args.audio)
        out = args.out or default_folder(path)
        folder.check(out, args.replace)
        record = source.record_of(path)
    for written in exported(path, record, out, kinds, args):
        print(written)
    return DONE


def exported(path: Path, record: dict[str, object], out: Path, kinds: frozenset[str], args: argparse.Namespace) -> list[Path]:
    """One export."""
    from flowmusic.studio import export, stems

    def tell(step: str) -> None:
        if not args.quiet:
            print(f"exporting: {step}", file=sys.stderr, flush=True)

    with reading_input():
        wanted = export.Wanted(
            kinds, stems.separator_of(args.separator), args.loop_bars, f".{args.format}", args.bpm, args.meter,
            args.downbeat or 0.0,
        )  # fmt: skip
        found = export.read(path, record)
    files, known = export.export(found, wanted, out, again=args.replace, tell=tell)
    notices = [*found.notices, *(known.heard.notices if known.heard else ())]
    for notice in [] if args.quiet else notices:
        print(f"note: {path.name}: {notice}", file=sys.stderr)
    return files


def default_folder(audio: Path) -> Path:
    """``song.wav`` -> ``song.export`` beside it.  Raises: UsageError if that cannot be made."""
    try:
        return options.output_folder(str(sibling(audio, ENDING)))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"cannot write the default folder: {error}; choose another with --out") from None
