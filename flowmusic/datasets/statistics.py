"""What is in some clips, as plain data that adds up: hours, licences, captions, how much of each control is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from flowmusic.controls import beats
from flowmusic.data.clip_checks import KNOWN
from flowmusic.data.shards import CONFIDENCE, ClipSample
from flowmusic.types import FrameGrid, Track

BPM_STEP = 5
"""Width of a bar of the tempo histogram."""
UNKNOWN = "not stated"

Statistics = dict[str, Any]
"""Numbers, and mappings of them."""


def of_clip(sample: ClipSample, frame_rate: Fraction) -> Statistics:
    """Statistics of one clip.

    Returns: ``clips``, ``captioned``, ``frames``; ``seconds`` by dataset; ``licences`` in seconds; per control
    ``known`` frames, the sum of its confidence over these (``sure``) and how many of them are surely right (``exact``);
    ``chords`` in frames by id; ``tempo`` in clips by the least bpm of a bar of :data:`BPM_STEP`.
    """
    seconds = float(sample.info["seconds"])
    found: Statistics = {
        "clips": 1,
        "captioned": int(bool(sample.info["captions"])),
        "frames": sample.frames,
        "seconds": {str(sample.info["dataset"] or "(none)"): seconds},
        "licences": {str(sample.info["licence"] or UNKNOWN): seconds},
        "known": {},
        "sure": {},
        "exact": {},
        "chords": {},
        "tempo": {},
    }
    for key, known in sample.tensors.items():
        if key.endswith(KNOWN):
            name = key.removesuffix(KNOWN)
            confidence = sample.tensors[name + CONFIDENCE].float()[known]
            found["known"][name] = int(known.sum())
            found["sure"][name] = round(float(confidence.sum()), 3)
            found["exact"][name] = int((confidence == 1.0).sum())
    if "chords" in sample.tensors:
        ids = sample.tensors["chords"][sample.tensors["chords" + KNOWN]]
        found["chords"] = {str(number): count for number, count in sorted(Counter(ids.tolist()).items())}
    if "beats" in sample.tensors:
        grid = FrameGrid(frame_rate, sample.frames)
        bpm = beats.tempo(Track(sample.tensors["beats"].float(), sample.tensors["beats" + KNOWN], grid))
        if bpm is not None:
            found["tempo"] = {str(int(bpm // BPM_STEP * BPM_STEP)): 1}
    return found


def total(parts: Iterable[Mapping[str, Any]]) -> Statistics:
    """The sum of several statistics.

    >>> total([{"clips": 1, "known": {"chords": 2}}, {"clips": 2, "known": {"beats": 1}}])
    {'clips': 3, 'known': {'chords': 2, 'beats': 1}}
    """
    out: Statistics = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, Mapping):
                out[key] = total([out.get(key, {}), value])
            else:
                out[key] = round(out.get(key, 0) + value, 6)
    return out
