"""``flowmusic app``: the page to play on, on this machine."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic import options, progress, threads
from flowmusic.errors import DONE, UsageError, check_output, guarded, reading_input

if TYPE_CHECKING:
    from flowmusic.page.server import Settings

DEFAULT_PORT, FOLDER = 7860, "flowmusic_takes"
INSTALL = "the page needs Gradio 6, which is not here; install it: pip install 'flowmusic[app]'"
NOT_ALONE = "listening on {host}: whoever reaches this machine there can use the page, and is asked for no password"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags, on any parser."""
    parser.description = """Open a page to play on, on this machine: type chords, hum, tap, press a button, hear takes.

Takes are kept as files.  Without --takes, each browser has a folder of its own in ./flowmusic_takes, and sees no
other's; with --takes FOLDER, everybody who opens the page shares the takes in FOLDER, commands' own among them."""
    add = parser.add_argument
    add("--port", type=options.integer("port", low=0), default=DEFAULT_PORT, metavar="N", help=f"({DEFAULT_PORT})")
    add(
        "--host", type=options.words, default="127.0.0.1", metavar="ADDRESS", help="0.0.0.0 for the network (127.0.0.1)"
    )
    add("--model", action="append", default=[], metavar="NAME|DIR|HUBID", help="offered first; may be repeated (nano)")
    add("--takes", type=options.output_folder, metavar="FOLDER", help="one folder of takes for all who open the page")
    add("--adapters", type=folder, metavar="FOLDER", help="adapters to choose from")
    add("--pseudowords", type=folder, metavar="FOLDER", help="files of `flowmusic invert` to choose from")
    add("--device", type=options.device, default="cpu", metavar="D", help="cpu, cuda, cuda:1, mps (cpu)")
    options.add_threads(parser)


def folder(text: str) -> Path:
    """A folder that is there."""
    path = options.existing_path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a file; give a folder")
    return path


def settings(args: argparse.Namespace) -> Settings:
    """The flags, judged.  Raises: UsageError of one line."""
    from flowmusic.page import choices
    from flowmusic.page.server import Settings, new_cache
    from flowmusic.page.shelf import Shelves

    with reading_input():
        options.check_device(args.device)
        base = args.takes or Path(FOLDER)
        check_output(base / "take.wav" if base.is_dir() else base)
        offered = choices.gathered(args.model or ["nano"], args.adapters, args.pseudowords)
    return Settings(Shelves(base.resolve(), args.takes is not None), offered, args.device, args.host, new_cache())


def run(args: argparse.Namespace) -> int:
    """Judge the flags, listen, and answer until interrupted."""
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(INSTALL)
    progress.starting("flowmusic app", "gradio")
    from flowmusic.page import server

    listening = server.bound(args.host, args.port)
    try:
        found = settings(args)
    except BaseException:
        listening.close()
        raise
    if args.host not in server.LOOPBACK:
        print(f"note: {NOT_ALONE.format(host=args.host)}", file=sys.stderr)
    server.serve(found, listening, lambda address: print(address, flush=True))
    return DONE


def main(argv: Sequence[str]) -> int:
    """The command by itself, as the command line calls it."""
    parser = options.Parser(prog="flowmusic app", formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)

    def command() -> int:
        args = parser.parse_args(list(argv))
        threads.settle(args.threads)
        return run(args)

    return guarded("flowmusic app", command)
