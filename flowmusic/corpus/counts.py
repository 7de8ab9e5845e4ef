"""In how many clips of a lively corpus each instrument, genre and tempo class occurs: composed, not rendered."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from flowmusic.corpus.compose import compose
from flowmusic.corpus.splits import stream
from flowmusic.corpus.spread import wish_of
from flowmusic.facts import instrument_of


def table(seed: int, clips: int, split: str = "train", seconds: float = 12.0) -> dict[str, Counter[str]]:
    """Composes clips and counts in how many each instrument, genre (as asked and as named) and tempo class occurs."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("instrument", "genre", "genre named", "tempo")}
    for index in range(clips):
        wish = wish_of(seed, index)
        piece = compose(stream(seed, "clip", index).getrandbits(48), split, seconds, wish=wish)
        heard = {instrument_of(part.program) for part in piece.parts if part.name != "drums"}
        counts["instrument"].update(name for name in heard if name)
        counts["genre"][wish.genre] += 1
        counts["genre named"][str(piece.tags["genre"])] += 1
        counts["tempo"][str(piece.tags["tempo"])] += 1
    return counts


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m flowmusic.corpus.counts", description=__doc__)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    for name, counter in table(args.seed, args.clips).items():
        print(f"{name} ({len(counter)}): " + ", ".join(f"{word} {n}" for word, n in counter.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
