"""JASCO's pre-processing: chord frames, melody resampling, drum blur, and the two tables of sinusoids."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction

from torch import Tensor

from flowmusic.controls.bottleneck import block_blur, jasco_melody, one_hot
from flowmusic.controls.chords import to_track
from flowmusic.model.jasco.field import time_features
from flowmusic.model.jasco.layers import positions
from flowmusic.types import FrameGrid

KIND = "jasco_aux"
BLUR = 3
FOREVER_S = 1e6


def recompute(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, list[Tensor]]:
    """Every result of a file."""
    rate = Fraction(metadata.get("frame_rate", "50")).limit_denominator(1000)
    seconds = float(metadata.get("segment_duration", "10"))
    results: dict[str, list[Tensor]] = {}
    for index, case in enumerate(json.loads(metadata.get("chord_cases", "[]"))):
        results[f"chords.{index}.frame_ids"] = [chord_frames(case, round(seconds * rate), rate)]
    for index, case in enumerate(json.loads(metadata.get("melody_cases", "[]"))):
        salience = tensors[f"melody.{index}.salience_in"]
        mixed = jasco_melody(salience, float(case["offset"]), seconds, int(rate))
        results[f"melody.{index}.out_argmax0"] = [mixed]
        results[f"melody.{index}.out_argmax1"] = [one_hot(mixed.T).T]
    for name, tensor in tensors.items():
        if blurred := re.fullmatch(r"(blur\.\d+)\.in", name):
            results[f"{blurred[1]}.out"] = [block_blur(tensor, BLUR)]
        elif table := re.fullmatch(r"pos\.dim(\d+)_T(\d+)", name):
            results[name] = [positions(int(table[2]), int(table[1]))]
        elif features := re.fullmatch(r"time\.emb(\d+)", name):
            results[name] = [time_features(tensors["time.t"], int(features[1]))]
    return results


def chord_frames(case: Mapping[str, object], frames: int, rate: Fraction) -> Tensor:
    """Ids ``[frames]`` of a segment that begins at frame ``min_frame``, with the chord ``prev`` carried into it."""
    first, carried = int(str(case["min_frame"])), str(case["prev"] or "N")
    changes: list[tuple[str, float]] = [(str(label), float(start)) for label, start in case["chords"]]  # type: ignore[attr-defined]
    starts = [start for _, start in changes] + [FOREVER_S]
    spans = [(0.0, starts[0], carried), *((s, e, label) for (label, s), e in zip(changes, starts[1:], strict=True))]
    track = to_track(spans, FrameGrid(rate, first + frames))
    ids: Tensor = track.values[first:]
    return ids
