"""One request as several takes that fit together: all of it, its drums alone, and all but the drums.

The same seed, tempo and harmony; words, controls and guidance are changed so that the model leaves something out.  How
well it does is in docs/loops.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from flowmusic.controls.empty import empty
from flowmusic.types import Controls, FrameGrid, Prompt

FULL, DRUMS, NO_DRUMS = "full", "drums", "no-drums"
PARTS = (FULL, DRUMS, NO_DRUMS)
SAID: Mapping[str, str] = {DRUMS: "drums only, drum loop", NO_DRUMS: "no drums"}
EMPTY: Mapping[str, tuple[str, ...]] = {FULL: (), DRUMS: ("chords", "melody"), NO_DRUMS: ("drums",)}
"""The tracks of each part that are known and hold nothing: no chord, no note, no hit."""
DRUM_GUIDANCE = 2.0
"""By how much more the empty drum track is followed."""


def part(controls: Controls, name: str, grid: FrameGrid, reads: Collection[str]) -> Controls:
    """What to ask for to be given a part of what ``controls`` ask for.

    Args:
        controls: of the whole.
        name: one of ``PARTS``.
        grid: of the take.
        reads: the tracks that the model reads.

    Raises: ValueError for an unknown name.

    >>> found = part(Controls(("funk",)), "no-drums", FrameGrid.of_seconds(1, 25), ("chords", "drums"))
    >>> found.text, bool(found.tracks["drums"].known.all()), float(found.tracks["drums"].values.sum())
    (('funk, no drums',), True, 0.0)
    """
    if name not in PARTS:
        raise ValueError(f"unknown part {name!r}; choose from {', '.join(PARTS)}")
    if name == FULL:
        return controls
    nothing = {key: empty(key, grid, controls.batch) for key in EMPTY[name] if key in reads}
    return replace(
        controls, text=tuple(_with(words, SAID[name]) for words in controls.text), tracks={**controls.tracks, **nothing}
    )


def guidance(weights: Mapping[str, float], name: str) -> Mapping[str, float]:
    """Weights by name for a part, where they are of several sources and not of double guidance.

    >>> guidance({"all": 3.0}, "no-drums")
    {'all': 3.0, 'drums': 2.0}
    """
    if name != NO_DRUMS or {"alpha", "beta"} & set(weights):
        return weights
    return {**weights, "drums": weights.get("drums", 0.0) + DRUM_GUIDANCE}


def _with(words: Prompt, more: str) -> Prompt:
    if words is None:
        return more
    return f"{words}, {more}" if isinstance(words, str) else words
