"""Does a take that is shorter than the model's window need the whole window?  Adherence and time for several windows.

A window longer than the take is cut at its end; one of the take's own length costs its share.  All windows get the same
clips, controls and seeds.  Prints a Markdown table for docs/speed.md: means over the clips that have the control, and
processor time to generate and decode, as a share of that of the model's own window.

    python benchmarks/short_takes.py --corpus CORPUS [--seconds 4] [--windows 10 7.5 5 4] [--clips 16] [--seed 0]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from pathlib import Path

import torch

from flowmusic import options
from flowmusic.evaluate.adherence import listeners
from flowmusic.evaluate.test_set import read_clips
from flowmusic.interop import bundle
from flowmusic.metrics.adherence import measure

SHOWN = {"chord_acc": "chords", "onset_f1": "drums", "melody_pc": "melody"}


def main() -> None:
    """Score every clip with every window, one after the other, so that the machine's noise falls on all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=options.existing_path, required=True, metavar="DIR", help="with drum stems")
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--seconds", type=options.seconds, default=4.0, metavar="N", help="of a take (%(default)s)")
    parser.add_argument("--windows", type=float, nargs="+", default=[10.0, 7.5, 5.0, 4.0], metavar="N", help="seconds")
    parser.add_argument("--clips", type=options.integer("clips"), default=16, metavar="N")
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = bundle.load(args.model)
    grid = model.grid(args.seconds)
    clips = read_clips(Path(args.corpus), "test", args.clips, grid, model.codec.rate)
    ears = listeners()
    scores: dict[float, dict[str, list[float]]] = {window: {} for window in args.windows}
    costs: dict[float, list[float]] = {window: [] for window in args.windows}
    model.generate(clips[0].controls, grid=grid, seed=0)  # what only the first take pays for
    for row, clip in enumerate(clips):
        for window in args.windows:
            model.seconds = window
            began = time.process_time()
            take = model.generate(clip.controls, grid=grid, seed=args.seed + row)
            costs[window].append(time.process_time() - began)
            audio = type(take.audio)(take.audio.samples[0], take.audio.rate)
            for key, value in measure(audio, clip.asking_only(*SHOWN.values()).requested, ears).items():
                if key in SHOWN and not math.isnan(value):
                    scores[window].setdefault(key, []).append(value)
    print(f"| window (s) | {' | '.join(SHOWN.values())} | processor time |")
    print(f"|---|{'---|' * len(SHOWN)}---|")
    base = statistics.median(costs[args.windows[0]])
    for window in args.windows:
        means = " | ".join(f"{statistics.mean(scores[window][key]):.3f}" for key in SHOWN)
        print(f"| {window:g} | {means} | {statistics.median(costs[window]) / base:.2f} |")


if __name__ == "__main__":
    main()
