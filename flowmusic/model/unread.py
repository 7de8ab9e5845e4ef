"""What of a prompt a text encoder does not read: words that it has no piece for, and words beyond its length.

An encoder turns every text into states, also one that it knows nothing of: ``[UNK]`` in place of an emoji, or single
letters of another script, which its pieces hold but English training never joined to a meaning.  So a word counts as
known when at least one of its pieces holds Latin letters or digits.  Whether a Latin word is English is not judged.
"""

from __future__ import annotations

import unicodedata
from typing import Protocol

from flowmusic.model import pseudowords
from flowmusic.model.pseudowords import Mention


class Reader(Protocol):
    """What is asked of a text encoder here."""

    @property
    def limit(self) -> int | None:
        """Pieces that are read; None for any number."""
        ...

    @property
    def reads(self) -> str:
        """What it was trained to read, for advice."""
        ...

    def pieces(self, word: str) -> list[str]:
        """The pieces of a word, with an empty text for each that is not known."""
        ...

    def length_of(self, mention: Mention) -> int:
        """Positions that a pseudoword takes."""
        ...


def notices(encoder: Reader, text: str) -> list[str]:
    """What the person who wrote a prompt should know, in sentences; an empty list where all of it is read.

    Pseudowords are known.  Raises: ValueError for those that are badly written.
    """
    words: list[str] = []
    known: list[str] = []
    strange: list[str] = []
    used, late = 0, 0
    for word, length in _words(encoder, text):
        if encoder.limit is not None and used >= encoder.limit:
            late += _is_word(word)
            words += [word] if _is_word(word) else []
            continue
        pieces = [] if length else encoder.pieces(word)
        used += length or len(pieces)
        if not length and not _is_word(word):
            continue
        words.append(word)
        if encoder.limit is not None and used > encoder.limit:
            late += 1
        if length or any(map(_is_latin, pieces)):
            known.append(word)
        elif word not in strange:
            strange.append(word)
    found = []
    if not known:
        lacks = "nothing of it is known to the text encoder" if words else "it holds no words"
        found.append(f"the take follows no words of the prompt {_shown(text)}: {lacks}; write {encoder.reads}")
    elif strange:
        some = ", ".join(map(_shown, strange[:3]))
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        found.append(f"not known to the text encoder in the prompt: {some}{more}; write {encoder.reads}")
    if late:
        found.append(
            f"the prompt is too long for the text encoder, which reads {encoder.limit} word pieces: {late} of its "
            f"{len(words)} words are not read, from {_shown(words[-late])} on"
        )
    return found


def _words(encoder: Reader, text: str) -> list[tuple[str, int]]:
    """Words between spaces; with a pseudoword the number of its vectors, else 0."""
    found: list[tuple[str, int]] = []
    for part in pseudowords.parse(text):
        if isinstance(part, Mention):
            found.append((f"<{part.name}>", encoder.length_of(part)))
        else:
            found += [(word, 0) for word in part.split()]
    return found


def _is_word(word: str) -> bool:
    """Letters, digits or a pictogram, and not punctuation alone."""
    return any(letter.isalnum() or unicodedata.category(letter) == "So" for letter in word)


def _is_latin(piece: str) -> bool:
    return any(
        letter.isdigit() or (letter.isalpha() and unicodedata.name(letter, "").startswith("LATIN")) for letter in piece
    )


def _shown(text: str, most: int = 30) -> str:
    return repr(text) if len(text) <= most else f"{text[:most]!r}..."
