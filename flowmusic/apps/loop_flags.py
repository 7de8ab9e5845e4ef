"""Flags of loops and of takes that fit together."""

from __future__ import annotations

import argparse

from flowmusic import options
from flowmusic.takes.order import LOOP_BARS

PARTS = ("full", "drums", "no-drums")
"""Those of :mod:`flowmusic.generate.parts`, told without loading it."""


def add(parser: argparse.ArgumentParser) -> None:
    """``--loop``, ``--bars`` and ``--set``."""
    parser.add_argument("--loop", action="store_true", help="exactly --bars bars, whose end runs on into its beginning")
    parser.add_argument("--bars", type=options.integer("bars"), metavar="N", help=f"length of the --loop ({LOOP_BARS})")
    parser.add_argument(
        "--set",
        dest="parts",
        type=options.names(PARTS),
        metavar="LIST",
        help=f"takes that fit together, as name-PART.wav, from {', '.join(PARTS)}",
    )
