"""Can one hear where a loop begins again?  Its seam among its own bar lines, for every way to make loops.

Every way gets the same requests and seeds.  Prints a Markdown table for docs/loops.md: the percentile of the seam's
onset strength, of its jump in level and of its step from sample to sample (50 is a bar line like any other), each with
a 95 % interval over the loops; how much higher the loop sounds than it was made; and processor time.

    python benchmarks/loops.py [--model nano] [--loops 16] [--bars 4] [--seed 0] [--methods plain tied rolled infilled]
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import torch

from flowmusic import options
from flowmusic.audio import Audio
from flowmusic.controls.meter import parse_meter
from flowmusic.controls.request import request
from flowmusic.evaluate import seams
from flowmusic.generate import loops
from flowmusic.interop import bundle

WORDS = (
    "warm lo-fi beat, rhodes and soft drums",
    "driving techno, synth bass, hard kick",
    "acoustic guitar ballad, slow and sad",
    "jazz trio, piano, walking bass, brushes",
    "funk groove, slap bass, clavinet",
    "dreamy pads and a music box, no drums",
    "rock band, distorted guitars, loud drums",
    "house music with piano chords",
)
CHORDS = ("C Am F G", "Am F C G", "Dm7 G7 Cmaj7 Am7", "Em C G D", "Fm Db Ab Eb", "Bb Gm Eb F", "A D A E", "Gm Cm D7 Gm")
TEMPI = (90.0, 120.0, 73.0, 140.0, 104.0, 111.0, 128.0, 97.5)
METERS = ("4/4", "4/4", "4/4", "3/4")


def main() -> None:
    """Make every loop in every way, one after the other, and listen to its seam."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--loops", type=options.integer("clips"), default=16, metavar="N")
    parser.add_argument("--bars", type=options.integer("takes"), default=4, metavar="N")
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N")
    parser.add_argument("--methods", choices=loops.METHODS, nargs="+", default=loops.METHODS, metavar="NAME")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = bundle.load(args.model)
    rows: dict[str, list[list[float]]] = {method: [] for method in args.methods}
    for number in range(args.loops):
        bpm = TEMPI[number % len(TEMPI)] + (number // len(TEMPI)) * 1.7
        meter = parse_meter(METERS[number % len(METERS)])
        length = loops.Length.of_bars(args.bars, meter.beats_per_bar, bpm, model.codec.rate, model.codec.frame_rate)
        grid = model.grid(math.ceil(length.period) / float(model.codec.frame_rate))
        controls = request(
            WORDS[number % len(WORDS)], grid=grid, chords=CHORDS[(3 * number) % len(CHORDS)], bpm=bpm, meter=meter.name
        )
        lines = [bar * meter.bar_seconds(bpm) for bar in range(1, args.bars)]
        for method in args.methods:
            began = time.process_time()
            try:
                take = loops.loop(model, controls, length, seed=args.seed + number, method=method)
            except ValueError:
                continue  # too long to be made in this way
            spent = time.process_time() - began
            sound = Audio(take.audio.samples[0], take.audio.rate)
            seam = seams.of_loop(sound, lines)
            cents = abs(length.cents) if method in (loops.TIED, loops.ROLLED) else 0.0
            rows[method].append([seam.flux, seam.level, seam.click, seam.level_db, cents, spent])
    print("| loops | n | onset | level | click | level jump (dB) | cents | processor s |")
    print("|---|---|---|---|---|---|---|---|")
    for method, found in rows.items():
        table = np.array(found)
        cells = [interval(table[:, column]) for column in range(3)]
        plain = [f"{table[:, 3].mean():.1f}", f"{table[:, 4].mean():.1f} (most {table[:, 4].max():.1f})"]
        print(f"| {method} | {len(table)} | {' | '.join(cells + plain)} | {table[:, 5].mean():.1f} |")


def interval(values: np.ndarray) -> str:
    """Mean and its 95 % interval by 2000 draws of the loops."""
    generator = np.random.default_rng(0)
    means = values[generator.integers(0, len(values), (2000, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean():.0f} ({low:.0f} to {high:.0f})"


if __name__ == "__main__":
    main()
