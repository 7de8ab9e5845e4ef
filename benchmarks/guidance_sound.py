"""What guidance costs in sound: scores of controls, Frechet distances and balance of bands for ways to guide.

A way is weights of guidance with commas, after ``/`` a projection of it, and after ``@`` what shares of what guidance
adds how many channels of the latents keep, and after ``~`` how far what it makes larger is taken back
(docs/solvers.md); without ``@`` and ``~`` both are as the model says.

    python benchmarks/guidance_sound.py --corpus DIR [--model nano] [--clips 16] all=3/eta=0.5 all=6@56:1,136:0.5~0.7
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from flowmusic import options
from flowmusic.audio import Audio
from flowmusic.evaluate.adherence import chord_recogniser
from flowmusic.evaluate.detectors import default_listeners
from flowmusic.evaluate.test_set import LabelledClip, read_clips
from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.generator import Generator
from flowmusic.guidance import Guidance
from flowmusic.interop import bundle
from flowmusic.metrics.adherence import Detectors, measure
from flowmusic.metrics.fad import fad
from flowmusic.metrics.normalise import mean
from flowmusic.metrics.sound import EMBEDDINGS
from flowmusic.metrics.spectrum import balance
from flowmusic.types import Generation

SCORES = {"chord_acc": "chords", "onset_f1": "onsets", "melody_pc": "melody", "beat_f1": "beats"}


def guided(text: str, defaults: GenerationDefaults) -> tuple[Guidance, GenerationDefaults]:
    """``all=3``, ``all=3/eta=0.5`` or ``all=3@56:1,136:0~0.7`` as guidance and the defaults that hold the rest.

    Raises: argparse.ArgumentTypeError and ValueError for anything else.
    """
    text, tilde, rescale = text.partition("~")
    if tilde:
        defaults = replace(defaults, guidance_rescale=float(rescale))
    text, at, channels = text.partition("@")
    weights, slash, projection = text.partition("/")
    if at:
        runs = [[float(number) for number in run.split(":")] for run in channels.split(",")]
        defaults = replace(defaults, guided_channels=runs)
    return defaults.guide(options.guidance(weights), apg=options.apg(projection) if slash else None), defaults


def takes(generator: Generator, clips: Sequence[LabelledClip], way: str) -> list[Generation]:
    """A take of every clip's request; that of clip i is drawn from noise of seed i."""
    own, grid = generator.defaults, generator.grid()
    guidance, generator.defaults = guided(way, own)
    made = [generator.generate(clip.controls, grid=grid, seed=i, guidance=guidance) for i, clip in enumerate(clips)]
    generator.defaults = own
    return made


def sound(made: Sequence[Audio], clips: Sequence[LabelledClip]) -> str:
    """Frechet distances of takes from the recordings of their requests, and the balance of their bands, as text."""
    far = [
        f"{name} {fad([embed(take) for take in made], [embed(clip.audio) for clip in clips]).mean:.2f}"
        for name, embed in EMBEDDINGS.items()
    ]
    rows = [balance(take, clip.audio) for take, clip in zip(made, clips, strict=True)]
    bands = [f"{key.removeprefix('balance_')} {mean([row[key] for row in rows]):+.1f}" for key in rows[0]]
    return f"{', '.join(far)}\n  balance in dB: {', '.join(bands)}"


def scored(heard: Sequence[Mapping[str, float]]) -> str:
    """Means of the scores of takes, as text."""
    return ", ".join(f"{what} {mean([row.get(key, math.nan) for row in heard]):.3f}" for key, what in SCORES.items())


def moves(latents: Sequence[Tensor], recorded: Sequence[Tensor]) -> float:
    """How much more takes ``[T, D]`` move than recordings: the ratio of deviations over time, mean of the channels."""
    ours, theirs = (torch.stack([each.std(0) for each in those]).mean(0) for those in (latents, recorded))
    return float((ours / theirs).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", default=["all=3", "all=2", "all=3/eta=0.5"], metavar="WAY")
    parser.add_argument("--corpus", type=Path, required=True, help="with drum stems")
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--clips", type=int, default=16)
    args = parser.parse_args()
    generator = bundle.load(args.model)
    rate = int(getattr(generator.codec, "rate", 32_000))
    try:
        clips = read_clips(args.corpus, args.split, args.clips, generator.grid(), rate, generator.controls)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    ears = Detectors(**default_listeners(chords=chord_recogniser("ours")))
    recorded = [generator.codec.encode(Audio(clip.audio.samples[None], clip.audio.rate))[0] for clip in clips]
    for way in args.ways:
        drawn = takes(generator, clips, way)
        made = [Audio(take.audio.samples[0], take.audio.rate) for take in drawn]
        heard = [measure(take, clip.requested, ears) for take, clip in zip(made, clips, strict=True)]
        more = moves([take.latents[0] for take in drawn], recorded)
        print(
            f"{way}: {scored(heard)}; {sound(made, clips)}\n  deviation of latents over the recordings': {more:.2f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
