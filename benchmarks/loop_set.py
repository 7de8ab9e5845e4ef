"""How much of the drums is left in a take without drums, and how much else in a take of drums alone?

Makes the takes of `flowmusic generate --set full,drums,no-drums` for some requests, and prints a Markdown table for
docs/loops.md: drum hits a second that our recogniser hears, the share of the energy that is tonal (lines that hold,
flowmusic.inputs.request.tonal_share), and chord agreement with the request.  Means, with 95 % intervals over the
requests.

    python benchmarks/loop_set.py [--model nano] [--requests 16] [--seconds 4] [--seed 0]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from loops import CHORDS, TEMPI, WORDS, interval

from feature_extractors.onsets import Onsets
from flowmusic import options
from flowmusic.audio import Audio
from flowmusic.controls.request import request
from flowmusic.evaluate.adherence import listeners
from flowmusic.generate.parts import PARTS, guidance, part
from flowmusic.inputs.request import tonal_share
from flowmusic.interop import bundle
from flowmusic.metrics.adherence import Detectors
from flowmusic.metrics.chords import chord_acc


def main() -> None:
    """All parts of one request after the other, from the same seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--requests", type=options.integer("clips"), default=16, metavar="N")
    parser.add_argument("--seconds", type=options.seconds, default=4.0, metavar="N", help="of a take (%(default)s)")
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, drums, ears = bundle.load(args.model), Onsets("drums"), listeners()
    grid = model.grid(args.seconds)
    rows: dict[str, list[list[float]]] = {name: [] for name in PARTS}
    for number in range(args.requests):
        words = WORDS[number % len(WORDS)].replace(", no drums", "")
        chords, bpm = CHORDS[(3 * number + number // len(WORDS)) % len(CHORDS)], TEMPI[number % len(TEMPI)]
        whole = request(words, grid=grid, chords=chords, bpm=bpm)
        for name in PARTS:
            asked = part(whole, name, grid, model.controls)
            weights = model.defaults.guide(guidance(model.defaults.guidance, name))
            take = model.generate(asked, grid=grid, guidance=weights, seed=args.seed + number)
            sound = Audio(take.audio.samples[0], take.audio.rate)
            hits = len(drums.analyse(sound).times) / sound.seconds
            rows[name].append([hits, 100 * tonal_share(sound), 100 * heard(sound, chords, bpm, ears)])
    print("| part | drum hits a second | tonal energy (%) | chords (%) |\n|---|---|---|---|")
    for name, found in rows.items():
        table = np.array(found)
        shown = f"{table[:, 0].mean():.2f} (none in {np.mean(table[:, 0] == 0.0):.0%})"
        print(f"| {name} | {shown} | {interval(table[:, 1])} | {interval(table[:, 2])} |")


def heard(sound: Audio, chords: str, bpm: float, ears: Detectors) -> float:
    """Agreement of the chords that are recognised with those that were asked for, 0 to 1."""
    from flowmusic.controls.chords import parse

    assert ears.chords is not None
    return chord_acc(parse(chords, sound.seconds, bpm).changes, ears.chords(sound))


if __name__ == "__main__":
    main()
