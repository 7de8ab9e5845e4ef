"""One chord name, in any usual spelling, to a vocabulary label.

Lead-sheet names (``Am7``, ``CΔ``, ``B♭/D``) and MIR names (``A:min7``, ``C:maj/3``; Harte et al., ISMIR 2005) are
read alike.  What the vocabulary cannot say is reduced by :data:`REDUCTIONS`, and the caller gets a warning to show.

>>> canonical("C∆7"), canonical("Csus7/G")
(Canonical(label='Cmaj7', warning=None), Canonical(label='C7', warning='chord Csus7/G is taken as C7: ...'))
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

from flowmusic.controls import chord_hints
from flowmusic.controls.vocabulary import (
    INTERVALS,
    NO_CHORD,
    ROOTS,
    UNKNOWN_CHORD,
    Chord,
    join,
    note_pitch_class,
)


class ChordError(ValueError):
    """A chord or a chord text that cannot be read; the message names it and its place."""


class Canonical(NamedTuple):
    """A vocabulary label, and what was given up to reach it (None if nothing)."""

    label: str
    warning: str | None


REDUCTIONS: dict[str, str] = {
    # third missing or replaced: the major triad is the nearest label
    "5": "",
    "sus": "",
    "sus2": "",
    "sus4": "",
    "sus2sus4": "",
    "2": "",
    "4": "",
    "7sus": "7",
    "7sus2": "7",
    "7sus4": "7",
    "9sus": "7",
    "9sus4": "7",
    "13sus": "7",
    "13sus4": "7",
    "maj7sus4": "maj7",
    "msus4": "m",
    "m7sus4": "m7",
    # extended chords keep their seventh
    "9": "7",
    "11": "7",
    "13": "7",
    "maj9": "maj7",
    "maj11": "maj7",
    "maj13": "maj7",
    "m9": "m7",
    "m11": "m7",
    "m13": "m7",
    "69": "6",
    "maj69": "6",
    "m69": "m6",
    # altered dominants: a raised fifth outweighs the seventh, everything else keeps it
    "alt": "7",
    "7alt": "7",
    "7b5": "7",
    "9b5": "7",
    "7#5": "aug",
    "9#5": "aug",
    "aug7": "aug",
    "aug9": "aug",
    "augmaj7": "aug",
    "maj7#5": "aug",
    "maj7b5": "maj7",
    "b5": "",
    # minor and diminished relatives
    "mmaj7": "m",
    "mmaj9": "m",
    "mb6": "m",
    "m#5": "m",
    "m7#5": "m7",
    "m9b5": "m7b5",
    "m11b5": "m7b5",
    "dim7": "dim",
    "dim9": "dim",
    "dimmaj7": "dim",
}
"""Chord types outside the vocabulary -> vocabulary suffix.  Before the table is asked, added notes (``add9``) are
dropped; after it, what stands at the end, one by one: alterations (``7b9`` -> ``7``, ``m7b5b9`` -> ``m7b5``) and
suspensions (``maj9sus4`` -> ``maj9``)."""

EQUAL_SOUND = {("7", 10): ("", 10)}
"""(suffix, bass interval) -> one with the same notes and bass that the vocabulary has: C7/Bb sounds as C/Bb."""

_NO_CHORD = {"N", "N.C.", "N.C", "NC", "NC.", "N/C", "TACET"}
_MAJOR = re.compile(r"(?i:major|maj)|[mM][aA](?![dD]{2})|M(?![iI])|j")
_TRIANGLE = re.compile(r"[Δ^]7?")
_MINOR = re.compile(r"(?i:minor|min|mi)|-|m")
_DIMINISHED = re.compile(r"(?i:diminished|dim)|°|0|o(?!mit)")
_HALF = re.compile(r"(?:(?i:half-?dim(?:inished)?|hdim)|ø)7?|h7?")
_AUGMENTED = re.compile(r"(?i:augmented|aug)|\+")
_DOMINANT = re.compile(r"(?i:dominant|dom)(?:7|(?=9|11|13))?")
_WORDS = re.compile(r"(?i:sus(?:pended)?|add|omit|no(?=[135])|alt(?:ered)?)")
_ADDED = re.compile(r"add[#b]?\d+|(?:no|omit)[135](?:rd|th)?")
_TAIL = re.compile(r"(?:[#b](?:5|9|11|13)|sus[24]?)$")
_NAME = re.compile(r"([A-G][#b]*)(:?)(.*)", re.DOTALL)
_DEGREE = re.compile(r"([#b]*)(1[0-3]|[1-9])")
_DEGREES = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 11}

_SYMBOLS = str.maketrans(
    {
        **dict.fromkeys("♭", "b"),
        **dict.fromkeys("♯", "#"),
        "𝄫": "bb",
        "𝄪": "##",
        "♮": "",
        **dict.fromkeys("∆△▲▵", "Δ"),  # U+2206 and U+25B3 beside the Greek letter U+0394, which fonts show alike
        **dict.fromkeys("Ø⌀∅⊘φΦϕɸ", "ø"),
        **dict.fromkeys("º˚ᵒ∘○◦⁰", "°"),
        **dict.fromkeys("‐‑‒–—―−⁻﹣", "-"),
        **dict.fromkeys("⁄∕", "/"),
        # Cyrillic letters that look like Latin ones, as in texts of Russian sites.
        **dict(zip("АВСЕм", "ABCEm", strict=True)),
    }
)


def canonical(label: str) -> Canonical:
    """The vocabulary label for a chord name, and a warning where something was given up.

    Raises: ChordError naming the chord, the part that cannot be read, and what was probably meant.
    """
    try:
        return _read(label)
    except ChordError as error:
        advice = chord_hints.of(label.strip(), reads) or chord_hints.of(_plain(label), reads)
        if advice is None and isinstance(error, _UnknownType):
            advice = _nearest(error)
        raise ChordError(f"{error}; {advice}" if advice else str(error)) from None


@functools.lru_cache(4096)
def reads(label: str) -> bool:
    """Whether :func:`canonical` can read a chord name."""
    try:
        _read(label)
    except ChordError:
        return False
    return True


def _read(label: str) -> Canonical:
    """:func:`canonical` without advice in its errors."""
    text = _plain(label)
    if text.upper() in _NO_CHORD:
        return Canonical(NO_CHORD, None)
    if text in (UNKNOWN_CHORD, "X"):
        return Canonical(UNKNOWN_CHORD, None)
    if chord_hints.is_do(text):
        raise ChordError(f"chord {shown(label)} is C to some readers and D diminished to others")
    if len(text) > chord_hints.LONGEST:
        raise ChordError(f"chord {shown(label)} has {len(text)} characters, more than any chord name")
    match = _NAME.fullmatch(text)
    if match is None:
        raise ChordError(f"chord {shown(label)} does not begin with a note A-G (or N for no chord)")
    if match[2] and not match[3]:
        raise ChordError(f"chord {shown(label)} ends after the colon; write {match[1]}:maj or {match[1]}")
    root = note_pitch_class(match[1])
    try:
        suffix, reduced, bass = _type_and_bass(match[3], root, label)
    except _UnknownType as error:
        error.root = match[1]
        raise
    return _assemble(label, root, suffix, bass, reduced)


class _UnknownType(ChordError):
    """A root with a type that is not known, kept for advice."""

    def __init__(self, label: str, quality: str) -> None:
        super().__init__(f"chord {shown(label)} has an unknown type {shown(quality)}")
        self.root, self.quality = "C", quality


def _nearest(error: _UnknownType) -> str:
    """The spellings nearest to a chord type that is not known."""
    known = [*INTERVALS, "maj", "min", *REDUCTIONS, "add9"]
    near = [repr(error.root + found) for found in chord_hints.nearest(error.quality, known)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"types are written as in {error.root}m, {error.root}maj7, {error.root}sus4"


def shown(text: str, most: int = 40) -> str:
    """A piece of somebody's text in quotes, shortened."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}..."


