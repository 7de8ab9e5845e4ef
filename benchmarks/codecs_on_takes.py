"""What other decoders make of the same takes: a model's latents are made once and decoded by several codecs.

Codecs that share their latents (a decoder that was trained on, an energy head) may do well on recordings and not on
takes, whose latents are a generator's.

    python benchmarks/codecs_on_takes.py --corpus DIR --codecs nano2_codec,runs/tuned/bundle [--clips 32]
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from flowmusic.audio import Audio
from flowmusic.evaluate.adherence import chord_recogniser
from flowmusic.evaluate.detectors import default_listeners
from flowmusic.evaluate.test_set import read_clips
from flowmusic.interop import bundle
from flowmusic.metrics.adherence import Detectors, measure
from flowmusic.metrics.fad import fad
from flowmusic.metrics.normalise import mean
from flowmusic.metrics.sound import EMBEDDINGS
from flowmusic.metrics.spectrum import balance

SCORES = ("chord_acc", "onset_f1", "melody_pc")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="with a test split and drum stems")
    parser.add_argument("--codecs", required=True, help="names or folders, with commas")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--heard", type=int, default=16, help="clips whose controls are listened for; 0: none")
    args = parser.parse_args()
    generator = bundle.load(args.model)
    grid = generator.grid()
    try:
        clips = read_clips(args.corpus, "test", args.clips, grid, int(getattr(generator.codec, "rate", 32_000)))
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    latents = [generator.generate(clip.controls, grid=grid, seed=seed).latents for seed, clip in enumerate(clips)]
    real = {name: [embed(clip.audio) for clip in clips] for name, embed in EMBEDDINGS.items()}
    ears = Detectors(**{**default_listeners(chords=chord_recogniser("ours")), "beats": None})
    for name in args.codecs.split(","):
        codec = bundle.load_codec(name)
        takes = [Audio(codec.decode(each).samples[0], codec.rate) for each in latents]
        far = ", ".join(f"{e} {fad([EMBEDDINGS[e](t) for t in takes], real[e]).mean:.2f}" for e in EMBEDDINGS)
        rows = [balance(take, clip.audio) for take, clip in zip(takes, clips, strict=True)]
        bands = ", ".join(f"{key[8:]} {mean([row[key] for row in rows]):+.1f}" for key in rows[0])
        print(f"{name}: {far}\n  balance in dB: {bands}", flush=True)
        pairs = list(zip(takes, clips, strict=True))[: args.heard]
        heard = [measure(take, clip.requested, ears) for take, clip in pairs]
        if heard:
            shown = ", ".join(f"{key} {mean([row.get(key, math.nan) for row in heard]):.3f}" for key in SCORES)
            print(f"  heard in {len(heard)}: {shown}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
