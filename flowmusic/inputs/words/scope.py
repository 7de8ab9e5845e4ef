"""How far words reach: what a negation negates, what "only" and "solo" leave out, and which of two genres counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowmusic.inputs.words.senses import FILLERS, JOINERS, SIZES, Guess, Sense, Word

STOPS = frozenset(',.;:!?|()\n"[]<>') | {"<>"}
_LENDING = frozenset(
    "influence influences influenced inspired element elements flavour flavor flavours flavors undertones tinged "
    "touches "
    "tinges accents".split()
)


@dataclass
class Part:
    """Words ``first`` to ``last`` (not included) of a text and what they say; without a sense, one unknown word."""

    first: int
    last: int
    sense: Sense | None = None
    guess: Guess | None = None
    state: str = ""
    """``no``: negated; ``off``: neither wanted nor negated."""

    @property
    def role(self) -> str:
        return "" if self.sense is None else self.sense.role

    @property
    def says(self) -> bool:
        return self.sense is not None and bool(self.sense.says or self.sense.family)

    @property
    def sounds(self) -> bool:
        """Whether it names instruments or drums."""
        sense = self.sense
        return sense is not None and bool(
            sense.family or any(fact in ("instruments", "drums") for fact, _ in sense.says)
        )


def negate(parts: list[Part], words: Sequence[Word], text: str) -> None:
    """Mark what each negation negates: the next thing named, and what "or" joins to it.

    "No heavy drums" negates a kind of drums: there drums are neither wanted nor negated.
    """
    for start, part in enumerate(parts):
        behind = words[part.last] if part.last < len(words) else None
        if part.says and behind is not None and behind.plain in ("free", "less") and text[behind.start - 1] == "-":
            part.state = "no"
        if part.role == "open" and start + 1 < len(parts) and parts[start + 1].role == "only":
            parts[start + 1].state = "off"
        if part.role != "not":
            continue
        hits: list[Part] = []
        qualified = False
        place = start + 1
        while place < len(parts):
            here, plain = parts[place], words[parts[place].first].plain
            following = parts[place + 1] if place + 1 < len(parts) else None
            if here.role in ("only", "solo", "not", "open"):
                break
            if here.says:
                if hits and parts[place - 1] is hits[-1]:
                    # "No fast drums": the drums, too, are neither.
                    here.state = "off" if here.sounds and not hits[-1].sounds else here.state
                    break
                here.state = "off" if qualified else "no"
                hits.append(here)
            elif hits and (plain in JOINERS or here.role == "join"):
                pass
            elif hits and plain in ("and", "/") and following is not None and following.sounds:
                last = parts[place + 2] if place + 2 < len(parts) else None
                if last is not None and last.role in ("only", "after"):
                    break
                if words[part.first].plain not in ("without", "w/o"):
                    # "No drums and piano" can be read both ways.
                    following.state = "off"
                    break
            elif hits and plain == "," and _is_joined(parts, words, place):
                pass
            elif plain in STOPS or hits:
                break
            elif plain not in FILLERS:
                qualified = True
            place += 1


def _is_joined(parts: list[Part], words: Sequence[Word], place: int) -> bool:
    """Whether a list that goes on at this comma ends in "or": "without piano, bass or drums"."""
    while place + 1 < len(parts) and words[parts[place].first].plain == ",":
        if words[parts[place + 1].first].plain in JOINERS:
            return True
        if not parts[place + 1].says or place + 2 >= len(parts):
            return False
        place += 2
        if words[parts[place].first].plain in JOINERS:
            return True
    return False


def compound(parts: list[Part], words: Sequence[Word]) -> None:
    """Of two genres side by side the last is the noun ("folk metal"); one that only lends something says nothing."""
    for part, behind in zip(parts, parts[1:], strict=False):
        if part.sense and any(fact == "genre" for fact, _ in part.sense.says):
            genre = behind.sense is not None and not behind.state and any(f == "genre" for f, _ in behind.sense.says)
            if genre or words[behind.first].plain in _LENDING:
                part.state = part.state or "off"


def only(parts: list[Part], words: Sequence[Word]) -> bool:
    """Whether the words say that nothing plays but what they name."""
    wanted = [part for part in parts if part.sounds and not part.state]
    named = {(part.first, part.last): part for part in wanted}
    count = len({tuple(part.sense.says or part.sense.family) for part in wanted if part.sense})  # each thing once
    genres = {value for part in parts if part.sense for fact, value in part.sense.says if fact == "genre"}
    for place, part in enumerate(parts):
        before, behind = (parts[n] if 0 <= n < len(parts) else None for n in (place - 1, place + 1))
        if part.role == "alone" or part.role == "ensemble" and count == 1 and not part.state:
            return True
        if part.state == "off":
            continue
        if part.role in ("only", "after") and before in named.values() and not (behind is not None and behind.sounds):
            return True
        if words[part.first].plain == "only" and before in named.values():
            return True
        if part.role == "only":
            following = _after(parts, words, place)
            if following is not None and following in named.values():
                return True
        if part.role == "solo" and count == 1:
            if any(each in named.values() for each in _reach(parts, words, place)):
                return True
            if before in named.values() and not _is_a_passage(parts, words, place - 1):
                if not genres - {"classical", "jazz", "ambient"}:
                    return True
        if part.role in SIZES and 0 < count <= SIZES[part.role]:
            beside = before in named.values() or behind is not None and words[behind.first].plain in ("of", "for", ":")
            if beside and (count == SIZES[part.role] or part.role == "duo"):
                return True
    return False


def _after(parts: list[Part], words: Sequence[Word], place: int) -> Part | None:
    """The next part after an article and adjectives of the list."""
    for part in parts[place + 1 : place + 4]:
        if part.sounds:
            return part
        if not part.says and words[part.first].plain not in ("a", "an", "the", "with", "some"):
            return None
    return None


def _reach(parts: list[Part], words: Sequence[Word], place: int) -> Iterator[Part]:
    for part in parts[place + 1 : place + 4]:
        if words[part.first].plain in STOPS | {"over", "with", "and", "in", "by"}:
            return
        yield part


def _is_a_passage(parts: list[Part], words: Sequence[Word], place: int) -> bool:
    """Whether a solo is part of a piece: "rock with a guitar solo"."""
    before = [words[part.first].plain for part in parts[max(0, place - 4) : place]]
    return any(word in ("with", "and", "featuring", "plus", "has", "including", "then", "into") for word in before)
