"""``flowmusic export``: a take or a recording in; stems, MIDI, sheets and loops for a studio out."""

from __future__ import annotations

import argparse
import glob
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic import options, progress
from flowmusic.errors import DONE, UsageError, reading_input
from flowmusic.paths import sibling

if TYPE_CHECKING:
    from flowmusic.studio.export import Wanted

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
    add("--meter", type=options.words, metavar="M", help="its time signature (what is heard; with --bpm, 4/4)")
    add("--downbeat", type=options.limited("time", low=0), metavar="S", help="with --bpm: where a bar begins (0)")
    add("--replace", action="store_true", help="put it in place of an earlier export in DIR")
    options.add_threads(parser)
    add("--quiet", action="store_true", help="no progress or notices; only the names of the files")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags by which a command that makes takes exports each of them at once."""
    add = parser.add_argument
    add("--stems", action="store_true", help=f"stems of each take too, into its name + {ENDING} (see `export`)")
    add("--midi", action="store_true", help="its notes, chords and tempo as MIDI too, into the same folder")


def run(args: argparse.Namespace) -> int:
    """Read, listen, take apart, and write the folder."""
    kinds = args.only or frozenset(KINDS) - (set() if args.loop_bars else {"loops"})
    if args.only is not None and ("loops" in args.only) != (args.loop_bars is not None):
        raise UsageError("--only loops needs --loop-bars N, and --loop-bars needs loops among --only")
    if args.downbeat is not None and args.bpm is None:
        raise UsageError("--downbeat goes with --bpm, which is not given")
    if args.format == "mp3" and "loops" in kinds:
        raise UsageError("--format mp3 cannot hold loops: its frames add silence at both ends; give wav, flac or ogg")
    progress.starting("flowmusic export")
    from flowmusic.controls.meter import parse_meter
    from flowmusic.studio import folder
    from flowmusic.studio.export import Wanted
    from flowmusic.studio.stems import separator_of
    from flowmusic.takes import source

    with reading_input():
        meter = None if args.meter is None else parse_meter(args.meter).name
        path = source.audio_of(args.audio)
        out = args.out or default_folder(path)
        folder.check(out, args.replace)
        separator, suffix = separator_of(args.separator), f".{args.format}"
    wanted = Wanted(kinds, separator, args.loop_bars, suffix, args.bpm, meter, args.downbeat or 0.0)
    write(path, out, wanted, again=args.replace, quiet=args.quiet)
    return DONE


def write(path: Path, out: Path, wanted: Wanted, *, again: bool, quiet: bool) -> None:
    """Export one file, and print the names of what is there.  Raises: UsageError, OSError."""
    from flowmusic.studio import export
    from flowmusic.takes.source import record_of

    def tell(step: str) -> None:
        if not quiet:
            print(f"exporting: {step}", file=sys.stderr, flush=True)

    with reading_input():
        found = export.read(path, record_of(path))
    files, known = export.export(found, wanted, out, again=again, tell=tell)
    for notice in [] if quiet else [*found.notices, *(known.heard.notices if known.heard else ())]:
        print(f"note: {path.name}: {notice}", file=sys.stderr)
    for file in files:
        print(file)


def of_takes(args: argparse.Namespace, seconds: float) -> Callable[[Path], None]:
    """What exports a take of so many seconds, by --stems and --midi; nothing where neither is given.

    Raises: UsageError for takes that are too short or too long, and for folders that are in the way.
    """
    kinds = frozenset(kind for kind in ("stems", "midi") if getattr(args, kind))
    if not kinds:
        return lambda take: None
    from flowmusic import limits
    from flowmusic.studio import folder
    from flowmusic.studio.export import Wanted
    from flowmusic.studio.stems import separator_of

    limits.number("export", seconds, "the length of a take with --stems or --midi")
    for name in (args.out.stem, f"{args.out.stem}-*"):
        for path in args.out.parent.glob(glob.escape(name).replace("[*]", "*") + ENDING):
            folder.check(path, replace=True)
    wanted = Wanted(kinds, separator_of(None))
    return lambda take: write(take, default_folder(take), wanted, again=True, quiet=args.quiet)


def default_folder(audio: Path) -> Path:
    """``song.wav`` -> ``song.export`` beside it.  Raises: UsageError if that cannot be made."""
    try:
        return options.output_folder(str(sibling(audio, ENDING)))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"cannot write the default folder: {error}; choose another with --out") from None
