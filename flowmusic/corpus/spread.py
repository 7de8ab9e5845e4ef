"""Even spread: which genre, instrument and tempo class the next clip is asked to have.

Chance alone gives some instruments a hundredth of a corpus and others a third. Here each list is gone through in
rounds, every round in an order of its own, so that everything has its turn; what a genre leans to decides the rest.
``python -m flowmusic.corpus.spread --clips 400`` prints what comes out.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from flowmusic.corpus import instruments
from flowmusic.corpus.extra import named
from flowmusic.corpus.genres import Genre
from flowmusic.corpus.splits import stream
from flowmusic.facts import INSTRUMENTS, TEMPI, instrument_of

_FELT = {"slow": (60.0, 87.9), "medium": (88.0, 121.9), "fast": (122.0, 178.0)}
_LEADS = frozenset(program for programs in instruments.LEADS.values() for program in programs)
_OF_PART = {
    "melody": _LEADS,
    "bass": frozenset(p for family in instruments.BASS_FAMILIES.values() for p in family),
    "chords": frozenset(p for family in instruments.CHORD_FAMILIES.values() for p in family),
    "pad": frozenset(p for family in instruments.PAD_FAMILIES.values() for p in family),
}
# How often a tempo that a genre does not have is played all the same; the genre is then seldom named.
_AGAINST = 0.5


@dataclass(frozen=True)
class Wish:
    """What a clip is asked to have: words of `flowmusic.facts`."""

    genre: str
    tempo: str
    instrument: str


def wish_of(seed: int, index: int, genres: Sequence[str] = ()) -> Wish:
    """The wish of clip `index` of a corpus; `genres` as in `compose`."""

    def turn(name: str, choices: Sequence[str]) -> str:
        number, place = divmod(index, len(choices))
        order = list(choices)
        stream(seed, "spread", name, number).shuffle(order)
        return order[place]

    return Wish(
        turn("genre", [genre.name for genre in named(genres)]), turn("tempo", TEMPI), turn("instrument", [*INSTRUMENTS])
    )


def tempo(rng: Random, wished: str, genre: Genre, meter: str, bpm: float) -> float:
    """Beats a minute in the wished class, where the genre has it or else in half of the draws; otherwise `bpm`."""
    low, high = _FELT[wished]
    inside = max(low, genre.bpm[0]), min(high, genre.bpm[1])
    if inside[0] >= inside[1]:
        if rng.random() >= _AGAINST:
            return bpm
        inside = low, high
    played = rng.uniform(*inside) / (1.5 if meter == "6/8" else 1.0)
    return round(played, 2) if played >= 60.0 else bpm


def cast(rng: Random, instrument: str, parts: Collection[str]) -> tuple[str, int]:
    """Who plays the wished instrument: a part, one of `parts` if any of them can, and a General-MIDI program."""
    able = [(part, program) for part, can in _OF_PART.items() for program in INSTRUMENTS[instrument] if program in can]
    return rng.choice([pair for pair in able if pair[0] in parts] or able)


def table(seed: int, clips: int, split: str = "train", seconds: float = 12.0) -> dict[str, Counter[str]]:
    """Composes clips and counts in how many each instrument, genre (as asked and as named) and tempo class occurs."""
    from flowmusic.corpus.compose import compose

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
    parser = argparse.ArgumentParser(prog="python -m flowmusic.corpus.spread", description=__doc__)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    for name, counter in table(args.seed, args.clips).items():
        print(f"{name} ({len(counter)}): " + ", ".join(f"{word} {n}" for word, n in counter.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
