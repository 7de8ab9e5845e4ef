"""What changes of a chord should cost in decoding: scores on a corpus' validation split for a grid of costs.

    python benchmarks/chord_costs.py --corpus DIR [--corpus DIR ...] [--clips 72]

For each pair of costs (nats): the mean over clips of the maj/min agreement and of the share of time with exactly
the right label; ``feature_extractors/networks/chord_decode.py`` holds the chosen pair.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import torch

from feature_extractors import signals
from feature_extractors.networks import chord_decode, chord_features, chord_net
from flowmusic.audio import Audio
from flowmusic.evaluate.ceilings import nan_if_unscored
from flowmusic.metrics.chords import chord_acc

TRIAD_COSTS = (1.0, 2.0, 3.0, 4.0, 6.0)
TYPE_COSTS = (1.0, 2.0, 4.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, action="append", required=True)
    parser.add_argument("--clips", type=int, default=72, help="of each validation split (default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    paths = [p for corpus in args.corpus for p in sorted((corpus / "validation").glob("*.json"))[: args.clips]]
    if not paths:
        print("error: no validation clips in these folders; give folders of `flowmusic corpus`", file=sys.stderr)
        return 2
    heard = []
    for path in paths:
        audio = Audio.read(path.with_suffix(".flac"))
        truth = [tuple(c) for c in json.loads(path.read_text(encoding="utf-8"))["chords"]]
        scores = chord_net.log_probabilities(signals.samples_of(audio, chord_features.RATE))
        heard.append((scores, audio.seconds, truth))
    print("| triad cost | type cost | majmin | exact label |\n|---|---|---|---|")
    for triad_cost, type_cost in itertools.product(TRIAD_COSTS, TYPE_COSTS):
        rows = []
        for scores, seconds, truth in heard:
            found = chord_decode.changes(scores, seconds, triad_cost=triad_cost, type_cost=type_cost)
            rows.append((nan_if_unscored(chord_acc, truth, found), exact(truth, found)))
        majmin, label = np.nanmean(np.array(rows), 0)
        print(f"| {triad_cost:g} | {type_cost:g} | {majmin:.4f} | {label:.4f} |", flush=True)
    return 0


def exact(truth: list, found: chord_decode.Changes) -> float:
    """Share of the labelled time with exactly the right label; our labels have one spelling each."""
    right = sum(
        max(0.0, min(end, stop) - max(start, begin))
        for start, end, label in truth
        for begin, stop, name in found
        if name == label
    )
    return right / sum(end - start for start, end, _ in truth)


if __name__ == "__main__":
    sys.exit(main())
