"""Pseudowords: names in a prompt that stand for learned vectors instead of a dictionary's word.

Textual inversion (Gal et al. 2022, arXiv 2208.01618): K vectors in the *input* embedding space of a frozen text
encoder are all that a new concept takes.  In a prompt, ``<name>`` stands for the concept and ``<name>:0.6`` for 0.6 of
the way from the word that it was learned from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from flowmusic import limits

MAX_VECTORS = int(limits.limit("vectors").high)
MAX_SCALE = limits.limit("pseudoword_scale").high

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
# The scale takes in what looks like a number, "0,6" too, so that a slip is refused instead of read as another number.
_MENTION = re.compile(r"<([A-Za-z0-9_-]+)>(?::([-+]?(?:\d+(?:[.,]\d+)*|\.\d+)))?")


def check_name(name: str) -> str:
    """The name itself.  Raises: ValueError unless it is a word of [A-Za-z0-9_-], 1 to 32 letters."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a concept; use 1 to 32 of the characters A-Z, a-z, 0-9, _ and -")
    return name


@dataclass(frozen=True, eq=False)
class Concept:
    """What a pseudoword stands for.

    Shape: vectors ``[K, D]`` and initial ``[D]`` float, in the input embedding space of the text encoder.

    Args:
        name: as in a prompt, without brackets.
        vectors: one input embedding for each of K positions.
        initial: the embedding of the word that the learning started from.
        encoder: sha256 of the weights of the text encoder, without which the vectors mean nothing.
        record: how it was made (plain data: model, steps, seed, ...).

    Raises: ValueError for a name that is no word, or other shapes.
    """

    name: str
    vectors: Tensor
    initial: Tensor
    encoder: str
    record: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.vectors.ndim != 2 or not 1 <= len(self.vectors) <= MAX_VECTORS:
            raise ValueError(
                f"vectors of <{self.name}> must be [K, D] with K from 1 to {MAX_VECTORS}, "
                f"got shape {tuple(self.vectors.shape)}"
            )
        if self.initial.shape != self.vectors.shape[1:]:
            raise ValueError(
                f"initial of <{self.name}> must be [D={self.vectors.shape[1]}], got shape {tuple(self.initial.shape)}"
            )

    def scaled(self, scale: float = 1.0) -> Tensor:
        """``initial + scale (vectors - initial)``: 0 is the starting word, 1 the concept, more exaggerates it.

        Shape: ``[K, D]``.
        """
        return self.initial + scale * (self.vectors - self.initial)


@dataclass(frozen=True)
class Mention:
    """A pseudoword as it stands in a prompt."""

    name: str
    scale: float = 1.0


def parse(text: str) -> list[str | Mention]:
    """A prompt as stretches of plain text (empty ones left out) and mentions, in order.

    >>> parse("a <slow-rain>:0.6 waltz, <dusk>")
    ['a ', Mention(name='slow-rain', scale=0.6), ' waltz, ', Mention(name='dusk', scale=1.0)]

    Raises: ValueError for a scale that is no number from 0 to 10.
    """
    parts: list[str | Mention] = []
    end = 0
    for found in _MENTION.finditer(text):
        if plain := text[end : found.start()]:
            parts.append(plain)
        parts.append(Mention(found[1], 1.0 if found[2] is None else _scale(found[0], found[2])))
        end = found.end()
    if plain := text[end:]:
        parts.append(plain)
    return parts


def mentioned(text: str) -> list[str]:
    """Names of the pseudowords in a prompt, each once, in order."""
    return list(dict.fromkeys(found[1] for found in _MENTION.finditer(text))) if "<" in text else []


def _scale(mention: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= MAX_SCALE:
        raise ValueError(
            f"{limits.shown(mention)} in the prompt is scaled by {limits.shown(number)}; write a number from 0 "
            f"(the plain starting word) through 1 (the concept) to {MAX_SCALE:g}, with a decimal point"
        )
    return value
