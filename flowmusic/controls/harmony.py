"""One chord name, in any usual spelling, to a vocabulary label.

Lead-sheet names (``Am7``, ``CΔ``, ``B♭/D``) and MIR names (``A:min7``, ``C:maj/3``; Harte et al., ISMIR 2005) are
read alike.  What the vocabulary cannot say is reduced by :data:`REDUCTIONS`, and the caller gets a warning to show.
"""

from __future__ import annotations

import re
from typing import NamedTuple

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
dropped; after it, alterations at the end (``7b9`` -> ``7``, ``m7b5b9`` -> ``m7b5``) one by one."""

EQUAL_SOUND = {("7", 10): ("", 10)}
"""(suffix, bass interval) -> one with the same notes and bass that the vocabulary has: C7/Bb sounds as C/Bb."""

_NO_CHORD = {"N", "N.C.", "N.C", "NC", "NC."}
_MAJOR = re.compile(r"major|maj|Major|Maj|MAJ|Ma|ma(?!dd)|M|j")
_TRIANGLE = re.compile(r"[Δ△^]7?")
_MINOR = re.compile(r"minor|min|Minor|Min|MIN|mi|-|−|–|m")
_DIMINISHED = re.compile(r"dim|Dim|°|º|o")
_HALF = re.compile(r"(?:hdim|[øØ])7?|h7?")
_AUGMENTED = re.compile(r"aug|Aug|\+")
_DOMINANT = re.compile(r"dominant|dom7|dom")
_ADDED = re.compile(r"add[#b]?\d+|(?:no|omit)[135]")
_TENSION = re.compile(r"(?:[#b](?:5|9|11|13))$")
_NAME = re.compile(r"([A-G][#b]*)(:?)(.*)")
_DEGREE = re.compile(r"([#b]*)(1[0-3]|[1-9])")
_DEGREES = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 11}


def canonical(label: str) -> Canonical:
    """The vocabulary label for a chord name, and a warning where something was given up.

    Raises: ChordError naming the chord and the part that cannot be read.
    """
    text = label.strip()
    if text.upper() in _NO_CHORD:
        return Canonical(NO_CHORD, None)
    if text in (UNKNOWN_CHORD, "X"):
        return Canonical(UNKNOWN_CHORD, None)
    match = _NAME.fullmatch(text.replace("♯", "#").replace("♭", "b").replace("𝄫", "bb"))
    if match is None:
        hint = f"; did you mean {text[0].upper() + text[1:]!r}?" if text[:1] in tuple("abcdefg") else ""
        raise ChordError(f"chord {label!r} does not begin with a note A-G (or N for no chord){hint}")
    if match[2] and not match[3]:
        raise ChordError(f"chord {label!r} ends after the colon; write {match[1]}:maj or {match[1]}")
    root = note_pitch_class(match[1])
    quality, bass_text = _split_bass(match[3])
    bass = 0 if bass_text is None else _bass_interval(bass_text, root, label)
    suffix, reduced = _suffix(quality, label)
    return _assemble(label, root, suffix, bass, reduced)


def _assemble(label: str, root: int, suffix: str, bass: int, reduced: bool) -> Canonical:
    found = join(Chord(root, suffix, bass)) or join(Chord(root, *EQUAL_SOUND.get((suffix, bass), (suffix, bass))))
    if found is not None:
        return Canonical(found, f"chord {label} is taken as {found}" if reduced else None)
    found = ROOTS[root] + suffix
    return Canonical(found, f"chord {label} is taken as {found}: the vocabulary has no such bass for it")


def _split_bass(quality: str) -> tuple[str, str | None]:
    """``m7/G`` -> (m7, G); the slash of ``6/9`` belongs to the type."""
    quality = re.sub(r"6/9(?!\d)", "69", quality)
    head, slash, bass = quality.partition("/")
    return head, bass if slash else None


def _bass_interval(bass: str, root: int, label: str) -> int:
    if re.fullmatch(r"[A-G][#b]*", bass):
        return (note_pitch_class(bass) - root) % 12
    degree = _DEGREE.fullmatch(bass)
    if degree is None:
        raise ChordError(f"chord {label!r} has a bass {bass!r} that is neither a note A-G nor a degree such as 3 or b7")
    natural = _DEGREES[(int(degree[2]) - 1) % 7 + 1]
    return (natural + degree[1].count("#") - degree[1].count("b")) % 12


def _suffix(quality: str, label: str) -> tuple[str, bool]:
    """The vocabulary suffix of a chord type, and whether anything was lost."""
    # MIR names write additions in brackets, C:maj(9); after a plain triad these do not imply a seventh.
    bracket = re.fullmatch(r"(maj|min|dim|aug|sus2|sus4|)\((?:\*?[#b]*\d+,?)+\)", quality)
    if bracket is not None and bracket[1]:
        suffix, _ = _suffix(bracket[1], label)
        return suffix, True
    plain = _spell(re.sub(r"[(),\s]", "", quality))
    if plain in INTERVALS:
        return plain, False
    shorter = _ADDED.sub("", plain)
    while True:
        if shorter in INTERVALS:
            return shorter, True
        if shorter in REDUCTIONS:
            return REDUCTIONS[shorter], True
        if not _TENSION.search(shorter):
            break
        shorter = _TENSION.sub("", shorter)
    known = ", ".join(["maj", *[s for s in INTERVALS if s], *sorted(REDUCTIONS)])
    raise ChordError(f"chord {label!r} has an unknown type {quality!r}; known types: {known}")


def _spell(quality: str) -> str:
    """One spelling of a chord type: ``-7``, ``min7`` and ``mi7`` are ``m7``; ``Δ`` is ``maj7``; ``ø`` is ``m7b5``."""
    quality = re.sub(r"[+](?=(?:5|9|11|13))", "#", quality) if quality[:1].isdigit() else quality
    quality = re.sub(r"(?<=[0-9])-(?=(?:5|9|11|13))", "b", quality)
    if quality[:1].isdigit() and quality.endswith("+"):
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
            rest = quality[head.end() :]
            if spelled == "m":
                rest = _minor_rest(rest)
            quality = _join(spelled, rest)
            break
    return {"maj": "", "maj6": "6", "aug5": "aug", "#5": "aug", "+5": "aug", "dim5": "dim", "mb5": "dim"}.get(
        quality, quality
    )


def _minor_rest(rest: str) -> str:
    """``M7``, ``maj7`` and ``Δ`` after a minor sign are the major seventh of mMaj7."""
    triangle = _TRIANGLE.match(rest)
    if triangle is not None:
        return "maj7" + rest[triangle.end() :]
    major = _MAJOR.match(rest)
    return rest if major is None else "maj" + rest[major.end() :]


def _join(spelled: str, rest: str) -> str:
    """Δ9 is maj9, not maj79; ø9 is m9b5."""
    if spelled == "maj7" and re.match(r"9|11|13", rest):
        return "maj" + rest
    if spelled == "m7b5" and rest in ("9", "11"):
        return f"m{rest}b5"
    return spelled + rest
