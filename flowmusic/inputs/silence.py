"""No drums, as the control of drums says it: known silence.

A fact is overheard now and then, a control is obeyed (docs/facts.md has the figures).  So music that is to have no
drums is told so in both ways, unless the request says itself when there are hits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flowmusic.facts import Facts

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.types import Controls, FrameGrid

DRUMS = "drums"
TOLD = "no drums: the control of drums is silence"


def wanted(facts: Facts, model: Generator) -> bool:
    """Whether there are to be no drums, and the model can be told when: not if it hears them as sound."""
    return facts.drums is False and DRUMS in model.controls and not model.drums_as_codes


def added(facts: Facts, controls: Controls, grid: FrameGrid, model: Generator, notices: list[str]) -> Controls:
    """The controls of a request, a batch of one, with silent drums where none are wanted.  Adds to ``notices``."""
    from flowmusic.controls.empty import empty

    if DRUMS in controls.tracks or not wanted(facts, model):
        return controls
    notices.append(TOLD)
    return replace(controls, tracks={**controls.tracks, DRUMS: empty(DRUMS, grid)})


def ended(facts: Facts, old: Controls, model: Generator) -> frozenset[str]:
    """The tracks of a source that are let go of: silent drums, where drums are wanted now."""
    from flowmusic.controls import drums

    heard = old.tracks.get(DRUMS)
    if facts.drums is not True or heard is None or model.drums_as_codes:
        return frozenset()
    return frozenset() if drums.onsets_from_track(heard) else frozenset({DRUMS})
