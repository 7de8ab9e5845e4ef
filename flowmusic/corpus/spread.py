"""Even spread: which genre, instrument and tempo class the next clip is asked to have.

Chance alone gives some instruments a hundredth of a corpus and others a third. Here each list is gone through in
rounds, every round in an order of its own, so that everything has its turn; what a genre leans to decides the rest.
``python -m flowmusic.corpus.counts --clips 400`` prints what comes out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from flowmusic.corpus import instruments
from flowmusic.corpus.extra import named
from flowmusic.corpus.genres import Genre
from flowmusic.corpus.splits import stream
from flowmusic.facts import INSTRUMENTS, TEMPI

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
