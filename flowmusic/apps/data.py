"""``flowmusic data``: manifests of recordings, from a folder of one's own or a known data set."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from flowmusic import options, progress
from flowmusic.errors import DONE, UsageError, reading_input
from flowmusic.progress import bar

EXAMPLES = """examples:
  flowmusic data scan recordings --out manifest.jsonl --licence "CC BY 4.0"
  flowmusic data scan recordings --captions captions.csv --validation 0.1 --test 0.1
  flowmusic data sets
  flowmusic data read musdb18 musdb18hq --out musdb18.jsonl
  flowmusic data read midi lmd_full --out rendered

A manifest is what `flowmusic build` begins with; docs/data.md tells what is in it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Make a manifest of recordings: from your own folder, or from a known data set."
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_scan(actions.add_parser("scan", help="a folder of recordings as a manifest"))
    _add_read(actions.add_parser("read", help="a known data set, as it lies on disk, as a manifest"))
    actions.add_parser("sets", help="the data sets that are known, with licence, layout and source")


def _add_scan(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List every recording under a folder with its captions, licence, duplicates and split. What cannot be used, "
        "and what is odd about a file (channels that cancel each other, an end that is missing), is listed in "
        "MANIFEST.problems.jsonl with the reason; a second scan looks at new and changed files only."
    )
    parser.add_argument("folder", type=existing_folder, metavar="FOLDER")
    parser.add_argument("--out", type=manifest_output, default="manifest.jsonl", metavar="FILE",
                        help="default: manifest.jsonl in the current folder")  # fmt: skip
    parser.add_argument("--captions", type=options.existing_file, metavar="TABLE",
                        help="CSV or TSV with a column path (or file) and caption, licence or split")  # fmt: skip
    parser.add_argument(
        "--licence", type=options.words, metavar="TEXT", help="of recordings that no sidecar, tag or table says one of"
    )
    parser.add_argument("--dataset", type=options.words, default="", metavar="NAME", help="what to call the collection")
    parser.add_argument("--validation", type=options.share, default=0.05, metavar="SHARE", help="default: 0.05")
    parser.add_argument("--test", type=options.share, default=0.05, metavar="SHARE", help="default: 0.05")
    parser.add_argument("--by-folder", action="store_true", help="keep the recordings of one folder in one split")
    parser.add_argument("--comments", action="store_true", help="the comment tag of the files is a caption")
    parser.add_argument("--min-seconds", type=options.seconds, default=1.0, metavar="S",
                        help="shorter files are left out (default: 1)")  # fmt: skip
    parser.add_argument("--silence", type=options.limited("silence"), default=-60.0, metavar="DB",
                        help="files whose loudest second is below are left out (default: -60)")  # fmt: skip
    parser.add_argument("--exact-only", action="store_true", help="compare files by their bytes alone")
    _add_common(parser)


def _add_read(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write a manifest of a data set as it lies on disk: `flowmusic data sets` lists the names. What is missing or "
        "broken is listed in MANIFEST.problems.jsonl. `midi` renders a folder of MIDI files into the folder --out."
    )
    parser.add_argument("name", metavar="NAME", help="as in `flowmusic data sets`")
    parser.add_argument("source", type=options.existing_path, metavar="FOLDER", help="the data set")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: NAME.jsonl; for midi: a folder")
    parser.add_argument("--soundfont", action="append", default=[], metavar="PATH",
                        help="midi only: sf2 or sf3; repeat to mix several")  # fmt: skip
    parser.add_argument("--max-seconds", type=options.seconds, default=None, metavar="S",
                        help="midi only: longer pieces are cut (default: 600)")  # fmt: skip
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=options.workers, default=os.cpu_count() or 1, metavar="N",
                        help="processes (default: all cores)")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress or summary; only the names of the files")


def run(args: argparse.Namespace) -> int:
    """One of scan, read, sets."""
    return {"scan": run_scan, "read": run_read, "sets": run_sets}[args.action](args)


def run_scan(args: argparse.Namespace) -> int:
    """Scan, save, and say what was found."""
    progress.starting("flowmusic data")
    from flowmusic.datasets import scan

    settings = scan.Settings(
        table=args.captions,
        licence=args.licence,
        dataset=args.dataset,
        least_seconds=args.min_seconds,
        silent_db=args.silence,
        validation=args.validation,
        test=args.test,
        by_folder=args.by_folder,
        comments=args.comments,
        near=not args.exact_only,
        workers=args.workers,
    )
    with reading_input(), bar("looking", "file") as begin:
        found = scan.scan(args.folder, args.out, settings, begin)
    if not found.entries:
        scan.save(found, args.out)
        raise UsageError(f"nothing under {args.folder} can be used; {scan.problems_file(args.out)} says why")
    for path in scan.save(found, args.out):
        print(path)
    print(scan.summary(found), file=sys.stderr)
    return DONE


def run_read(args: argparse.Namespace) -> int:
    """Read a known data set."""
    from flowmusic.datasets import scan
    from flowmusic.datasets.sets import find

    with reading_input():
        known = find(args.name)
        progress.starting("flowmusic data")
        if known.read is None:
            from flowmusic.datasets.render_midi import run as render

            return render(args)
        if args.soundfont or args.max_seconds is not None:
            raise UsageError("--soundfont and --max-seconds belong to `flowmusic data read midi`")
        out = _manifest(args.out or f"{known.name}.jsonl")
        with bar("reading", "file") as begin:
            found = known.read(args.source, out, args.workers, begin)
    if not found.entries:
        scan.save(found, out)
        raise UsageError(
            f"no recording of {known.title} under {args.source}; expected {known.layout}; "
            f"{scan.problems_file(out)} says what was missing"
        )
    for path in scan.save(found, out):
        print(path)
    print(scan.summary(found), file=sys.stderr)
    print(f"licence: {known.licence}; commercial use: {known.commercial}", file=sys.stderr)
    return DONE


def run_sets(args: argparse.Namespace) -> int:
    """The table of known data sets."""
    from flowmusic.datasets.sets import SETS

    for known in SETS.values():
        print(f"{known.name}: {known.title}")
        for label, text in (
            ("hours", known.hours),
            ("licence", known.licence),
            ("commercial use", known.commercial),
            ("layout", known.layout),
            ("from", known.where),
            ("cite", known.cite),
            ("gives", known.gives),
        ):
            print(f"  {label}: {text}")
    return DONE


def existing_folder(text: str) -> Path:
    """A folder that is there."""
    path = options.existing_path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    return path


def manifest_output(text: str) -> Path:
    """A manifest to be written, which must not take the place of a file of another kind."""
    path = options.output((".jsonl",))(text)
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            line = file.readline()
        try:
            ours = not line.strip() or "hash" in json.loads(line)
        except ValueError:
            ours = False
        if not ours:
            raise argparse.ArgumentTypeError(f"{text!r} is there and is no manifest of this kind; choose another name")
    return path


def _manifest(text: str | Path) -> Path:
    try:
        return manifest_output(str(text))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--out: {error}") from None
