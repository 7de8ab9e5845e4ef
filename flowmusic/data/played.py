"""Facts of clips, and who plays in them, as a store in memory holds them; windows have facts of their own.

A clip that plays the piano in its second half alone has a first half without piano: instruments and drums of a window
are those that sound in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from flowmusic.controls.instruments import NAME, check, heard, to_track
from flowmusic.data.clip_checks import KNOWN, PLAYERS, SAID
from flowmusic.facts import Facts
from flowmusic.types import FrameGrid


def told(info: Mapping[str, Any]) -> dict[str, Any]:
    """What a clip's description says of them: ``facts`` and spans of ``players``, each only where it is there."""
    found: dict[str, Any] = {}
    if info.get(SAID) is not None:
        found[SAID] = Facts.of(info[SAID])
    if info.get(PLAYERS) is not None:
        found[PLAYERS] = check(info[PLAYERS])
    return found


def tensors_of(clips: Sequence[Mapping[str, Any]], frame_rate: Fraction) -> dict[str, Tensor]:
    """The track of instruments of all clips, ``[F, 40]`` uint8 and ``[F]`` bool; empty where no clip tells.

    A byte and no half: the values are 0 and 1, and 11 hours at 25 Hz take 40 MB.
    """
    if not any(PLAYERS in clip for clip in clips):
        return {}
    values, known = [], []
    for clip in clips:
        spans, frames = clip.get(PLAYERS), int(clip["frames"])
        made = to_track(spans or (), FrameGrid(frame_rate, frames))
        values.append(made.values.to(torch.uint8))
        known.append(torch.full((frames,), spans is not None))
    return {NAME: torch.cat(values), NAME + KNOWN: torch.cat(known)}


def of_window(clip: Mapping[str, Any], frame_rate: Fraction, first: int, length: int) -> Facts | None:
    """The facts of a window of a clip, in frames; None where the clip tells none."""
    if SAID not in clip and PLAYERS not in clip:
        return None
    return heard(clip.get(SAID) or Facts(), clip.get(PLAYERS), frame_rate, first, length)
