"""Listeners who are simulated, to see whether the statistics keep what they promise.

    python -m flowmusic.listening.simulate

prints how often intervals hold the truth, how often a difference is found that is there or is not, who is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flowmusic.listening.analyse import analyse
from flowmusic.listening.results import Answers, Choice, Rating, Recognised

TRUTH: Mapping[str, float] = {"ours": 60.0, "peer": 60.0, "other": 52.0}
"""Mean rating of each condition over all listeners and items there could be."""

DRAWS = 400


@dataclass(frozen=True)
class Panel:
    """How listeners and items differ: standard deviations in points of the scale from 0 to 100."""

    listeners: int = 16
    items: int = 8
    taste: float = 5.0
    """Of a listener's own level, and as much of their level of one condition."""
    piece: float = 5.0
    """Of an item, and as much of a condition's luck with it."""
    noise: float = 8.0

    def ratings(self, random: np.random.Generator, truth: Mapping[str, float] = TRUTH, guessing: int = 0) -> Answers:
        """A MUSHRA test; the last ``guessing`` listeners move all sliders at random."""
        names = [*truth, "reference"]
        shape = (self.listeners, self.items, len(names))
        level = np.array([*truth.values(), 97.0])
        values = level + random.normal(0.0, self.noise, shape)
        for deviation, alike, each in (
            (self.taste, (shape[0], 1, 1), (shape[0], 1, shape[2])),
            (self.piece, (1, shape[1], 1), (1, *shape[1:])),
        ):
            values += random.normal(0.0, deviation, alike) + random.normal(0.0, deviation, each)
        # Who hears the hidden reference gives it 100, now and then a little less.
        values[..., -1] = 100.0 - np.abs(random.normal(0.0, 4.0, shape[:2]))
        if guessing:
            values[-guessing:] = random.uniform(0.0, 100.0, values[-guessing:].shape)
        values = values.clip(0.0, 100.0)
        return Answers("simulated", [
            Rating("quality", f"item{i}", f"listener{n:03}", name, float(values[n, i, c]), name == "reference")
            for n in range(shape[0]) for i in range(shape[1]) for c, name in enumerate(names)
        ])  # fmt: skip

    def choices(self, random: np.random.Generator, strengths: Mapping[str, float]) -> Answers:
        """All pairs on all items by the model of Bradley and Terry."""
        names = sorted(strengths)
        rows = []
        for first, a in enumerate(names):
            for b in names[first + 1 :]:
                wins = random.random((self.listeners, self.items)) < 1 / (1 + np.exp(strengths[b] - strengths[a]))
                rows += [
                    Choice("better", f"item{i}", f"listener{n:03}", a, b, float(wins[n, i]))
                    for n in range(self.listeners)
                    for i in range(self.items)
                ]
        return Answers("simulated", choices=rows)

    def recognised(self, random: np.random.Generator, hearing: float) -> Answers:
        """ABX by listeners of whom each hears the difference in this share of the trials, and else guesses."""
        right = random.random((self.listeners, self.items)) < hearing + (1.0 - hearing) / 2.0
        return Answers("simulated", recognised=[
            Recognised("same", f"item{i}", f"listener{n:03}", "ours", bool(right[n, i]))
            for n in range(self.listeners) for i in range(self.items)
        ])  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """Shares over many studies."""

    coverage: float
    """Of 95 % intervals of means that hold the truth."""
    false_alarms: float
    """Of studies in which any two of equal conditions are told apart after the correction."""
    power: float
    """Of studies in which a difference of eight points is found after the correction."""


def ratings_kept(panel: Panel, studies: int, seed: int = 0) -> Kept:
    """Studies with one condition eight points below the others, and as many where all are equal."""
    random = np.random.default_rng(seed)
    equal = dict.fromkeys(TRUTH, 60.0)
    covered, found, alarms = [], 0, 0
    for _ in range(studies):
        part = analyse(panel.ratings(random), draws=DRAWS)["ratings"]["quality"]
        covered += [
            part["conditions"][name]["low"] <= truth <= part["conditions"][name]["high"]
            for name, truth in TRUTH.items()
        ]
        found += any(row["p_holm"] < 0.05 for row in part["pairs"] if {row["a"], row["b"]} == {"ours", "other"})
        pairs = analyse(panel.ratings(random, equal), draws=DRAWS)["ratings"]["quality"]["pairs"]
        alarms += any(row["p_holm"] < 0.05 for row in pairs)
    return Kept(float(np.mean(covered)), alarms / studies, found / studies)


def left_out(panel: Panel, guessing: int, studies: int, seed: int = 0) -> tuple[float, float]:
    """Shares of guessing and of honest listeners who are left out."""
    random = np.random.default_rng(seed)
    wrong = right = 0
    for _ in range(studies):
        names = {each["listener"] for each in analyse(panel.ratings(random, guessing=guessing), draws=10)["left_out"]}
        guessed = {f"listener{n:03}" for n in range(panel.listeners - guessing, panel.listeners)}
        right += len(names & guessed)
        wrong += len(names - guessed)
    return right / (studies * guessing), wrong / (studies * (panel.listeners - guessing))


def main() -> None:
    """Print all of it."""
    for panel in (Panel(listeners=8, items=5), Panel(), Panel(listeners=30, items=20)):
        kept = ratings_kept(panel, studies=200)
        print(
            f"{panel.listeners} listeners, {panel.items} items: intervals hold the truth {kept.coverage:.3f}, "
            f"false alarms {kept.false_alarms:.3f}, eight points found {kept.power:.3f}"
        )
    guessing, honest = left_out(Panel(), guessing=4, studies=100)
    print(f"left out: {guessing:.3f} of those who guess, {honest:.3f} of the others")


if __name__ == "__main__":
    main()
