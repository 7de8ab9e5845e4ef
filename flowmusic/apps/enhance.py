"""``flowmusic enhance``: a dull recording in, the same with a treble out, and a record of what was added."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flowmusic import options, progress, publishable
from flowmusic.errors import DONE, UsageError, reading_input
from flowmusic.files import write_readable_json
from flowmusic.paths import sibling

ENDING = ".enhanced.wav"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Paint in the treble that a recording lacks, up to 16 kHz.

What lies below the cut stays as it is; the cut is found in the file, or told with --cut.  Stereo stays stereo, any
length will do, and a JSON file beside the result says what was added.  What has its treble is only brought to 32 kHz.
A small network predicts how loud and how noisy each band should be; nobody can know what was really there."""
    add = parser.add_argument
    add("audio", type=options.existing_file, metavar="FILE", help="WAV, FLAC, OGG, MP3; more with ffmpeg")
    add("--out", type=options.audio_output, metavar="F", help=f"default: FILE's name + {ENDING}")
    add("--cut", type=options.limited("cut"), metavar="HZ", help="where it ends (default: found in its spectrum)")
    add("--rate", choices=("32000", "keep"), default="32000", help="keep: the file's own, where that is higher (32000)")
    options.add_threads(parser)
    add("--quiet", action="store_true", help="no progress or notices; only the names of the files")


def run(args: argparse.Namespace) -> int:
    """Hear the file through, then write it with its treble, and the record."""
    progress.starting("flowmusic enhance")
    from flowmusic.enhance import file

    with reading_input():
        out = args.out or default_output(args.audio)
        if out.exists() and out.samefile(args.audio):
            raise UsageError(f"--out {out} is the recording itself; give another name")
        # Beside song.wav, song.json may hold its labels.
        record = options.writable(sibling(out, ".json" if out.stem.endswith(".enhanced") else ".enhanced.json"))
        job = file.study(args.audio, args.cut, args.rate == "keep")
    if not args.quiet:
        cut = job.plan.cut_hz
        told = f"cut at {cut:.0f} Hz, {job.plan.why}" if cut is not None else job.plan.why
        print(f"note: {args.audio.name}: {told}", file=sys.stderr)
    with progress.Bar("enhancing", "s") as bar:
        file.write(job, out, lambda seconds: bar.to(round(seconds)))
    for notice in [] if args.quiet else job.notices:
        print(f"note: {args.audio.name}: {notice}", file=sys.stderr)
    write_readable_json(record, publishable.cleaned(job.record()))
    print(out)
    print(record)
    return DONE


def default_output(audio: Path) -> Path:
    """``song.mp3`` -> ``song.enhanced.wav`` beside it.  Raises: UsageError if that cannot be written."""
    try:
        return options.audio_output(str(sibling(audio, ENDING)))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"cannot write the default file: {error}; choose another with --out") from None
