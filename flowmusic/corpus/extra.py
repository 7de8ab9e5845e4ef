"""Genres that no corpus contains unless they are asked for by name (`flowmusic corpus --genres tango`).

They serve what a trained model has never heard: fine-tuning on a new genre, and tests of forgetting.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowmusic.corpus.genres import GENRES, Genre

EXTRA: tuple[Genre, ...] = (
    Genre(
        "tango",
        ("tango", "argentine tango", "tango orchestra", "milonga"),
        (108, 128),
        ("habanera", "milonga", "marcato", "sincopa"),
        ("piano", "strings"),
        ("strings",),
        ("upright",),
        ("free reed", "bowed"),
        (40, 32),
        0.0,
        0.6,
        firm=0.9,
        meters=("4/4",),
        modes=("harmonic minor",),
        basses=("dotted", "dotted", "pulse"),
        comps=("quarters", "quarters", "charleston", "oom-pah"),
        cadences=(
            ((0, "m"), (5, "m6"), (7, "7"), (0, "m")),
            ((0, "m"), (10, "maj"), (8, "maj"), (7, "7")),
            ((0, "m6"), (1, "maj"), (7, "7"), (0, "m")),
            ((2, "m7b5"), (7, "7"), (0, "m6")),
            ((8, "7"), (7, "7"), (0, "m")),
            ((0, "m"), (7, "7/3"), (5, "m6"), (7, "7")),
            ((6, "dim"), (7, "7"), (0, "m")),
            ((0, "m"), (9, "m7b5"), (8, "7"), (7, "7")),
            ((5, "m"), (0, "m"), (7, "aug"), (0, "m")),
            ((0, "7"), (5, "m6"), (11, "dim"), (0, "m")),
            ((3, "maj"), (2, "dim"), (1, "maj"), (0, "m6")),
        ),
    ),
)


def named(names: Sequence[str]) -> tuple[Genre, ...]:
    """Genres by name, ordinary or extra; for no names, those of every corpus.

    Raises: ValueError that lists the names, for one that does not exist.
    """
    known = {genre.name: genre for genre in (*GENRES, *EXTRA)}
    for name in names:
        if name not in known:
            raise ValueError(f"unknown genre {name!r}: use {', '.join(known)}")
    return tuple(known[name] for name in names) or GENRES
