"""From word lists to senses: what each phrase says, by its words.

>>> [sense.says for sense in senses()[("grand", "pianos")]]
[(('instruments', 'piano'),)]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from flowmusic.inputs.words import elsewhere, english

_TOKEN = re.compile(r"<[A-Za-z0-9_-]+>(?::\S+)?|w/o|[^\W_]+(?:['’][^\W_]+)*|#|\s-+\s|[&,.;:!?/|+()\n\"–—\[\]]")


@dataclass(frozen=True)
class Word:
    """A word or mark of a text: as it is compared, and where it stands."""

    plain: str
    start: int
    end: int


def words_of(text: str) -> list[Word]:
    """Words without capitals and accents, and marks; a hyphen within a word joins two, a pseudoword is a mark.

    Positions are those of ``text`` in Unicode's composed form (NFC).
    """
    found = []
    for part in _TOKEN.finditer(unicodedata.normalize("NFC", text)):
        plain = folded(part[0])
        if plain.startswith("<"):
            plain = "<>"
        elif not plain.strip("- –—"):
            plain = ","
        found.append(Word({"&": "and", "n": "and", "'n'": "and"}.get(plain, plain), part.start(), part.end()))
    return found


def folded(text: str) -> str:
    """Small letters without accents."""
    bare = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return "".join(letter for letter in bare if not unicodedata.combining(letter))


@dataclass(frozen=True)
class Sense:
    """What a phrase says.

    Args:
        says: facts and their values: an instrument, ``"drums"`` with ``"yes"``, or a choice.
        family: instruments of which the phrase may mean any.
        role: what else it does: ``not``, ``only``, ``solo``, ``ensemble`` of two or more,
        ``filler``; ``""``: nothing.
        weak: the choices hold where no other word says one.
        language: of the word; None: English.
        meant: of a family, whether one of it is meant where it is wanted.
        absent: the phrase says that what it names is absent ("drumless").
    """

    says: tuple[tuple[str, str], ...] = ()
    family: tuple[str, ...] = ()
    role: str = ""
    weak: bool = False
    language: str | None = None
    meant: bool = True
    absent: bool = False


@dataclass(frozen=True)
class Guess:
    """The fact nearest in meaning to some words, and the cosine."""

    fact: str
    value: str
    similarity: float


Senses = Mapping[tuple[str, ...], tuple[Sense, ...]]

_ROLES = {
    "not": "no, not, without, w/o, minus, lacking, instead of, rather than, free of, free from, leave out, "
    "leave the out, "
    "other than, except, except for, excluding, exclude, avoid, avoiding, never, don't, dont, zero, isn't, "
    "skip the, nor, "
    "remove, removed, anything but, devoid of, neither, absence of, hate, ain't, shouldn't, not a, omit, omitting, "
    "in place of, lacks, drop the, doesn't, none of, no more, less of, won't",
    "only": "only, just, solely, exclusively, purely, nothing but, nothing except, nothing more than",
    "alone": "nothing else, no other instruments, no other instrument, no accompaniment, without accompaniment, "
    "unaccompanied, no backing, nobody else, no one else, no other sounds",
    "after": "alone, by itself, on its own, by themselves, only",
    "solo": "solo",
    "open": "not only, not just, not merely, not exclusively, don't forget, not without, not forgetting, "
    "never without, "
    "no matter, no need to, why not, no wonder, if not, no problem, no idea, no doubt",
    "duo": "duo, duet", "trio": "trio", "quartet": "quartet", "quintet": "quintet",
}  # fmt: skip
SIZES = {"duo": 2, "trio": 3, "quartet": 4, "quintet": 5}
FILLERS = frozenset(
    "too very so any the a an of that this much really particularly overly use using want add adding include including "
    "need for more other have having be being sound sounding super extremely all at do does make making it is played "
    "playing contain containing anything such kind sort like please let hear quite especially exactly de du des".split()
)
"""Words that may stand between a negation and what it negates."""
JOINERS = frozenset("or nor".split())
_ABSENT = "drumless, beatless, percussionless, rhythmless, drum free, percussion free, beat free, drums free, "
"drums off"


def split(listed: str) -> Iterator[tuple[str, ...]]:
    """The phrases of a list, as words."""
    for phrase in listed.split(","):
        yield tuple(word.plain for word in words_of(phrase))


def _plurals(phrase: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    last = phrase[-1]
    if last.endswith(("s", "#")) and not last.endswith(("ss", "bass")):
        return
    ending = "es" if last.endswith(("ss", "x", "ch", "sh")) else "s"
    yield (*phrase[:-1], last[:-1] + "ies" if last.endswith("y") and last[-2:-1] not in "aeiou" else last + ending)


@cache
def senses() -> Senses:
    """Every phrase of the lists, each with what it says; the same phrase may say it in several languages."""
    found: dict[tuple[str, ...], tuple[Sense, ...]] = {}

    def put(phrase: tuple[str, ...], sense: Sense) -> None:
        # English comes first and stays: "piano" is no Italian word here.
        if phrase and (phrase not in found or sense.language and all(each.language for each in found[phrase])):
            found[phrase] = (*found.get(phrase, ()), sense)

    made: list[tuple[tuple[str, ...], Sense]] = []

    def put_all(listed: str, sense: Sense) -> None:
        for phrase in split(listed):
            put(phrase, sense)
            made.extend((form, sense) for form in _plurals(phrase))

    put_all(english.SILENT, Sense())
    for role, listed in _ROLES.items():
        for phrase in split(listed):
            put(phrase, Sense(role=role))
    for phrase in split(_ABSENT):
        put(phrase, Sense((("drums", "yes"),), absent=True))
    for name, parts in english.ENSEMBLES.items():
        for phrase in split(name):
            put(phrase, Sense(tuple(("instruments", part) for part in parts), role="ensemble"))
    for listed, genre in english.BEATS.items():
        put_all(listed, Sense((("drums", "yes"), ("genre", genre)), weak=True))
    put_all(english.DRUMS, Sense((("drums", "yes"),)))
    for both, facts in english.BOTH.items():
        put(next(split(both)), Sense(tuple(facts.items())))
    for fact, table in (
        ("genre", english.GENRES), ("mood", english.MOODS), ("energy", english.ENERGIES), ("tempo", english.TEMPI),
    ):  # fmt: skip
        for value, listed in table.items():
            for phrase in split(listed):
                drummed = value == "drum and bass" and fact == "genre"
                put(phrase, Sense(((fact, value), *((("drums", "yes"),) if drummed else ()))))
    for name, listed in english.INSTRUMENTS.items():
        put_all(listed, Sense((("instruments", name),)))
    for listed, (members, meant) in english.FAMILIES.items():
        put_all(listed, Sense(family=members, meant=meant))
    # A plural that somebody wrote down counts more than one that is made: horns are no French horns.
    for phrase, sense in made:
        put(phrase, sense)
    for phrase, sense in _elsewhere():
        put(phrase, sense)
    return found


def _elsewhere() -> Iterator[tuple[tuple[str, ...], Sense]]:
    guitars = ("acoustic guitar", "electric guitar", "distorted guitar")
    basses = ("bass guitar", "double bass", "synth bass")
    for language in elsewhere.INSTRUMENTS:
        for name, listed in elsewhere.INSTRUMENTS[language].items():
            for phrase in split(listed):
                yield phrase, Sense((("instruments", name),), language=language)
        for phrase in split(elsewhere.GUITARS[language]):
            yield phrase, Sense(family=guitars, language=language)
        for phrase in split(elsewhere.BASSES[language]):
            yield phrase, Sense(family=basses, language=language)
        for phrase in split(elsewhere.DRUMS[language]):
            yield phrase, Sense((("drums", "yes"),), language=language)
        for fact, table in elsewhere.CHOICES[language].items():
            for value, listed in table.items():
                for phrase in split(listed):
                    yield phrase, Sense(((fact, value),), language=language)
        for role, roles in (("not", elsewhere.NEGATORS), ("only", elsewhere.ONLY), ("join", elsewhere.JOINERS)):
            for phrase in split(roles[language]):
                yield phrase, Sense(role=role, language=language)