def _plain(label: str) -> str:
    """A name without what is no part of it: footnote stars, brackets around it, the full stop of ``dim.``."""
    text = label.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_SYMBOLS)).translate(_SYMBOLS)
    text = text.strip().strip("*").replace("\\", "/")
    if text[:1] == "(" and text[-1:] == ")" and text.count("(") == 1:
        text = text[1:-1].strip()
    if text.upper() in _NO_CHORD:
        return text
    text = re.sub(r"(?<=[A-Ga-z])[ -]?(?i:flat)", "b", text)
    text = re.sub(r"(?<=[A-Ga-z])[ -]?(?i:sharp)", "#", text)
    return re.sub(r"(?<=[A-Za-z])\.(?=[\d/(])|(?<=[A-Za-z\d)#])\.$", "", text)


def _assemble(label: str, root: int, suffix: str, bass: int, reduced: bool) -> Canonical:
    found = join(Chord(root, suffix, bass)) or join(Chord(root, *EQUAL_SOUND.get((suffix, bass), (suffix, bass))))
    if found is not None:
        return Canonical(found, f"chord {label[:40]} is taken as {found}" if reduced else None)
    found = ROOTS[root] + suffix
    return Canonical(found, f"chord {label[:40]} is taken as {found}: the vocabulary has no such bass for it")


def _type_and_bass(quality: str, root: int, label: str) -> tuple[str, bool, int]:
    """Vocabulary suffix, whether anything was lost to reach it, and the bass in semitones above the root.

    The slash of ``6/9``, ``m/maj7`` and ``7/sus4`` belongs to the type.
    """
    quality = re.sub(r"6/9(?!\d)", "69", quality)
    head, slash, bass = quality.rpartition("/")
    if not slash:
        return *_suffix(quality, label), 0
    if not bass:
        raise ChordError(f"chord {shown(label)} ends after the slash; write a bass as in C/E, or / apart to repeat it")
    interval = _bass_interval(bass, root)
    if interval is not None:
        return *_suffix(head, label), interval
    try:
        return *_suffix(head + bass, label), 0
    except ChordError:
        raise ChordError(
            f"chord {shown(label)} has a bass {shown(bass)} that is neither a note A-G nor a degree such as 3 or b7"
        ) from None


