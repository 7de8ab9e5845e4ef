"""Does an extractor's confidence tell right frames from wrong ones?  A Markdown table for docs/build.md.

``python benchmarks/confidence.py CORPUS [--split test] [--clips 90] [--madmom]``

Frames at 25 Hz of mixes with exact labels.  Right is: the very label (chords); the same semitone, or none in both
(melody); an onset within a frame's distance, or none in both (drums); a beat phase within 0.15 of a beat (beats).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from feature_extractors import Beats, Chords, Extractors, extract
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.controls import TRACKS
from flowmusic.corpus import reader
from flowmusic.types import FrameGrid, Track

RATE = 25


def beside(hit: np.ndarray) -> np.ndarray:
    """True in a frame with a hit and in both neighbours."""
    return hit | np.append(hit[1:], False) | np.append(False, hit[:-1])


def right(name: str, found: Track, labels: Annotations, onsets: tuple[float, ...]) -> np.ndarray | None:
    """Which frames are right; None where the labels tell nothing."""
    grid = found.grid
    truth = to_tracks(labels, grid, [name])[name]
    if name == "chords":
        return (found.values == truth.values).numpy()
    if name == "melody":
        return (found.values == truth.values).all(1).numpy()
    if name == "drums":
        heard, struck = (np.zeros(grid.length, bool) for _ in range(2))
        for hits, times in ((heard, onsets), (struck, labels.events("drums") or ())):
            hits[[min(int(time * RATE), grid.length - 1) for time in times]] = True
        return np.where(heard, beside(struck), ~struck | beside(heard))
    if not truth.known.any() or not found.known.any():
        return None
    phases = [np.arctan2(t.values[:, 1].numpy(), t.values[:, 0].numpy()) / (2 * np.pi) for t in (found, truth)]
    return np.abs((phases[0] - phases[1] + 0.5) % 1.0 - 0.5) < 0.15


def area(sure: np.ndarray, good: np.ndarray) -> float:
    """Chance that a right frame is surer than a wrong one (area under the ROC curve); ties count half."""
    _, place, count = np.unique(sure, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = int(good.sum())
    negative = len(good) - positive
    return float((ranks[good].sum() - positive * (positive + 1) / 2) / max(positive * negative, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--clips", type=int, default=90)
    parser.add_argument("--madmom", action="store_true", help="chords and beats by madmom")
    args = parser.parse_args()
    torch.set_num_threads(1)
    chosen = Extractors(
        chords=Chords("madmom" if args.madmom else "ours", "triads" if args.madmom else "full"),
        beats=Beats("madmom" if args.madmom else "flux"),
    )
    use = ("chords", "beats") if args.madmom else TRACKS
    collected: dict[str, tuple[list, list]] = {name: ([], []) for name in use}
    for clip in reader.clips(args.corpus, args.split, args.clips):
        audio = Audio.read(clip.audio)
        grid = FrameGrid.of_seconds(audio.seconds, RATE)
        found = extract(audio, chosen, use)
        onsets = found.drums.onsets if found.drums is not None else ()
        told = found.confidence(grid)
        for name, track in found.tracks(grid).items():
            good = right(name, track, clip.annotations, onsets)
            if good is not None:
                collected[name][0].append(told[name].numpy())
                collected[name][1].append(good)
    print("| control | frames right | mean confidence | right, less sure half | right, surer half | area under ROC |")
    print("|---|---|---|---|---|---|")
    for name, (parts, goods) in collected.items():
        sure, good = np.concatenate(parts), np.concatenate(goods)
        order = np.argsort(sure, kind="stable")
        less, more = good[order[: len(order) // 2]].mean(), good[order[len(order) // 2 :]].mean()
        print(f"| {name} | {good.mean():.3f} | {sure.mean():.3f} | {less:.3f} | {more:.3f} | {area(sure, good):.3f} |")


if __name__ == "__main__":
    main()
