"""A text to facts: which words say which fact, what is negated, and what is left open.

The list comes first, longest phrase first; for words that it does not hold a :class:`Nearest` may guess by meaning.
Naming some instruments does not say that nothing else plays, unless the words say so ("only piano", "solo piano").

>>> said = read("slow piano and strings, no drums, not sad")
>>> said.facts.said()
{'instruments': ['piano', 'strings'], 'drums': False, 'tempo': 'slow'}
>>> said.excluded.said()
{'mood': 'dark'}
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from flowmusic.facts import CHOICES, Facts
from flowmusic.inputs.words import language, scope
from flowmusic.inputs.words.keys import bpm_in, key_in
from flowmusic.inputs.words.scope import STOPS, Part
from flowmusic.inputs.words.senses import Guess, Sense, Word, senses, words_of

SLOW_BELOW, FAST_FROM = 88.0, 122.0
"""Felt beats a minute at which the tempo class changes (:data:`flowmusic.facts.TEMPI`)."""
_MOST_LETTERS = 20_000
_LONGEST = 6
_MOST = 62
"""Words that are guessed by meaning: as many as a text encoder reads at most, however long the prompt is."""
_OFF_BEFORE = frozenset("chill good great bad summer beach party retro vintage 80s 90s 70s positive cool".split())


@dataclass(frozen=True)
class Found:
    """One fact that the words say.

    Args:
        fact, value: of :class:`flowmusic.facts.Facts`; ``value`` is a word or, for drums, a bool.
        words: as the text has them.
        how: ``list`` or ``meaning``.
        similarity: cosine with the nearest words of the list, for a meaning.
        absent: the words say that it is not so.
        language: of the words; None: English.
        of: where the words may mean any of several instruments, which.
    """

    fact: str
    value: Any
    words: str
    how: str = "list"
    similarity: float | None = None
    absent: bool = False
    language: str | None = None
    of: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For a record."""
        more: dict[str, Any] = {} if self.similarity is None else {"similarity": round(self.similarity, 3)}
        more |= {"absent": True} if self.absent else {}
        return {"fact": self.fact, "value": self.value, "words": self.words, "how": self.how, **more}


@dataclass(frozen=True)
class Reading:
    """What a text says.

    Args:
        facts: said; drums are False where they are said to be absent.
        excluded: what is not to be, other than drums, for a negative branch.
        found: the words behind each of them.
        only: the words say that nothing plays but what they name.
        unclear: facts that the words say in two ways, in sentences; they are left open.
        bpm: beats a minute, where the text says a number.
        language: English name of the language, where it is another one.
    """

    facts: Facts = field(default_factory=Facts)
    excluded: Facts = field(default_factory=Facts)
    found: tuple[Found, ...] = ()
    only: bool = False
    unclear: tuple[str, ...] = ()
    bpm: float | None = None
    language: str | None = None


class Nearest(Protocol):
    """Guesses facts by meaning, see :mod:`flowmusic.inputs.words.meaning`."""

    def __call__(self, phrases: Sequence[str]) -> list[Guess | None]: ...


def read(text: str, nearest: Nearest | None = None) -> Reading:
    """The facts that a text says.

    Args:
        text: a prompt; what stands in pseudowords ``<...>`` says nothing.
        nearest: for words that the list does not hold; None: they say nothing.
    """
    length, text = len(text), unicodedata.normalize("NFC", text[:_MOST_LETTERS])
    words = words_of(text)
    numbers = bpm_in(text)[:_MOST]
    key = key_in(re.sub(r"<[^<>]*>", lambda part: " " * len(part[0]), text))
    taken = [place for _, place in numbers] + ([key] if key else [])
    used = {n for n, word in enumerate(words) if any(p.start < word.end and word.start < p.end for p in taken)}
    tongue = language.of([word.plain for word in words])
    parts = list(_parts(words, used, tongue))
    if nearest is not None and tongue is None:
        _guess(parts, words, text, nearest)
    scope.negate(parts, words, text)
    scope.compound(parts, words)
    only = scope.only(parts, words)
    found = list(_found(parts, words, text))
    if key is not None:
        found.append(Found("key", key.value, text[key.start : key.end]))
    if numbers and not any(each.fact == "tempo" and not each.absent for each in found):
        felt = numbers[0][0] * (1.5 if re.search(r"(?<!\d)6/8(?!\d)", text) else 1.0)
        tempo = "slow" if felt < SLOW_BELOW else "medium" if felt < FAST_FROM else "fast"
        found.append(Found("tempo", tempo, numbers[0][1].value))
    named = None if tongue is None else language.name(tongue)
    settled = _settled(found, only)
    if length > _MOST_LETTERS:
        late = f"only the first {_MOST_LETTERS} letters of the prompt are read for facts"
        settled = replace(settled, unclear=(*settled.unclear, late))
    return replace(settled, bpm=numbers[0][0] if numbers else None, language=named)


def _parts(words: Sequence[Word], used: set[int], tongue: str | None) -> Iterator[Part]:
    table, place = senses(), 0
    while place < len(words):
        if place in used or words[place].plain in STOPS:
            yield Part(place, place + 1, Sense() if place in used else None)
            place += 1
            continue
        for last in range(min(len(words), place + _LONGEST), place, -1):
            phrase = tuple(word.plain for word in words[place:last])
            if phrase in table and not used.intersection(range(place, last)):
                sense = _sense(table[phrase], tongue)
                if sense is not None and not _is_feeling(words, place, phrase):
                    yield Part(place, last, sense)
                    place = last
                    break
        else:
            yield Part(place, place + 1)
            place += 1


