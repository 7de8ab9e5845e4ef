"""Harmony without an end, by the composer's own progressions: for who gives no chords."""

from __future__ import annotations

from random import Random

from flowmusic.corpus import harmony
from flowmusic.corpus.splits import stream
from flowmusic.corpus.theory import Chord

BARS, TIMES, SECTIONS = 4, 4, (0, 0, 1, 0)
"""A progression is so many bars long and is heard so many times; A A B A, and then two new ones."""


class Endless:
    """Chord labels by bar, the same for the same seed: a walk through the degrees of one key.

    >>> first = Endless(3)
    >>> [first(bar) for bar in range(4)] == [Endless(3)(bar) for bar in range(4)] == [first(bar) for bar in range(4, 8)]
    True
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        rng = stream(seed, "endless")
        self.tonic, self.mode = rng.randrange(12), rng.choice(("major", "minor", "dorian", "mixolydian"))
        self._style = harmony.HarmonyStyle(self.mode, "walk", rng.choice((0.05, 0.3, 0.6)), 0.05, 0.1)
        self._drawn: dict[int, list[list[Chord]]] = {}

    def __call__(self, bar: int) -> tuple[str, ...]:
        """The chord of a bar, counted from 0."""
        section, within = divmod(bar, BARS * TIMES)
        round_, place = divmod(section, len(SECTIONS))
        if round_ not in self._drawn:
            rng: Random = stream(self._seed, f"endless {round_}")
            both = [harmony.progression(rng, self._style, BARS, "train") for _ in range(2)]
            self._drawn = {round_: both}  # what was is not heard again
        chord = self._drawn[round_][SECTIONS[place]][within % BARS]
        return (chord.up(self.tonic).label,)