def _bass_interval(bass: str, root: int) -> int | None:
    """Semitones of a bass above the root; None for what is no bass."""
    if re.fullmatch(r"[A-G][#b]*", bass):
        return (note_pitch_class(bass) - root) % 12
    degree = _DEGREE.fullmatch(bass)
    if degree is None:
        return None
    natural = _DEGREES[(int(degree[2]) - 1) % 7 + 1]
    return (natural + degree[1].count("#") - degree[1].count("b")) % 12


def _suffix(quality: str, label: str) -> tuple[str, bool]:
    """The vocabulary suffix of a chord type, and whether anything was lost."""
    # MIR names write additions in brackets, C:maj(9); after a plain triad these do not imply a seventh.
    bracket = re.fullmatch(r"(maj|min|dim|aug|sus2|sus4|)\((?:\*?[#b]*\d+,?)+\)", quality)
    if bracket is not None and bracket[1]:
        suffix, _ = _suffix(bracket[1], label)
        return suffix, True
    # After a digit they are additions as well: C7(9,13) is C7 with two notes more, not C79.
    plain = re.sub(r"(?:(?<=\d)|(?<=7M)|(?<=Δ))[(,](?=(?:9|11|13)(?!\d))", "add", quality)
    plain = _spell(re.sub(r"[(),\s]", "", plain))
    if plain in INTERVALS:
        return plain, False
    shorter = _SAME.get(bare := _ADDED.sub("", plain), bare)
    while True:
        if shorter in INTERVALS:
            return shorter, True
        if shorter in REDUCTIONS:
            return REDUCTIONS[shorter], True
        if not _TAIL.search(shorter):
            raise _UnknownType(label, quality)
        shorter = _TAIL.sub("", shorter)


_SAME = {"maj": "", "maj6": "6", "aug5": "aug", "#5": "aug", "+5": "aug", "dim5": "dim", "mb5": "dim"}
"""Types that have two spellings even when each part has one."""


def _spell(quality: str) -> str:
    """One spelling of a chord type: ``-7``, ``min7`` and ``mi7`` are ``m7``; ``Δ`` is ``maj7``; ``ø`` is ``m7b5``."""
    quality = _WORDS.sub(lambda word: word[0].lower().replace("suspended", "sus").replace("altered", "alt"), quality)
    quality = re.sub(r"sus(7|9|11|13)(?!\d)", r"\1sus", quality)  # sus7 is 7sus
    quality = re.sub(r"(?<!\d)([24])sus(?!\d)", r"sus\1", quality)  # 4sus is sus4
    quality = re.sub(r"sus(?:24|42)$", "sus2sus4", quality)
    quality = re.sub(r"7(?:M(?![iI])|(?i:maj))(?!\d)", "maj7", quality)  # 7M is maj7 in French and Portuguese
    quality = re.sub(r"(?<=\d)[+](?=(?:5|9|11|13))", "#", quality)
    quality = re.sub(r"(?<=[0-9])-(?=(?:5|9|11|13))", "b", quality)
    if quality.endswith("+") and quality[-2:-1].isdigit():
        quality = quality[:-1] + "#5"
    for pattern, spelled in (
        (_TRIANGLE, "maj7"),
        (_HALF, "m7b5"),
        (_DOMINANT, "7"),
        (_DIMINISHED, "dim"),
        (_AUGMENTED, "aug"),
        (_MAJOR, "maj"),
        (_MINOR, "m"),
    ):
        head = pattern.match(quality)
        if head is not None:
            quality = _join(spelled, quality[head.end() :])
            break
    return _SAME.get(quality, quality)


def _major_seventh(rest: str) -> str:
    """``M7``, ``maj7``, ``Δ``, ``+7`` and ``#7`` after a minor or a diminished sign are the major seventh of mMaj7."""
    triangle = _TRIANGLE.match(rest)
    if triangle is not None:
        return "maj7" + rest[triangle.end() :]
    if rest[:2] in ("+7", "#7"):
        return "maj" + rest[1:]
    major = _MAJOR.match(rest)
    return rest if major is None else "maj" + rest[major.end() :]


def _join(spelled: str, rest: str) -> str:
    """Δ9 is maj9, not maj79; ø9 is m9b5; dom9 is 9; m+ is m#5."""
    if spelled == "maj7" and re.match(r"9|11|13", rest):
        return "maj" + rest
    if spelled == "m7b5" and rest in ("9", "11"):
        return f"m{rest}b5"
    if spelled == "7" and re.match(r"9|11|13", rest):
        return rest
    if spelled == "m" and rest in ("+", "+5"):
        return "m#5"
    return spelled + (_major_seventh(rest) if spelled in ("m", "dim", "aug") else rest)
