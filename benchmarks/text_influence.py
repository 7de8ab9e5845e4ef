"""Does a model hear words and style at all?  How far takes move when only the prompt, or only the excerpt, changes.

All else equal (noise, solver, guidance), the root mean square difference of the latents over their deviation: 0 is a
model that does not listen, about 1.4 are takes that have nothing in common.

    python benchmarks/text_influence.py --model nano
"""

from __future__ import annotations

import argparse
import itertools

import torch

import flowmusic as fm
from flowmusic.types import Controls, Style

PROMPTS = (
    "slow ambient pads, no drums",
    "fast heavy metal with distorted guitars",
    "solo piano waltz",
    "808 hip hop beat",
)


def difference(takes: list[torch.Tensor]) -> float:
    """Mean over pairs."""
    pairs = [float((a - b).square().mean().sqrt() / a.std()) for a, b in itertools.combinations(takes, 2)]
    return sum(pairs) / len(pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=6.0)
    args = parser.parse_args()
    model = fm.load(args.model)
    grid = model.grid(args.seconds)

    def latents(controls: Controls) -> torch.Tensor:
        return model.generate(controls, grid=grid, seed=args.seed).latents

    alone = [latents(fm.request(text, grid=grid)) for text in PROMPTS]
    chords = [latents(fm.request(text, chords="C Am F G", bpm=96, grid=grid)) for text in PROMPTS]
    words, beside = difference(alone), difference(chords)
    print(f"{args.model}, seed {args.seed}: words alone {words:.1e}, beside chords {beside:.1e}")
    if model.has_style:
        styles = [(Style(take[0, :75]),) for take in (*alone, *chords)]
        print(f"style alone {difference([latents(Controls((None,), {}, style)) for style in styles]):.1e}")
    other = model.generate(fm.request(None, grid=grid), grid=grid, seed=args.seed + 1).latents
    print(f"another seed {difference([latents(fm.request(None, grid=grid)), other]):.1e}")


if __name__ == "__main__":
    main()
