"""The key that a text says, and the beats a minute.

"A" is an article as well: "a minor key" says no key, "in A minor" does.

>>> key_in("a waltz in F# minor").value, key_in("a minor setback"), key_in("c-Moll").value
('F# minor', None, 'C minor')
>>> key_of("Am"), key_of("db major")
('A minor', 'C# major')
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from flowmusic.facts import KEYS

_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SHIFTS = {
    "#": 1, "♯": 1, "sharp": 1, "dièse": 1, "sostenido": 1, "sustenido": 1, "diesis": 1,
    "b": -1, "♭": -1, "flat": -1, "bémol": -1, "bemol": -1, "bemolle": -1,
}  # fmt: skip
_GERMAN = {
    "c": 0, "cis": 1, "des": 1, "d": 2, "dis": 3, "es": 3, "e": 4, "f": 5, "fis": 6, "ges": 6, "g": 7, "gis": 8,
    "as": 8, "a": 9, "ais": 10, "b": 10, "h": 11, "ces": 11,
}  # fmt: skip
_SOLFEGE = {"do": 0, "ut": 0, "re": 2, "ré": 2, "mi": 4, "fa": 5, "sol": 7, "la": 9, "lá": 9, "si": 11}
_MINOR = frozenset(("minor", "min", "m", "moll", "mineur", "menor", "minore"))

_SIGN = r"(?:\s*(#|♯|b|♭)|[\s-]*(sharp|flat))?"
_NAMED = re.compile(
    rf"(?<![\w'’])([A-Ga-g]){_SIGN}[\s-]*(?:(?:natural|harmonic|melodic)\s+)?(major|minor|maj|min)\b(?!\s*[79])"
)
_IN = re.compile(
    rf"(?<!\w)(?:in|[Kk]ey(?:\s+of)?:?)\s+([A-G]){_SIGN}(m)(?![\w#/])"
    rf"|(?<!\w)[Kk]ey\s*(?:of|:)\s*([A-Ga-g]){_SIGN}(?![\w#'’])(?!\s+(?:major|minor|flat|sharp))"
)
_OTHERS = re.compile(
    r"(?<!\w)(?P<german>[a-h]|[cdfga]is|[cdg]es|es|as)[\s-](?P<gmode>dur|moll)\b"
    r"|(?<!\w)(?P<note>do|ut|ré|re|mi|fa|sol|la|lá|si)(?:\s+(?P<sign>dièse|sostenido|sustenido|diesis|bémol|bemol|bemolle))?"
    r"\s+(?P<mode>majeur|mineur|mayor|menor|maggiore|minore|maior)\b",
    re.IGNORECASE,
)
_AFTER = frozenset("at with and for on played over by in featuring without using key tonality scale from to".split())
_NEXT = re.compile(r"\s+([^\W\d_]+)")
_BPM = re.compile(
    r"(?<![\w.])(\d{2,3}(?:[.,]\d+)?)(?:\s*(?:-|–|to)\s*(\d{2,3}))?\s*[- ]?(?:bpm|beats?\s+(?:per|a)\s+minute)\b"
    r"|\b(?:bpm|tempo)\s*(?:of|:|=|is)?\s*(\d{2,3}(?:\.\d+)?)(?!\w)|[♩♪]\s*=\s*(\d{2,3})",
    re.IGNORECASE,
)


class Place(NamedTuple):
    """A value and where the text says it."""

    value: str
    start: int
    end: int


def key_in(text: str) -> Place | None:
    """The first key that a text says; None if it says none."""
    return next(iter(sorted(_keys(text), key=lambda place: place.start)), None)


def key_of(name: str) -> str | None:
    """A key by a name on its own, as a flag gives it; None for what is no key."""
    name = name.strip()
    short = re.fullmatch(rf"([A-Ga-g]){_SIGN}\s*(m)?", name)
    if short and (short[4] or name[0].isupper()):
        return _key(_LETTERS[short[1].lower()], short[2] or short[3], short[4] or "major")
    long = _NAMED.fullmatch(name)
    if long:
        return _key(_LETTERS[long[1].lower()], long[2] or long[3], long[4])
    found = key_in(name)
    return None if found is None or (found.start, found.end) != (0, len(name)) else found.value


def bpm_in(text: str) -> list[tuple[float, Place]]:
    """Beats a minute that a text says, the mean of a range, each with its place."""
    found = []
    for part in _BPM.finditer(text):
        low, high = part[1] or part[3] or part[4], part[2]
        value = float(low.replace(",", "."))
        value = value if high is None else (value + float(high)) / 2
        found.append((value, Place(part[0].strip(), part.start(), part.end())))
    return found


def _keys(text: str) -> Iterator[Place]:
    for part in _NAMED.finditer(text):
        if part[1] in "aA" and not (part[2] or part[3]) and _is_article(text, part):
            continue
        # Small letters before a short form are words: "a maj", "b min" of a list of chords.
        if part[4] in ("maj", "min") and part[1].islower():
            continue
        yield Place(_key(_LETTERS[part[1].lower()], part[2] or part[3], part[4]), part.start(), part.end())
    for part in _IN.finditer(text):
        letter, sign, mode = (part[1], part[2] or part[3], "m") if part[1] else (part[5], part[6] or part[7], "major")
        yield Place(_key(_LETTERS[letter.lower()], sign, mode), part.start(), part.end())
    for part in _OTHERS.finditer(text):
        if part["german"]:
            yield Place(_named(_GERMAN[part["german"].lower()], part["gmode"]), part.start(), part.end())
        else:
            yield Place(_key(_SOLFEGE[part["note"].lower()], part["sign"], part["mode"]), part.start(), part.end())


def _is_article(text: str, part: re.Match[str]) -> bool:
    """Whether "a" before minor or major is an article: another word follows, and nothing says that it is a note."""
    following = _NEXT.match(text, part.end())
    word = following[1].lower() if following else ""
    if part[1] == "a":
        before = text[max(0, part.start() - 20) : part.start()].rstrip().lower()
        if not word or word in _AFTER - {"key", "tonality", "scale", "for", "to"}:
            return not before.endswith(("in", "key of", "key:", ",", "tonality")) and bool(before)
        return True
    before = text[max(0, part.start() - 20) : part.start()].rstrip()
    begins = not before or before[-1] in ".!?"
    return begins and bool(word) and word not in _AFTER - {"key", "tonality", "scale"}


def _key(letter: int, sign: str | None, mode: str) -> str:
    return _named(letter + _SHIFTS.get((sign or "").lower(), 0), mode)


def _named(pitch: int, mode: str) -> str:
    return KEYS[pitch % 12 + (12 if mode.lower() in _MINOR else 0)]
