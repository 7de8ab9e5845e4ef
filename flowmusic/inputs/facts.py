"""Facts of a ``generate`` command: those of its flags, those that its words say, and how a model comes to hear them.

A flag counts more than the words.  A model without facts reads words only, so for it the facts that its text does not
say yet are added to the text, in words of its captions.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from flowmusic.facts import CHOICES, INSTRUMENTS, Facts
from flowmusic.inputs.words.keys import key_of
from flowmusic.inputs.words.reading import Found, Nearest, Reading
from flowmusic.inputs.words.reading import read as read_words

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator

_IN_CAPTIONS = {
    "tempo": {"medium": "mid-tempo"},
    "mood": {"mixed": "bittersweet"},
    "genre": {"video game": "video game music", "world": "world music"},
}
"""How captions call a value, where it is not by its name."""


@dataclass(frozen=True)
class Unwanted:
    """What a take is steered away from: v - weight (v(unwanted) - v(nothing)).

    Args:
        text: in words.
        facts: of which one or more say the same; for a model that hears facts.
        weight: of the branch; 1 takes away what the branch adds to nothing.
    """

    text: str | None
    facts: Facts
    weight: float = 1.0


@dataclass(frozen=True)
class AskedFacts:
    """The facts of a request.

    Args:
        said: flags, and where they are silent, words.
        flagged: those of the flags alone.
        reading: what the words say.
        unwanted: for a negative branch; None: there is none.
        pictured: what a picture says beside them, where flags and words are silent.
    """

    said: Facts = field(default_factory=Facts)
    flagged: Facts = field(default_factory=Facts)
    reading: Reading = field(default_factory=Reading)
    unwanted: Unwanted | None = None
    pictured: Facts = field(default_factory=Facts)

    def plain(self) -> dict[str, Any]:
        """For a record: ``said``, ``from``, and ``not`` with its weight; empty where there is nothing."""
        rows = [each.plain() for each in self.reading.found]
        rows += [{"fact": fact, "value": value, "how": "flag"} for fact, value in self.flagged.said().items()]
        rows += [{"fact": fact, "value": value, "how": "picture"} for fact, value in self.pictured.said().items()]
        found: dict[str, Any] = {"said": self.said.said(), "from": rows} if rows else {}
        if self.unwanted is not None:
            away = self.unwanted
            found["not"] = {"text": away.text, "facts": away.facts.said(), "weight": away.weight}
        return found


def of_flags(args: argparse.Namespace) -> Facts:
    """The facts that the flags say, and no file contradicts.

    Raises: ValueError that lists what is allowed and the nearest to what was given, or names the contradiction.
    """
    if "instruments" not in args:
        return Facts()  # a command without these flags
    instruments: frozenset[str] | None = None
    drums: bool | None = None
    if args.instruments is not None:
        named = [_value("instruments", word.strip()) for word in args.instruments.split(",")]
        instruments = frozenset(name for name in named if name != "drums")
        drums = True if "drums" in named else None
    if args.no_drums:
        if drums:
            raise ValueError("--instruments names drums, and --no-drums wants none; leave one of them out")
        if args.drums is not None:
            raise ValueError(f"--drums {args.drums} gives drums, and --no-drums wants none; leave one of them out")
        if args.controls is not None and "drums" in (args.use or ()):
            raise ValueError("--use takes drums from --controls, and --no-drums wants none; leave one of them out")
        drums = False
    given = {fact: getattr(args, fact) for fact in CHOICES}
    chosen = {fact: None if word is None else _value(fact, word) for fact, word in given.items()}
    return Facts(instruments, drums, **chosen)


def of_words(text: str) -> Facts:
    """What a text says by the word list, for those who cannot wait for more.

    >>> of_words("slow piano, no drums").said()
    {'instruments': ['piano'], 'drums': False, 'tempo': 'slow'}
    """
    return read_words(text).facts


def asked(args: argparse.Namespace, notices: list[str], nearest: Nearest | None = None) -> AskedFacts:
    """The facts of a request; what is understood, left open or contradicted is added to ``notices``.

    Args:
        args: of the command.
        notices: for the person who asks.
        nearest: for words that no list holds; None: by the text encoder, see :func:`by_meaning`.

    Raises: ValueError as :func:`of_flags`, and for flags that want and exclude the same.
    """
    flagged = of_flags(args)
    guess = nearest or by_meaning()
    plain = getattr(args, "no_facts_from_text", False)
    reading = Reading(language=read_words(args.text).language) if plain else read_words(args.text, guess)
    said = flagged.over(reading.facts)
    pictured = _pictured(args, said)
    said = said.over(pictured)
    notices += _told(reading, args.bpm)
    for fact, value in flagged.said().items():
        other = reading.facts.said().get(fact)
        if other is not None and other != value and not (fact == "instruments" and set(other) <= set(value)):
            notices.append(
                f"the prompt says {_shown(fact, other)}, the flags say {_shown(fact, value)}: the flags count"
            )
    if said.drums is False and args.drums is not None:
        notices.append(f"the prompt wants no drums, and {args.drums} gives some: the file counts")
        said = replace(said, drums=None)
    unwanted = _unwanted(args, reading, flagged, guess)
    if unwanted is not None:
        said, clash = _without(said, unwanted.facts)
        if clash:
            notices.append(f"the prompt asks for {', '.join(clash)}, and --not excludes that: it is left out")
        notices.append(f"not wanted: {unwanted.text or in_words(unwanted.facts)} (a branch of its own at every step)")
    return AskedFacts(said, flagged, reading, unwanted, pictured)


def _pictured(args: argparse.Namespace, said: Facts) -> Facts:
    """What a picture says where flags, words and files are silent."""
    picture = getattr(args, "picture", None)
    if picture is None:
        return Facts()
    open_facts = {
        each.name: None if getattr(said, each.name) is not None else getattr(picture.facts, each.name)
        for each in fields(Facts)
    }
    if args.chords is not None or args.melody is not None or args.controls is not None:
        open_facts["key"] = None  # which they have themselves
    if args.drums is not None or "drums" in (args.use or ()):
        open_facts["drums"] = None
    if args.bpm is not None and args.bpm != picture.bpm:
        open_facts["tempo"] = None
    return Facts(**open_facts)


def with_picture(args: argparse.Namespace, asked: AskedFacts) -> str | None:
    """The prompt, and behind it the words of a picture that nothing else contradicts."""
    picture, text = getattr(args, "picture", None), args.text.strip()
    words = "" if picture is None else picture.prompt(asked.said)
    return ", ".join(part for part in (text, words) if part) or None


@cache
def by_meaning() -> Nearest:
    """Guesses by our text encoder, which is loaded with the first word that no list holds."""
    from flowmusic.inputs.words.meaning import ByMeaning
    from flowmusic.model.text import TextEncoder

    return ByMeaning(TextEncoder())


def for_model(facts: Facts, model: Generator) -> tuple[Facts, ...]:
    """Facts as ``Controls`` hold them for one item; none for a model that hears none, or where none is said."""
    return (facts,) if model.has_facts and facts.said() else ()


def text_for(asked: AskedFacts, text: str | None, model: Generator, notices: list[str]) -> str | None:
    """The text that a model is given: with the facts that it would not hear otherwise.  Adds to ``notices``."""
    if model.has_facts:
        return text
    missing = _missing(asked)
    if missing == Facts():
        return text
    added = in_words(missing)
    notices.append(f"{model.name} has no facts control and reads words only; added to its prompt: {added!r}")
    return ", ".join(part for part in (text, added) if part)


def unwanted_text(asked: AskedFacts, model: Generator) -> str | None:
    """The words of the negative branch; a model that hears facts is given those beside the words of --not."""
    away = asked.unwanted
    if away is None or away.text or model.has_facts:
        return None if away is None else away.text
    return in_words(away.facts)


def in_words(facts: Facts) -> str:
    """Facts in words of captions, for a model that hears no facts.

    >>> in_words(Facts(instruments=frozenset({"piano"}), drums=False, tempo="medium"))
    'mid-tempo, piano, no drums'
    """
    said = facts.said()
    words = [
        _IN_CAPTIONS.get(fact, {}).get(said[fact], said[fact])
        for fact in ("mood", "energy", "tempo", "genre")
        if fact in said
    ]
    words += said.get("instruments", [])
    if facts.drums is not None:
        words.append("drums" if facts.drums else "no drums")
    return ", ".join([*words, *([facts.key] if facts.key else [])])


def _missing(asked: AskedFacts) -> Facts:
    """Facts that the text does not say in English: those of flags, and of words of other languages."""
    in_text = {(each.fact, each.value) for each in asked.reading.found if each.language is None and not each.absent}
    # A picture's words name these two.
    in_text |= {(fact, value) for fact, value in asked.pictured.said().items() if fact in ("mood", "energy")}
    kept: dict[str, Any] = {}
    for fact, value in asked.said.said().items():
        if fact == "instruments":
            names = frozenset(name for name in value if (fact, name) not in in_text)
            kept[fact] = names or None
        elif (fact, value) not in in_text:
            # "Solo piano" leaves the drums out by itself.
            by_itself = fact == "drums" and value is False and asked.reading.only and asked.flagged.drums is None
            kept[fact] = None if by_itself else value
    return Facts(**kept)


def _told(reading: Reading, bpm: float | None) -> list[str]:
    found = []
    wanted = reading.facts.said()
    if wanted:
        found.append("facts understood: " + "; ".join(_shown(fact, value) for fact, value in wanted.items()))
    for each in reading.found:
        if each.of and not each.absent:
            found.append(f"{each.words!r} is taken for {each.value} (of {', '.join(each.of)})")
        if each.how == "meaning":
            found.append(f"{each.words!r} is taken for {_shown(each.fact, each.value)}, its nearest meaning")
    found += reading.unclear
    if reading.bpm is not None and reading.bpm != bpm:
        grid = (
            "sets no beat grid: for one, give"
            if bpm is None
            else f"is not the beat grid, which --bpm {bpm:g} sets; or give"
        )
        found.append(f"{reading.bpm:g} bpm in the prompt says how fast the music is and {grid} --bpm {reading.bpm:g}")
    if reading.language is not None:
        known = ", ".join(dict.fromkeys(repr(each.words) for each in reading.found)) or "no word of it"
        found.append(f"the prompt looks {reading.language}, and models read English; understood of it: {known}")
    return found


def _unwanted(args: argparse.Namespace, reading: Reading, flagged: Facts, nearest: Nearest) -> Unwanted | None:
    given_words = getattr(args, "exclude", None)
    words = None if given_words is None else given_words.strip()
    facts = reading.excluded
    if words:
        given = read_words(words, nearest)
        if any(each.absent or each.value is False for each in given.found):
            raise ValueError(f"--not {words!r}: name what you do not want, without 'no' (as in --not \"drums, piano\")")
        wide = frozenset(name for each in given.found for name in (each.of or ())) | (
            given.facts.instruments or frozenset()
        )
        against = replace(given.facts, instruments=wide or given.facts.instruments)
        _, clash = _without(flagged, against)
        if against.drums and (args.drums is not None or "drums" in (args.use or ())):
            clash = ("drums",)
        if clash:
            raise ValueError(f"--not excludes {clash[0]}, and another flag asks for it; leave one of them out")
        both = (facts.instruments or frozenset()) | (against.instruments or frozenset())
        facts = replace(against.over(facts), instruments=both or None)
    elif words is not None:
        raise ValueError('--not is empty; name what you do not want, as in --not "drums, piano"')
    if not words and facts == Facts():
        return None
    own = None if reading.language else ", ".join(dict.fromkeys(each.words for each in reading.found if each.absent))
    return Unwanted(", ".join(part for part in (words, own) if part) or None, facts, getattr(args, "not_weight", 1.0))


def _without(facts: Facts, against: Facts) -> tuple[Facts, tuple[str, ...]]:
    """Facts less those that are excluded, and which were."""
    clash: list[str] = []
    left = facts
    common = (facts.instruments or frozenset()) & (against.instruments or frozenset())
    if common:
        clash += sorted(common)
        left = replace(left, instruments=(facts.instruments or frozenset()) - common or None)
    for each in fields(Facts):
        value = getattr(against, each.name)
        if each.name != "instruments" and value is not None and getattr(facts, each.name) == value:
            clash.append("drums" if each.name == "drums" else str(value))
            left = replace(left, **{each.name: None})
    return left, tuple(clash)


def _shown(fact: str, value: Any) -> str:
    if fact == "instruments":
        return (
            f"instruments {', '.join(value)}"
            if value and not isinstance(value, str)
            else f"instrument {value or 'none'}"
        )
    if fact == "drums":
        return "drums" if value else "no drums"
    return f"{fact} {value}"


def _value(fact: str, word: str) -> str:
    """A value by its name, or by a word of the list that means it.  Raises: ValueError."""
    allowed: Sequence[str] = (*INSTRUMENTS, "drums") if fact == "instruments" else CHOICES[fact]
    if word.lower() in allowed:
        return word.lower()
    if fact == "key":
        if key := key_of(word):
            return key
    else:
        said = [each for each in read_words(word).found if not each.absent]
        if len(said) == 1 and said[0].words == word and not said[0].of and said[0].fact in (fact, "drums"):
            if said[0].fact == fact:
                return str(said[0].value)
            if fact == "instruments":
                return "drums"
    near = difflib.get_close_matches(word.lower(), allowed, n=1, cutoff=0.5)
    hint = f"; nearest: {near[0]}" if near else ""
    if fact == "tempo" and any(letter.isdigit() for letter in word):
        hint = "; beats a minute are set with --bpm"
    shown = word if len(word) <= 30 else f"{word[:27]}..."
    raise ValueError(f"--{fact}: unknown word {shown!r}{hint}; allowed: {', '.join(allowed)}")


__all__ = ["AskedFacts", "Found", "Unwanted", "asked", "in_words", "of_flags", "text_for", "unwanted_text"]
