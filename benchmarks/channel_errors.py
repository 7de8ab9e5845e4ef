"""How much of the velocity a field knows, by groups of channels and by time, and how much of it from a control.

Told is the mean square error over that of the best linear guess from z alone, and by how much it rises when every clip
is told the control of another one: what a control does not lower, a take will not follow.

    python benchmarks/channel_errors.py nano --corpus DIR [--clips 12] [--groups 0,12,56,128] [--swap chords]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

from flowmusic import options
from flowmusic.audio import Audio
from flowmusic.evaluate.test_set import read_clips
from flowmusic.flow.path import optimal_transport
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle
from flowmusic.interop.fitting import ModelError
from flowmusic.model.field import linear_guess

TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
SECONDS = 10.0
APART = 5
"""Clips from one to the other whose control it is told."""


@torch.no_grad()
def errors(model: Generator, corpus: Path, clips: int, swap: str) -> tuple[Tensor, Tensor, Tensor]:
    """Square errors of the field, of the field told another control, and of the linear guess.

    Shape: each ``[clips, times, D]``.
    """
    grid = model.grid(SECONDS)
    read = read_clips(corpus, "test", clips, grid, model.codec.rate, model.controls)
    rows: list[list[Tensor]] = []
    for number, clip in enumerate(read):
        sound = Audio(clip.audio.samples[None], clip.audio.rate)
        data = model.codec.encode(sound).float()[:, : grid.length]
        other = read[(number + APART) % len(read)].controls
        asked = (clip.controls, clip.controls.swap(swap, other))
        conditions = [model.encoder(controls, grid) for controls in asked]
        generator = torch.Generator().manual_seed(number)
        for each in TIMES:
            noise = torch.randn(data.shape, generator=generator)
            sample = optimal_transport(noise, data, torch.tensor([each]))
            guesses = [model.field(sample.z_t, sample.t, condition) for condition in conditions]
            guesses.append(linear_guess(sample.t) * sample.z_t)
            rows.append([(guess - sample.velocity).square().mean((0, 1)) for guess in guesses])
    told, wrong, linear = (torch.stack(column).unflatten(0, (len(read), -1)) for column in zip(*rows, strict=True))
    return told, wrong, linear


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name or folder")
    parser.add_argument("--corpus", type=Path, required=True, help="with a test split")
    parser.add_argument("--clips", type=options.integer("clips"), default=12)
    parser.add_argument("--groups", default="0", help="first channels of the groups (default: %(default)s, all in one)")
    parser.add_argument("--swap", default="chords", help="the control that is taken from another clip")
    args = parser.parse_args()
    try:
        model = bundle.load(args.model)
        begins = [int(each) for each in args.groups.split(",")]
        if args.swap not in model.controls:
            raise ValueError(f"--swap {args.swap} is no control of this model; it has {', '.join(model.controls)}")
        told, wrong, linear = errors(model, args.corpus, args.clips, args.swap)
    except (FileNotFoundError, ValueError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"| channels | figure | {' | '.join(f't = {each:g}' for each in TIMES)} |")
    print(f"|---|---|{'---|' * len(TIMES)}")
    for first, last in zip(begins, [*begins[1:], told.shape[-1]], strict=True):
        known, other, plain = (each[..., first:last].mean((0, 2)) for each in (told, wrong, linear))
        for name, row in (("left", known / plain), (f"more with other {args.swap}", (other - known) / plain)):
            print(f"| {first} to {last - 1} | {name} | {' | '.join(f'{float(each):.3f}' for each in row)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
