"""One request as several takes that fit together: all of it, its drums alone, and all but the drums.

The same seed, tempo and harmony; words and controls changed so that the model leaves something out.  How well it does
is in docs/loops.md.
"""

from __future__ import annotations

from dataclasses import replace

from flowmusic.controls.drums import onsets_to_track
from flowmusic.types import Controls, FrameGrid, Prompt, Track

FULL, DRUMS, NO_DRUMS = "full", "drums", "no-drums"
PARTS = (FULL, DRUMS, NO_DRUMS)
SAID = {DRUMS: "drums only, drum loop", NO_DRUMS: "no drums"}
HARMONIC = ("chords", "melody")


def part(controls: Controls, name: str, grid: FrameGrid) -> Controls:
    """What to ask for to be given a part of what ``controls`` ask for.

    Args:
        controls: of the whole.
        name: one of ``PARTS``.
        grid: of the take.

    Raises: ValueError for an unknown name.

    >>> part(Controls(("funk",)), "no-drums", FrameGrid.of_seconds(1, 25)).text
    ('funk, no drums',)
    """
    if name not in PARTS:
        raise ValueError(f"unknown part {name!r}; choose from {', '.join(PARTS)}")
    if name == FULL:
        return controls
    text = tuple(_with(words, SAID[name]) for words in controls.text)
    if name == DRUMS:
        tracks = {key: track for key, track in controls.tracks.items() if key not in HARMONIC}
        return replace(controls, text=text, tracks=tracks)
    # A drum track that is known and holds no hit.
    silent = onsets_to_track((), grid)
    batch = controls.batch
    values, known = silent.values.expand(batch, *silent.values.shape), silent.known.expand(batch, -1)
    return replace(controls, text=text, tracks={**controls.tracks, "drums": Track(values, known, grid)})


def _with(words: Prompt, more: str) -> Prompt:
    if words is None:
        return more
    return f"{words}, {more}" if isinstance(words, str) else words
