"""``flowmusic models``: what ``--model`` accepts by name."""

from __future__ import annotations

import argparse
from pathlib import Path

from flowmusic.apps.errors import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List the models that are installed with flowmusic.  --model also takes the folder of a model that you trained."
    )


def run(args: argparse.Namespace) -> int:
    """One line per model that generates: its name and the first sentence of its card."""
    import yaml

    from flowmusic.interop import bundle

    for name, folder in bundle.available().items():
        config = yaml.safe_load((folder / "config.yaml").read_text())
        if config.get("kind") == "flow":
            print(f"{name}\t{summary(folder / 'card.md')}")
    return DONE


def summary(card: Path) -> str:
    """The first line of a card that is neither blank, a heading nor front matter."""
    if not card.is_file():
        return "(no card)"
    lines = card.read_text(encoding="utf-8").splitlines()
    if lines and lines[0].strip() == "---":
        closing = next((n for n, line in enumerate(lines[1:], start=1) if line.strip() == "---"), 0)
        lines = lines[closing + 1 :]
    return next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "(empty card)")
