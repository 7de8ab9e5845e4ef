"""For words that the list does not hold: the fact whose words lie nearest by the text encoder, if near enough.

A phrase is the mean of its token states, as all-MiniLM-L6-v2 was trained to be compared (Reimers & Gurevych 2019,
arXiv 1908.10084).  A guess needs a cosine of :data:`LEAST` and must be :data:`AHEAD` of the words of every other value,
and of :data:`OTHER_THINGS`: silence is better than a wrong fact.  ``benchmarks/words_by_meaning.py`` prints what is
guessed of words kept out of the list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic import tensors
from flowmusic.files import replacing
from flowmusic.inputs.words import english
from flowmusic.inputs.words.senses import Guess

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.model.text import TextEncoder

LEAST, AHEAD = 0.7, 0.05
"""Cosine from which a guess counts, and how far the words of any other value must be behind."""
_EACH = 12
"""Words of the list that stand for each value: the first, most common ones, and none of several words, as parts of
those draw in what has nothing to do with music (a cathedral would be an organ)."""
OTHER_THINGS = (
    "place building nature weather food animal person time colour night season city travel story water technology "
    "sport "
    "event film holiday sleep money body machine vehicle plant sea sky light house door room church work job war "
    "country "
    "language book letter picture paint cloth clothes dress king queen god angel devil friend mother father baby boy "
    "girl "
    "man woman family hair eye hand head heart foot face stone iron ice rock sand metal rain sun moon star earth "
    "tree leaf "
    "grass flower fruit bird fish dog horse cow insect wolf lion tea milk sugar salt meat drink bar pub hotel farm "
    "village "
    "town bridge ship boat plane bus walk run jump swim fly drive ride throw catch build break open close begin end "
    "top "
    "bottom left right north south east west america europe africa asia england germany france spain china india "
    "russia "
    "mexico audio recording studio effect noise texture melody chord interval scale ornament technique instrument "
    "player "
    "performance audience dance school teacher student doctor police soldier business office market shop price "
    "future past "
    "memory idea dream secret magic ghost monster hero adventure game toy"
).split()
"""What a prompt may be about as well; a word that is nearest to one of these says no fact."""
_NOTHING = ("", "")
FILE = Path(__file__).with_suffix(".safetensors")
"""Unit vectors of :func:`listed` in half precision: encoding them takes longer than a short take."""


class ByMeaning:
    """Guesses facts by meaning.

    Args:
        encoder: one of its own, as what it is asked is remembered in half precision; loaded on the first guess.
        least, ahead: in place of :data:`LEAST` and :data:`AHEAD`.
    """

    def __init__(self, encoder: TextEncoder, least: float = LEAST, ahead: float = AHEAD) -> None:
        self.encoder, self.least, self.ahead = encoder, least, ahead
        self._known: tuple[list[tuple[str, str]], Tensor] | None = None

    def __call__(self, phrases: Sequence[str]) -> list[Guess | None]:
        """A guess, or None, for each phrase."""
        import torch

        if not phrases:
            return []
        values, known = self._list()
        close = self.vectors(phrases) @ known.T
        found: list[Guess | None] = []
        of_value = {value: torch.tensor([value == other for other in values]) for value in dict.fromkeys(values)}
        for row in close:
            best = sorted(((float(row[rows].max()), value) for value, rows in of_value.items()), reverse=True)
            (first, value), (second, _) = best[0], best[1]
            near = value != _NOTHING and first >= self.least and first - second >= self.ahead
            found.append(Guess(*value, first) if near else None)
        return found

    def _list(self) -> tuple[list[tuple[str, str]], Tensor]:
        if self._known is None:
            rows = listed()
            vectors = _shipped(rows, self.encoder.fingerprint)
            phrases = [phrase for _, phrase in rows]
            self._known = [value for value, _ in rows], self.vectors(phrases) if vectors is None else vectors
        return self._known

    def vectors(self, phrases: Sequence[str]) -> Tensor:
        """Unit vectors.  Shape: ``[N, 384]``."""
        import torch

        self.encoder.remember(phrases)
        rows = torch.stack([self.encoder.states(phrase).mean(0) for phrase in phrases])
        return torch.nn.functional.normalize(rows, dim=-1)


def listed() -> list[tuple[tuple[str, str], str]]:
    """Each phrase that a word is compared with, after the fact and value that it stands for."""
    rows = [(_NOTHING, word) for word in OTHER_THINGS]
    for fact, table in (
        ("instruments", english.INSTRUMENTS), ("drums", {"yes": english.DRUMS}), ("genre", english.GENRES),
        ("mood", english.MOODS), ("energy", english.ENERGIES), ("tempo", english.TEMPI),
    ):  # fmt: skip
        for value, words in table.items():
            phrases = [phrase.strip() for phrase in words.split(",")]
            single = [phrase for phrase in phrases if " " not in phrase][:_EACH] or phrases[:1]
            rows += [((fact, value), phrase) for phrase in single]
    return rows


def _shipped(rows: Sequence[tuple[tuple[str, str], str]], encoder: str) -> Tensor | None:
    """Their vectors as they come with the package; None where they are of another list or encoder."""
    from flowmusic import eight_bit

    vectors, about = tensors.read(FILE, most=2**22)
    return eight_bit.unpack(vectors)["vectors"].float() if about == _about(rows, encoder) else None


def _about(rows: Sequence[tuple[tuple[str, str], str]], encoder: str) -> dict[str, str]:
    return {"list": hashlib.sha256(repr(list(rows)).encode()).hexdigest(), "encoder": encoder}


def write() -> None:
    """Write :data:`FILE` anew: after a change of the list, ``python -m flowmusic.inputs.words.meaning``."""
    from safetensors.torch import save_file

    from flowmusic import eight_bit
    from flowmusic.model.text import TextEncoder

    encoder, rows = TextEncoder(), listed()
    vectors = ByMeaning(encoder).vectors([phrase for _, phrase in rows])
    with replacing(FILE) as temporary:
        save_file(eight_bit.pack({"vectors": vectors}), temporary, metadata=_about(rows, encoder.fingerprint))


if __name__ == "__main__":
    write()
