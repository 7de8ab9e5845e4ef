"""What somebody probably meant by a chord name that cannot be read.

Names of other languages are not read silently, because some of them are other chords in English: ``B`` is B flat to a
German reader, and ``Do7`` is C7 to a Spanish one but D diminished to others.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable

LONGEST = 40
"""Characters of a name that anybody would write."""

Reads = Callable[[str], bool]
"""Whether a chord name can be read."""

_SOLFEGE = {"do": "C", "ut": "C", "re": "D", "ré": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B"}
_SYLLABLE = "|".join(_SOLFEGE)
_DO = re.compile(r"[Dd][oO](?!mit)")
_GERMAN = re.compile(r"([A-H])(is|es|(?<=[AE])s)(.*)", re.DOTALL)
_ROMAN = {"i": 0, "ii": 1, "iii": 2, "iv": 3, "v": 4, "vi": 5, "vii": 6}
_DEGREE = re.compile(r"([b#]?)([1-7](?!\d)|(?:vii|vi|v|iv|iii|ii|i)(?![iv]))(.*)", re.DOTALL | re.IGNORECASE)
_FINGERING = re.compile(r"\(?[xX\d]{4,8}\)?|\(?(?:[xX\d]{1,2}-){3,}[xX\d]{1,2}\)?")
_ENDING = re.compile(r"\d\.|\[\d[.\]]?|1st|2nd|[12]\.[,-]?[12]?\.?")
_JUMP = re.compile(r"(?i:D\.[CS]\.?|al|fine|coda|segno)|[𝄋𝄌]")


def is_do(name: str) -> bool:
    """Whether a name is a solfège C that could pass for a D diminished (``Do7``)."""
    return _DO.match(name) is not None


def of(name: str, reads: Reads) -> str | None:
    """The advice for a name that is no chord here, or None if nothing is known about it.

    >>> of("Lam", lambda name: name == "Am")
    "chords are read by letter, not solfège; did you mean 'Am'?"
    """
    if len(name) > LONGEST:
        return None
    for rule in (_other_marks, _solfege, _german, _letter_case, _degree):
        advice = rule(name, reads)
        if advice is not None:
            return advice
    return None


def _solfege(name: str, reads: Reads) -> str | None:
    head = re.match(rf"(?i)({_SYLLABLE})", name)
    if head is None:
        return None
    # The bass of Do/Mi is a syllable as well.
    rest = re.sub(rf"(?i)/({_SYLLABLE})\b", lambda bass: "/" + _SOLFEGE[bass[1].lower()], name[head.end() :])
    letter = _SOLFEGE[head[1].lower()] + rest
    if is_do(name):
        diminished = f"D°{name[2:]}"
        return f"write {' or '.join(repr(way) for way in (letter, diminished) if reads(way)) or 'C'}"
    return f"chords are read by letter, not solfège; did you mean {letter!r}?" if reads(letter) else None


def _german(name: str, reads: Reads) -> str | None:
    sharpened = _GERMAN.fullmatch(name)
    if sharpened is not None:
        root = {"H": "B"}.get(sharpened[1], sharpened[1])
        english = root + ("#" if sharpened[2] == "is" else "b") + sharpened[3]
        return f"that is a German name; did you mean {english!r}?" if reads(english) else None
    if not name.startswith("H") and "/H" not in name:
        return None
    english = re.sub(r"^H|(?<=/)H", "B", name)
    return f"a German H is B here, did you mean {english!r}? (A German B is Bb.)" if reads(english) else None


def _letter_case(name: str, reads: Reads) -> str | None:
    for other in (
        name[:1].upper() + name[1:],
        name[:1].upper() + name[1:].lower(),
        re.sub(r"(?<=/)[a-g]", lambda bass: bass[0].upper(), name[:1].upper() + name[1:]),
    ):
        if other != name and other[:1] in tuple("ABCDEFG") and reads(other):
            return f"did you mean {other!r}?"
    return None


def _degree(name: str, reads: Reads) -> str | None:
    match = _DEGREE.fullmatch(name)
    if match is None:
        return None
    degree = match[2]
    note = "CDEFGAB"[_ROMAN[degree.lower()] if degree.isalpha() else int(degree) - 1]
    minor = "m" if degree.isalpha() and degree.islower() and match[3][:1] not in ("°", "o", "ø", "d", "m") else ""
    rest = re.sub(r"(?<=/)[1-7]$", lambda bass: "CDEFGAB"[int(bass[0]) - 1], match[3])
    chord = note + match[1] + minor + rest
    if not reads(chord):
        return None
    return f"degrees of a key are not read; write the chord itself, which in C major is {chord!r}"


def _other_marks(name: str, _: Reads) -> str | None:
    if _FINGERING.fullmatch(name):
        return "fingerings are not read; leave them out"
    if _ENDING.fullmatch(name):
        return "first and second endings are not read; write the bars in the order in which they sound"
    if _JUMP.fullmatch(name):
        return "jumps such as D.C. are not read; write the bars in the order in which they sound"
    return None


def nearest(written: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The few known spellings that are most like the written one, best first."""
    return difflib.get_close_matches(written[:LONGEST], list(dict.fromkeys(known)), most, 0.5)
