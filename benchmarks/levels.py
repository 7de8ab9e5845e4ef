"""What the level of a recording changes in what is heard in it: Markdown tables for docs/extract.md.

``python benchmarks/levels.py CORPUS [--split test] [--clips 8] [--gains -60 -46 ...] [--targets -24 -18 -12]``

First table: controls of the mixes at other gains (and the opposite polarity) beside those of the mixes as they are, as
floating point and as 16 bits; the share of melody in steps of 20 ms, of chords in steps of 25 ms, and of drum onsets
and beats, that differ.  Second: what the detectors reach if recordings are brought to another level than they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feature_extractors import Extractors, extract, recording
from flowmusic.audio import Audio
from flowmusic.evaluate.ceilings import BEAT_S, ONSET_S, clips_of, nan_if_unscored
from flowmusic.metrics.beats import beat_f1
from flowmusic.metrics.chords import chord_acc
from flowmusic.metrics.melody import Pitches, melody_rpa
from flowmusic.metrics.onsets import onset_f1

FIGURES = ("melody", "chords", "drum onsets", "beats")


def lines(found: Mapping[str, Any], seconds: float) -> dict[str, np.ndarray]:
    """Controls on fine clocks, to be compared element by element."""
    out = {}
    for name, step in (("melody", 0.02), ("chords", 0.025)):
        at = (np.arange(round(seconds / step)) + 0.5) * step
        line = np.full(len(at), "", dtype=object)
        for start, end, what in found[name]:
            line[(at >= start) & (at < end)] = str(what)
        out[name] = line
    return out


def differ(one: Mapping[str, Any], other: Mapping[str, Any], seconds: float) -> list[float]:
    """Share of each of :data:`FIGURES` that differs."""
    first, second = lines(one, seconds), lines(other, seconds)
    shares = [float((first[name] != second[name]).mean()) for name in ("melody", "chords")]
    for name in ("onsets", "beats"):
        a, b = (np.round(np.asarray(each[name]), 3) for each in (one, other))
        shares.append(len(np.setxor1d(a, b)) / max(1, len(np.union1d(a, b))))
    return shares


def controls(audio: Audio) -> dict[str, Any]:
    """What controls.json would hold."""
    found = extract(audio, Extractors())
    assert found.chords is not None and found.melody is not None
    assert found.drums is not None and found.beats is not None
    return {
        "chords": found.chords.changes,
        "melody": found.melody.notes,
        "onsets": found.drums.onsets,
        "beats": found.beats.beats,
        "line": (found.melody.times, found.melody.pitch),
    }


def scores(found: Mapping[str, Any], labels: Mapping[str, Any]) -> list[float]:
    """How right each of :data:`FIGURES` is: 50 cents, maj/min, 50 ms, 70 ms."""
    times, pitch = found["line"]
    return [
        nan_if_unscored(melody_rpa, labels.get("melody") or (), Pitches(times, pitch)),
        nan_if_unscored(chord_acc, labels.get("chords") or (), found["chords"]),
        nan_if_unscored(onset_f1, (labels.get("drums") or {}).get("onsets") or (), found["onsets"], ONSET_S),
        nan_if_unscored(beat_f1, labels.get("beats") or (), found["beats"], BEAT_S),
    ]


def row(name: str, values: list[list[float]], form: str) -> str:
    means = np.nanmean(np.array(values), axis=0)
    return f"| {name} | " + " | ".join(format(mean, form) for mean in means) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder of `flowmusic corpus`")
    parser.add_argument("--split", default="test")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--gains", type=float, nargs="*", default=[-60, -46, -20, -6, 6, 20])
    parser.add_argument("--targets", type=float, nargs="*", default=[-24, -21, -18, -15, -12])
    options = parser.parse_args()
    paths = clips_of(options.corpus, options.split, options.clips)
    mixes = [Audio.read(path.with_suffix(".flac")) for path in paths]
    plain = [controls(mix) for mix in mixes]
    if options.gains:
        print(f"| gain | {' | '.join(FIGURES)} |\n|---|---|---|---|---|")
    for gain in options.gains:
        for bits in (32, 16):
            shares = []
            for mix, was in zip(mixes, plain, strict=True):
                samples = 10.0 ** (gain / 20.0) * mix.samples
                if bits == 16:
                    samples = torch.round(samples * 32768.0).clamp(-32768, 32767) / 32768.0
                shares.append(differ(was, controls(Audio(-samples, mix.rate)), mix.seconds))
            told = "floating point" if bits == 32 else "16 bits"
            print(row(f"{gain:+g} dB, {told}", shares, ".2%"), flush=True)
    if options.targets:
        print(f"\n| brought to | {' | '.join(FIGURES)} |\n|---|---|---|---|---|")
    for target in options.targets:
        recording.LEVEL_DB = target
        found = [scores(controls(mix), json.loads(path.read_text())) for mix, path in zip(mixes, paths, strict=True)]
        print(row(f"{target:g} dBFS", found, ".3f"), flush=True)


if __name__ == "__main__":
    main()
