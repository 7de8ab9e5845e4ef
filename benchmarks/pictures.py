"""What the pictures of tests/image ask for, as the table of docs/images.md: `python benchmarks/pictures.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from flowmusic.image.measure import measure
from flowmusic.image.settings import PictureSettings, mapped
from tests.image.pictures import PICTURES


def main() -> None:
    print(
        "| picture | brightness | saturation | warmth | contrast | texture | words | bpm | key |\n" + "|---" * 9 + "|"
    )
    for name, colours in PICTURES.items():
        found = measure(colours)
        words, facts, bpm = mapped(found)
        prompt = PictureSettings(words, facts, bpm, found, name, "").prompt()
        shown = (found.brightness, found.saturation, found.warmth, found.contrast, found.texture)
        numbers = " | ".join(f"{value:.2f}" for value in shown)
        print(f"| {name} | {numbers} | {prompt} | {bpm:g} | {facts.key} |")


if __name__ == "__main__":
    main()
