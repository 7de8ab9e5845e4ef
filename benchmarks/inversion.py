"""What does a learned pseudoword tell a model about a recording that words do not?

The end of every clip (the window length) is put aside; a pseudoword is learned from the rest (`flowmusic invert` does
the same, without putting anything aside).  Then the model's flow-matching loss on the part put aside, on the same
noise and times for every row:

- nothing: no text;
- caption: the clip's own caption (the first of the JSON beside it, or --caption);
- starting word: the word that the learning started from, in the templates;
- random vectors: of the learned vectors' norms, mean and standard deviation over several draws;
- learned vectors; and with several clips, the learned vectors of the others, which should do worse.

A difference is given with the standard error of its paired mean over trials.

    python benchmarks/inversion.py CLIP [CLIP...] --steps 300
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle
from flowmusic.train import excerpts, invert

RANDOM_DRAWS = 5


@dataclass(frozen=True)
class Learned:
    """A clip: its caption, what was learned from its beginning, and trials of its end."""

    name: str
    caption: str | None
    inversion: invert.Inversion
    trials: invert.Trials


def losses(model: Generator, trials: invert.Trials, said: str | None, batch: int = 8) -> Tensor:
    """Loss of each group of ``batch`` trials, so that prompts can be compared in pairs.  Shape: ``[N / batch]``."""
    groups = range(0, len(trials.t), batch)
    return torch.tensor([invert.mean_loss(model, trials[begin : begin + batch], said) for begin in groups])


def learn(model: Generator, path: Path, args: argparse.Namespace) -> Learned:
    """Put the end aside, learn from the rest."""
    sidecar = path.with_suffix(".json")
    caption = args.caption or (json.loads(sidecar.read_text())["captions"][0] if sidecar.is_file() else None)
    clip = Audio.read(path, rate=model.codec.rate)
    cut = clip.samples.shape[-1] - round(args.settings.window_s * clip.rate)
    aside = excerpts.encode(model.codec, [Audio(clip.samples[:, cut:], clip.rate)])[0]
    begun = time.monotonic()
    found = invert.invert(
        model,
        [Audio(clip.samples[:, :cut], clip.rate)],
        path.stem,
        args.vectors,
        args.steps,
        args.seed,
        settings=args.settings,
    )
    spent = time.monotonic() - begun
    print(
        f"\n{path.name}: {found.looks[-1].step} steps in {spent:.0f} s, best at {found.best.step}; early-stopping loss"
    )
    print("  " + " ".join(f"{look.step}:{look.held_out:.4f}" for look in found.looks))
    return Learned(path.stem, caption, found, invert.repeated(aside[None], args.trials, seed=12345))


def rows(model: Generator, clip: Learned, others: list[Learned]) -> dict[str, Tensor]:
    """Losses by what was said."""
    text = invert.check_model(model)
    concept = clip.inversion.concept
    found = {"nothing": losses(model, clip.trials, None)}
    if clip.caption is not None:
        plain = replace(clip.trials, templates=("{}",) * len(clip.trials.t))
        found["caption"] = losses(model, plain, clip.caption)
    with invert.registered(text, concept) as said:
        found["starting word"] = losses(model, clip.trials, f"{said}:0")
    drawn = []
    for seed in range(RANDOM_DRAWS):
        random = invert.random_like(concept, concept.name, torch.Generator().manual_seed(seed))
        with invert.registered(text, random) as said:
            drawn.append(losses(model, clip.trials, said))
    found["random vectors"] = torch.stack(drawn).mean(0)
    for other in others:
        with invert.registered(text, other.inversion.concept) as said:
            found["learned vectors" if other is clip else f"learned from {other.name}"] = losses(
                model, clip.trials, said
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--vectors", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--caption")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--rate", type=float, default=invert.Settings.rate)
    parser.add_argument("--window", type=float, default=invert.Settings.window_s, metavar="SECONDS")
    parser.add_argument("--batch", type=int, default=invert.Settings.batch)
    parser.add_argument("--patience", type=int, default=invert.Settings.patience)
    args = parser.parse_args()
    args.settings = invert.Settings(rate=args.rate, window_s=args.window, batch=args.batch, patience=args.patience)
    model = bundle.load(args.model)
    print(f"{args.model}, {args.vectors} vectors, {args.trials} trials of the last {args.window:g} s, {args.settings}")
    clips = [learn(model, path, args) for path in args.clips]
    for clip in clips:
        found = rows(model, clip, clips)
        print(f"\n{clip.name} ({clip.caption!r})\n{'':<24} loss     against the starting word")
        for label, values in found.items():
            against = values - found["starting word"]
            error = float(against.std()) / math.sqrt(len(against))
            print(f"{label:<24} {float(values.mean()):.4f}   {float(against.mean()):+.4f} +- {error:.4f}")


if __name__ == "__main__":
    main()