def _sense(choice: tuple[Sense, ...], tongue: str | None) -> Sense | None:
    """The sense in the text's language; roles of another language hold in a text of that language only."""
    own = [sense for sense in choice if sense.language == tongue]
    others = [sense for sense in choice if not sense.role or sense.language is None]
    return next(iter(own or others), None)


def _is_feeling(words: Sequence[Word], place: int, phrase: tuple[str, ...]) -> bool:
    """Whether "vibes" are a mood and no vibraphone: an adjective stands before it, or "of" behind."""
    if phrase != ("vibes",):
        return False
    before = words[place - 1].plain if place else ","
    behind = words[place + 1].plain if place + 1 < len(words) else ","
    listed = before in STOPS or before in (
        "and",
        "with",
        "or",
        "on",
        "by",
        "for",
        "featuring",
        "solo",
        "plus",
        "no",
        "without",
    )
    return not listed or behind in ("of", "only") or before in _OFF_BEFORE


def _guess(parts: list[Part], words: Sequence[Word], text: str, nearest: Nearest) -> None:
    unknown = [part for part in parts if part.sense is None and language.is_content(words[part.first].plain)]
    unknown = unknown[:_MOST]
    guesses = nearest([text[words[part.first].start : words[part.first].end].lower() for part in unknown])
    for part, guess in zip(unknown, guesses, strict=True):
        if guess is not None:
            value = "yes" if guess.fact == "drums" else guess.value
            part.sense, part.guess = Sense(((guess.fact, value),)), guess


def _found(parts: list[Part], words: Sequence[Word], text: str) -> Iterator[Found]:
    genre = next(
        (
            value
            for part in parts
            if part.sense and not part.state
            for fact, value in part.sense.says
            if fact == "genre"
        ),
        None,
    )
    strong = any(fact == "genre" for part in parts if part.sense and not part.sense.weak for fact, _ in part.sense.says)
    named = {
        value
        for part in parts
        if part.sense and not part.state
        for fact, value in part.sense.says
        if fact == "instruments"
    }
    for part in parts:
        sense = part.sense
        if sense is None or part.state == "off":
            continue
        absent = part.state == "no" or sense.absent
        if sense.absent and part.state == "no":
            continue  # "not drumless" says nothing
        shown = text[words[part.first].start : words[part.last - 1].end]
        how, near = ("list", None) if part.guess is None else ("meaning", part.guess.similarity)
        for fact, value in sense.says:
            if fact == "genre" and sense.weak and strong:
                continue
            if absent and fact not in (sense.says[0][0], "instruments"):
                continue  # "no house beat" may well be house
            said: Any = (not absent) if fact == "drums" else value
            yield Found(fact, said, shown, how, near, absent and fact != "drums", sense.language)
        if sense.family and absent:
            for name in sense.family:
                yield Found("instruments", name, shown, how, near, True, sense.language, sense.family)
        elif sense.family and sense.meant and not named.intersection(sense.family):
            yield Found(
                "instruments", _likely(sense.family, genre), shown, how, near, False, sense.language, sense.family
            )


_HEAVY = frozenset(("rock", "metal"))
_PLUGGED = frozenset("blues funk soul disco reggae pop jazz afrobeat synthwave house".split()) | {
    "hip hop",
    "drum and bass",
}
_UPRIGHT = frozenset(("jazz", "bossa nova", "folk", "celtic", "classical", "cinematic", "latin"))
_SYNTHETIC = frozenset("house techno synthwave ambient".split()) | {"drum and bass", "hip hop", "video game"}


def _likely(family: tuple[str, ...], genre: str | None) -> str:
    """Which of several instruments a word means in a genre: a guitar in metal is distorted."""
    if "distorted guitar" in family:
        return (
            "distorted guitar" if genre == "metal" else "electric guitar" if genre in _HEAVY | _PLUGGED else family[0]
        )
    if "synth bass" in family:
        return "double bass" if genre in _UPRIGHT else "synth bass" if genre in _SYNTHETIC else family[0]
    return family[0]


def _settled(found: Sequence[Found], only: bool) -> Reading:
    """Facts of what was found; a fact that is said in two ways is left open, and that is told."""
    said: dict[str, Any] = {}
    excluded: dict[str, Any] = {}
    unclear: list[str] = []
    wanted = {each.value for each in found if each.fact == "instruments" and not each.absent}
    # "Synth pads, no other synths": what is wanted by its own name is not excluded with its family.
    not_wanted = {
        each.value for each in found
        if each.fact == "instruments" and each.absent and not (each.of and each.value in wanted)
    }  # fmt: skip
    for name in sorted(wanted & not_wanted):
        unclear.append(f"the prompt asks for {name} and for none; it is left open")
    if wanted - not_wanted:
        said["instruments"] = frozenset(wanted - not_wanted)
    if not_wanted - wanted:
        excluded["instruments"] = frozenset(not_wanted - wanted)
    for fact in ("drums", *CHOICES):
        values = list(dict.fromkeys(each.value for each in found if each.fact == fact and not each.absent))
        against = list(dict.fromkeys(each.value for each in found if each.fact == fact and each.absent))
        values = [value for value in values if value not in against] if fact in CHOICES else values
        if len(values) > 1:
            words = ", ".join(repr(each.words) for each in found if each.fact == fact and not each.absent)
            unclear.append(f"the prompt says {fact} in several ways ({words}); it is left open")
        elif values:
            said[fact] = values[0]
        if against:
            excluded[fact] = against[0]
        if len(against) > 1:
            unclear.append(f"of the {fact} words that the prompt excludes, only {against[0]} counts")
    if only:
        said.setdefault("drums", False)
        if said["drums"] is True or wanted:
            said.setdefault("instruments", frozenset())
    return Reading(Facts(**said), Facts(**excluded), tuple(found), only, tuple(unclear))
