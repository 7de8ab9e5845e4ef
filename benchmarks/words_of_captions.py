"""How often the facts that are read from captions are true of the composition: precision and recall by fact.

    python benchmarks/words_of_captions.py --clips 50 --seed 9000

Compositions only, nothing is rendered; every caption of each is read by the word list, without meanings.  A fact counts
for recall where the caption holds one of the corpus's wordings of it.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from typing import Any

from flowmusic.corpus import caption
from flowmusic.corpus.compose import compose
from flowmusic.corpus.genres import GENRES
from flowmusic.corpus.instruments import KITS, PROGRAMS
from flowmusic.corpus.piece import Piece
from flowmusic.facts import KEYS, instrument_of
from flowmusic.inputs.words.reading import Found, read

_GENRE_WORDS = {genre.name: genre.words for genre in GENRES}
_NO_DRUMS = ("no drums", "without drums", "drumless", "no percussion")


def truth_of(piece: Piece) -> dict[str, set[Any]]:
    """The values that are true of a composition."""
    tags: Any = piece.tags
    return {
        "instruments": {instrument_of(part.program) for part in piece.parts if part.name != "drums"} - {None},
        "drums": {any(part.name == "drums" for part in piece.parts)},
        "genre": {tags["genre"]},
        "mood": set(tags["mood"]) & set(caption.MOOD_WORDS),
        "energy": set(tags["mood"]) & set(caption.ENERGY_WORDS),
        "tempo": {tags["tempo"]},
        "key": {piece.key.replace("harmonic ", "")},
    }


def named(piece: Piece, truth: dict[str, set[Any]], text: str) -> dict[str, set[Any]]:
    """Of what is true, that which a caption says in a wording of the corpus."""
    found: dict[str, set[Any]] = {
        "instruments": {
            instrument_of(part.program)
            for part in piece.parts
            if part.name != "drums" and any(_holds(text, word) for word in PROGRAMS[part.program][1])
        }
        - {None},
        "drums": {True for part in piece.parts if part.name == "drums" and _any(text, KITS[part.program][1])},
        "key": {key for key in truth["key"] & set(KEYS) if _holds(text, key)},
    }
    found["drums"] |= {False} if _any(text, _NO_DRUMS) else set()
    for fact, table in (
        ("genre", _GENRE_WORDS), ("mood", caption.MOOD_WORDS),
        ("energy", caption.ENERGY_WORDS), ("tempo", caption.TEMPO_WORDS),
    ):  # fmt: skip
        found[fact] = {value for value in truth[fact] if _any(text, table.get(value, ()))}
    return found


def _any(text: str, words: tuple[str, ...]) -> bool:
    return any(_holds(text, word) for word in words)


def _holds(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word.lower())}(?!\w)", text.lower()) is not None


def main() -> None:
    """Print a row for each fact."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=50, metavar="N")
    parser.add_argument("--seed", type=int, default=9000, metavar="N")
    args = parser.parse_args()
    right, wrong, loose, said, missed = (Counter[str]() for _ in range(5))
    captions, spent = 0, 0.0
    for seed in range(args.seed, args.seed + args.clips):
        piece = compose(seed, seconds=12.0)
        truth = truth_of(piece)
        for text in piece.captions:
            start = time.perf_counter()
            reading = read(text)
            spent, captions = spent + time.perf_counter() - start, captions + 1
            of: dict[Any, Found] = {each.value: each for each in reading.found}
            meant = {fact: {value} for fact, value in reading.facts.said().items() if fact != "instruments"}
            meant["instruments"] = set(reading.facts.instruments or ())
            for fact, values in meant.items():
                for value in values:
                    family = set(of[value].of) & truth[fact] if value in of else set()
                    (right if value in truth[fact] else loose if family else wrong)[fact] += 1
            wide = meant["instruments"] | {name for each in reading.found for name in each.of}
            for fact, values in named(piece, truth, text).items():
                said[fact] += len(values)
                missed[fact] += len(values - (wide if fact == "instruments" else meant.get(fact, set())))
    print(f"{captions} captions, {1e3 * spent / captions:.2f} ms each")
    print("fact         right  of the family  wrong  precision  precision of families  recall")
    for fact in truth:
        total = max(1, right[fact] + loose[fact] + wrong[fact])
        row = f"{fact:<12} {right[fact]:5}  {loose[fact]:13}  {wrong[fact]:5}  {right[fact] / total:9.3f}"
        recall = 1 - missed[fact] / max(1, said[fact])
        print(f"{row}  {(right[fact] + loose[fact]) / total:21.3f}  {recall:6.3f}")


if __name__ == "__main__":
    main()
