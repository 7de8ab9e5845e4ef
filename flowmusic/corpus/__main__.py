"""`python -m flowmusic.corpus --hours H --seed S --out DIR`: compose and render a corpus."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from flowmusic import limits, progress


class _Parser(argparse.ArgumentParser):
    """Says what is wrong on one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def _limited(name: str) -> Callable[[str], float]:
    """A number of the table of limits."""

    def parse(text: str) -> float:
        try:
            value = limits.of_text(name, text)
            return limits.on_this_machine(name, int(value)) if name == "workers" else value
        except limits.LimitError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _part(text: str) -> tuple[int, int]:
    """A part K/N, from 1/N to N/N."""
    number, _, parts = text.partition("/")
    if not (number.isascii() and number.isdigit() and parts.isascii() and parts.isdigit() and len(text) <= 20):
        raise argparse.ArgumentTypeError(f"{text!r} is no part; give K/N, such as 2/5")
    if not 1 <= int(number) <= int(parts):
        raise argparse.ArgumentTypeError(f"{text!r}: K must be from 1 to N")
    return int(number), int(parts)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="flowmusic corpus", description="Compose and render a corpus with exact labels.")
    parser.add_argument("--hours", type=_limited("hours"), required=True, help="hours of audio")
    parser.add_argument("--seed", type=_limited("seed"), required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--clip-seconds", type=_limited("clip_seconds"), default=20.0, metavar="S")
    parser.add_argument(
        "--stems", default="", metavar="LIST",
        help="parts to write beside the mix: all, or some of drums,bass,chords,pad,melody",
    )  # fmt: skip
    parser.add_argument(
        "--soundfont", action="append", default=[], metavar="PATH",
        help="sf2 or sf3 for training and validation; repeat to mix several",
    )  # fmt: skip
    parser.add_argument("--test-soundfont", metavar="PATH", help="font of the test split (default: TimGM6mb)")
    parser.add_argument("--splits", default="train=0.9,validation=0.05,test=0.05", metavar="SHARES")
    parser.add_argument(
        "--genres", default="", metavar="LIST",
        help="only these, by name with commas; also the only way to the extra ones (tango)",
    )  # fmt: skip
    parser.add_argument(
        "--rendering", choices=("plain", "lively"), default="plain",
        help="lively: several fonts, recorded drums, played timing, rooms, mastering, an even spread (default: plain)",
    )  # fmt: skip
    parser.add_argument("--stereo", action="store_true", help="two channels; with --rendering lively")
    parser.add_argument(
        "--placement", choices=("table", "drawn"),
        help="where lively parts sit: in the usual places of docs/corpus.md, or drawn for each clip (default: table "
        "with --stereo, else drawn)",
    )  # fmt: skip
    parser.add_argument(
        "--drum-samples", metavar="DIR",
        help="recorded drums for lively clips (default: where Debian's sonic-pi-samples has them)",
    )  # fmt: skip
    parser.add_argument(
        "--part", type=_part, default=(1, 1), metavar="K/N",
        help="only every N-th clip, from the K-th on: a large corpus in several sittings or on several machines",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=_limited("workers"), default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress or notices; only the name of the manifest")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 2 wrong input."""
    parser = _parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    from flowmusic import disk
    from flowmusic.corpus.build import CorpusSettings, SettingsError, build_corpus
    from flowmusic.corpus.extra import named
    from flowmusic.corpus.fonts import GPL_NOTICE, FontError, choose_fonts, search_folders
    from flowmusic.corpus.kits import PACKAGE, KitError, find_samples
    from flowmusic.corpus.piece import PARTS
    from flowmusic.corpus.splits import parse_shares
    from flowmusic.corpus.synth import SynthError
    from flowmusic.locks import InUse

    def fail(message: str) -> int:
        print(f"flowmusic corpus: {message}", file=sys.stderr)
        return 2

    stems = PARTS if args.stems == "all" else tuple(s for s in args.stems.split(",") if s)
    unknown = [stem for stem in stems if stem not in PARTS]
    if unknown:
        return fail(f"unknown stem {unknown[0]!r} in --stems: use all, {', '.join(PARTS)}")
    try:
        shares = parse_shares(args.splits)
        fonts, test_font = choose_fonts(args.soundfont, args.test_soundfont, several=args.rendering == "lively")
        samples = find_samples(args.drum_samples) if args.rendering == "lively" else None
    except KitError as error:
        return fail(f"--drum-samples: {error}")
    except FontError as error:
        looked = ", ".join(str(folder) for folder in search_folders())
        return fail(f"{error} (places searched by default: $FLOWMUSIC_SOUNDFONTS, {looked})")
    except ValueError as error:
        return fail(f"--splits: {error}")
    if not args.quiet and any(font.name.startswith("TimGM6mb") for font in fonts):
        print(GPL_NOTICE, file=sys.stderr)
    given = {"--stereo": args.stereo, "--drum-samples": args.drum_samples, "--placement": args.placement}
    alone = next((flag for flag, value in given.items() if value), None)
    if args.rendering == "plain" and alone:
        return fail(f"{alone} needs --rendering lively")
    if args.rendering == "lively" and samples is None and not args.quiet:
        print(f"notice: no recorded drums; install {PACKAGE}, or give --drum-samples DIR", file=sys.stderr)
    genres = tuple(g.strip() for g in args.genres.split(",") if g.strip())
    try:
        named(genres)
    except ValueError as error:
        return fail(f"--genres: {error}")
    ordered = tuple(part for part in PARTS if part in stems)
    placement = args.placement or ("table" if args.stereo else "drawn")
    settings = CorpusSettings(
        args.hours, args.seed, args.clip_seconds, shares, ordered, fonts, test_font, genres,
        args.rendering == "lively", args.stereo, samples, placement == "table",
    )  # fmt: skip
    if args.out.exists() and not args.out.is_dir():
        return fail(f"--out {args.out} is not a folder")
    try:
        disk.check(args.out)
    except OSError as error:
        return fail(f"--out: cannot write to {args.out}: {disk.told(error)}")
    try:
        with progress.quieted(args.quiet):
            progress.starting("flowmusic corpus", "numpy")
            manifest = build_corpus(settings, args.out, args.workers, args.part)
    except (InUse, SettingsError, SynthError) as error:
        return fail(str(error))
    except OSError as error:
        print(f"flowmusic corpus: {disk.told(error)}", file=sys.stderr)
        return 1
    if not manifest.is_file():
        print(f"{args.out} holds part {args.part[0]}/{args.part[1]}; it is a corpus once the other parts are there")
        return 0
    print(f"{manifest} {settings.count} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
