"""The ``flowmusic`` command: one file per subcommand, joined here.

Exit codes: 0 done, 2 the input or the flags are wrong, 1 anything else, 130 interrupted.  Results go to stdout, one
line per artefact; progress, notices and errors to stderr.  Nothing heavy loads before a command has judged its flags.
"""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Sequence

from flowmusic import __version__, progress, threads
from flowmusic.errors import DONE, guarded
from flowmusic.options import Parser

COMMANDS = {
    "app": "open a page to play on, in a browser on this machine",
    "generate": "make music from text and controls",
    "stream": "make music without an end, and change it while it plays",
    "edit": "make some bars of a take or a recording anew, and leave the rest as it is",
    "extend": "go on with a take or a recording, or lead up to it",
    "vary": "make music like a take or a recording, as near to it as you say",
    "invert": "learn a word for the feel of some recordings",
    "extract": "read chords, melody, drums and beats from audio",
    "sheet": "show what a lead sheet says, bar by bar, or write it in another format",
    "detect": "tell whether a recording carries the mark that flowmusic puts into what it makes",
    "export": "carry a take or a recording on to a studio: stems, MIDI, sheets, loops",
    "enhance": "give a dull recording a treble (8, 16 or 22 kHz, or old, to 32 kHz)",
    "models": "list the models that can be used by name, or convert one",
    "corpus": "compose and render a labelled corpus",
    "data": "make a manifest of your own recordings, or of a known data set",
    "build": "turn recordings into shards of latents and controls (takes Hydra overrides)",
    "train": "train a codec or a model (takes Hydra overrides and -m)",
    "listen-test": "make a page for listeners to judge sounds on, or say what they said",
    "evaluate": "score a model on a test set, and make a page to hear it on (takes Hydra overrides and -m)",
    "runs": "list training runs, what differed and what came out",
}
FORWARDED = {
    "app": "flowmusic.page.command",
    "corpus": "flowmusic.corpus.__main__",
    "build": "flowmusic.apps.build",
    "train": "flowmusic.train.run",
    "evaluate": "flowmusic.apps.evaluate",
    "listen-test": "flowmusic.listening.__main__",
}
"""Commands whose own ``main(argv)`` reads the arguments."""

EXAMPLES = """examples:
  flowmusic generate "warm lo-fi beat, rhodes" --chords "C Am F G" --bpm 90
  flowmusic extract song.wav
  flowmusic generate "jazz trio" --controls song.controls --use chords,drums
  flowmusic train experiment=nano trainer.max_steps=2000
  flowmusic evaluate model=nano corpus=corpus clips=32 out=eval

Set FLOWMUSIC_DEBUG=1 to see a traceback with an error."""


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command; each command's module adds its own flags."""
    parser = Parser(
        prog="flowmusic",
        description="Music you can steer: generate from text, chords, melody and drums, on your own machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"flowmusic {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        child = commands.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name not in FORWARDED:
            module = importlib.import_module(f"flowmusic.apps.{name}")
            module.add_arguments(child)
            child.set_defaults(run=module.run)
    return parser


def _write_names_as_they_are() -> None:
    """Names of files go to stdout byte by byte, also those that are no UTF-8 (stderr shows these as ``\\udcff``)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.  Returns the exit code and raises nothing."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _write_names_as_they_are()
    label = f"flowmusic {arguments[0]}" if arguments and arguments[0] in COMMANDS else "flowmusic"
    progress.no_bars_in_a_log()
    threads.wait_asleep()

    def command() -> int:
        if arguments and arguments[0] in FORWARDED:
            return int(importlib.import_module(FORWARDED[arguments[0]]).main(arguments[1:]) or DONE)
        parsed = build_parser().parse_args(arguments)
        if hasattr(parsed, "threads"):
            threads.settle(parsed.threads)
        with progress.quieted(getattr(parsed, "quiet", False)):
            return int(parsed.run(parsed))

    return guarded(label, command)


if __name__ == "__main__":
    sys.exit(main())
