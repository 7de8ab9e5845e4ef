"""Facts of a piece in a closed vocabulary: who plays, drums or none, genre, mood, energy, tempo class and key.

Free text is for what has no name here.  A fact is either said or left open, and each may be left open by itself: it is
dropped by itself in training, and a person sets those that matter.

>>> asked = Facts(instruments=frozenset({"piano"}), drums=False)
>>> asked.said()
{'instruments': ['piano'], 'drums': False}
>>> asked.over(Facts(genre="jazz", drums=True)).said()
{'instruments': ['piano'], 'drums': False, 'genre': 'jazz'}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

INSTRUMENTS: Mapping[str, tuple[int, ...]] = {
    "piano": (0, 1, 2, 3),
    "electric piano": (4, 5),
    "harpsichord": (6,),
    "clavinet": (7,),
    "bells": (8, 9, 10, 14),
    "vibraphone": (11,),
    "marimba": (12, 13),
    "dulcimer": (15,),
    "organ": (16, 17, 18),
    "church organ": (19,),
    "accordion": (20, 21, 23),
    "harmonica": (22,),
    "acoustic guitar": (24, 25),
    "electric guitar": (26, 27, 28),
    "distorted guitar": (29, 30, 31),
    "double bass": (32, 43),
    "bass guitar": (33, 34, 35, 36, 37),
    "synth bass": (38, 39),
    "violin": (40, 41, 110),
    "cello": (42,),
    "strings": (44, 48, 49),
    "pizzicato strings": (45,),
    "harp": (46,),
    "synth strings": (50, 51),
    "choir": (52, 53, 54, 91),
    "trumpet": (56, 59),
    "trombone": (57,),
    "french horn": (60,),
    "brass": (58, 61, 62, 63),
    "saxophone": (64, 65, 66, 67),
    "oboe": (68, 69, 111),
    "bassoon": (70,),
    "clarinet": (71,),
    "flute": (72, 73, 74, 75, 76, 77, 79),
    "synth lead": (80, 81, 82, 83, 84, 85, 86, 87),
    "synth pad": (88, 89, 90, 92, 93, 94, 95),
    "sitar": (104,),
    "banjo": (105,),
    "koto": (106, 107),
    "kalimba": (108,),
}
"""The forty pitched instruments, in the order of their ids, and the General MIDI programs (from 0) of each.

Programs that a listener would not tell apart are one; sound effects and pitched percussion without a melody are none.
"""

GENRES: tuple[str, ...] = (
    "pop", "rock", "jazz", "bossa nova", "funk", "soul", "lo-fi", "hip hop", "house", "techno", "drum and bass",
    "synthwave", "disco", "ambient", "ballad", "folk", "country", "celtic", "reggae", "latin", "afrobeat", "metal",
    "blues", "classical", "cinematic", "video game", "world",
)  # fmt: skip
MOODS: tuple[str, ...] = ("bright", "dark", "mixed", "restless")
"""By the share of sounding time on major chords; restless is music without a key."""
ENERGIES: tuple[str, ...] = ("calm", "steady", "lively")
"""By onsets a second: below 3.2, below 6, above."""
TEMPI: tuple[str, ...] = ("slow", "medium", "fast")
"""By felt beats a minute: below 88, below 122, above."""
PACES: Mapping[str, float] = {"slow": 72.0, "medium": 104.0, "fast": 140.0}
"""Beats a minute that stand for a tempo where a beat grid is to have one."""
_ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KEYS: tuple[str, ...] = tuple(f"{root} {mode}" for mode in ("major", "minor") for root in _ROOTS)
"""With the roots spelled as those of chords are."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "genre": GENRES,
    "mood": MOODS,
    "energy": ENERGIES,
    "tempo": TEMPI,
    "key": KEYS,
}
"""The facts that are one of several words, and the words."""

_NAME_OF = {program: name for name, programs in INSTRUMENTS.items() for program in programs}


def instrument_of(program: int) -> str | None:
    """The instrument that a General MIDI program (0-127) stands for; None for one that has no name here.

    >>> instrument_of(0), instrument_of(122)
    ('piano', None)
    """
    return _NAME_OF.get(program)


@dataclass(frozen=True)
class Facts:
    """What is said of a piece; None is not said.

    Args:
        instruments: the pitched instruments that play, names of :data:`INSTRUMENTS`; empty: none plays.  What is not
            among them does not play.
        drums: whether there are any.
        genre, mood, energy, tempo, key: one of :data:`CHOICES`.

    Raises: ValueError for a word that is not in the vocabulary.
    """

    instruments: frozenset[str] | None = None
    drums: bool | None = None
    genre: str | None = None
    mood: str | None = None
    energy: str | None = None
    tempo: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        for name in sorted(self.instruments or ()):
            _check("instruments", name, tuple(INSTRUMENTS))
        if not (self.drums is None or isinstance(self.drums, bool)):
            raise ValueError(f"the fact drums must be true or false, got {str(self.drums)[:40]!r}")
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value is not None:
                _check(name, value, allowed)

    def said(self) -> dict[str, Any]:
        """The facts that are said, as plain data in the order of the vocabulary; :meth:`of` reads it back."""
        plain: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None:
                plain[each.name] = [n for n in INSTRUMENTS if n in value] if each.name == "instruments" else value
        return plain

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Facts:
        """From plain data, as :meth:`said` gives it.  Raises: ValueError for what is no fact."""
        names = [each.name for each in fields(Facts)]
        unknown = [name for name in plain if name not in names]
        if unknown:
            raise ValueError(f"unknown fact {unknown[0]!r}; allowed: {', '.join(names)}")
        values = dict(plain)
        instruments = values.get("instruments")
        if instruments is not None:
            if not isinstance(instruments, list | tuple | frozenset | set):
                raise ValueError("the fact instruments must be a list of names")
            for name in instruments:
                _check("instruments", name, tuple(INSTRUMENTS))
            values["instruments"] = frozenset(instruments)
        return Facts(**values)

    def over(self, other: Facts) -> Facts:
        """These facts, and where one is not said, the other's."""
        return Facts(**{
            each.name: getattr(other, each.name) if getattr(self, each.name) is None else getattr(self, each.name)
            for each in fields(self)
        })  # fmt: skip


def _check(fact: str, word: object, allowed: tuple[str, ...]) -> None:
    if not isinstance(word, str) or word not in allowed:
        raise ValueError(f"unknown word {str(word)[:40]!r} for {fact}; allowed: {', '.join(allowed)}")
