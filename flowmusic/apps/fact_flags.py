"""Flags that say facts, for the commands that make takes."""

from __future__ import annotations

import argparse

from flowmusic import options
from flowmusic.facts import CHOICES


def add(parser: argparse.ArgumentParser) -> None:
    """Who plays, drums or none, genre, mood, energy, tempo, key, and what is not wanted."""
    flag = parser.add_argument
    flag("--instruments", type=options.words, metavar="LIST", help="who plays, as in piano,strings (docs/facts.md)")
    flag("--no-drums", action="store_true", help="without drums")
    for fact, values in CHOICES.items():
        few = ", ".join(values) if len(values) < 6 else f"as in {values[2]} (docs/facts.md)"
        few = "as in A minor, Bb" if fact == "key" else few
        flag(f"--{fact}", type=options.words, metavar="WORD", help=few)
    flag("--not", dest="exclude", type=options.words, metavar="WORDS", help='what is not wanted, as in "drums, piano"')
    flag("--not-weight", type=options.weight, default=1.0, metavar="N", help="how strongly --not is avoided (1)")
    flag("--no-facts-from-text", action="store_true", help="TEXT is only a prompt; no facts are read from it")
