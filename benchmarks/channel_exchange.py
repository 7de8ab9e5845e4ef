"""Which channels of the latents make takes sound unlike recordings: groups are exchanged for the recording's own.

A take of a clip's request and the clip itself agree in chords, drums and tune, so some channels of the one go with
the others of the other.  ``A:B`` are channels from A up to, not with, B; commas join several groups.  After ``@``
weights of guidance take the place of the recording: the channels are then those of a take drawn with them.

    python -m benchmarks.channel_exchange --corpus DIR --model nano --clips 12 0:56 56:128 128:132 128:132@all=1
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.guidance_sound import sound, takes
from flowmusic.audio import Audio
from flowmusic.evaluate.test_set import read_clips
from flowmusic.interop import bundle


def channels(text: str) -> list[int]:
    """``0:12,56:128`` as numbers.  Raises: ValueError for anything else."""
    return [n for part in text.split(",") for n in range(*(int(each) for each in part.split(":")))]


def exchanged(take: Tensor, other: Tensor, chosen: Sequence[int]) -> Tensor:
    """The take with some channels of another.  Shape: ``[1, T, D]``, twice -> the same."""
    mixed = take.clone()
    mixed[..., chosen] = other[..., chosen]
    return mixed


@torch.no_grad()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="+", metavar="A:B[@all=W]")
    parser.add_argument("--corpus", type=Path, required=True, help="with a test split and drum stems")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--clips", type=int, default=12)
    args = parser.parse_args()
    generator = bundle.load(args.model)
    codec = generator.codec
    try:
        clips = read_clips(args.corpus, "test", args.clips, generator.grid(), codec.rate, generator.controls)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    usual = ",".join(f"{name}={weight:g}" for name, weight in generator.defaults.guidance.items())
    own = [take.latents for take in takes(generator, clips, usual)]
    recorded = [codec.encode(Audio(clip.audio.samples[None], clip.audio.rate)) for clip in clips]
    kept = {"": recorded}
    rows = {"takes": own, "recordings": recorded}
    for group in args.groups:
        chosen, _, said = group.partition("@")
        if said not in kept:
            kept[said] = [take.latents for take in takes(generator, clips, said)]
        pairs = zip(own, kept[said], strict=True)
        rows[group] = [exchanged(take, other[:, : take.shape[1]], channels(chosen)) for take, other in pairs]
    for name, latents in rows.items():
        made = [Audio(codec.decode(each).samples[0], codec.rate) for each in latents]
        print(f"{name}: {sound(made, clips)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
