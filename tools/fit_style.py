"""Fit what a model hears of a style, by itself: its tokens are to tell how the rest of the clip sounds.

    python -m tools.fit_style --model nano --out FOLDER experiment=nano_facts latents=LATENTS [KEY=VALUE ...]

The field's own loss asks for that late (:mod:`flowmusic.train.describe`).  Here the conditioner alone learns it, from
excerpts and windows as in training, which takes minutes.  Its last layer is then the ridge regression of the tokens
before, so that the field begins with the part of them that is still told.  ``model.init_from=FOLDER`` of the same
experiment goes on from there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowmusic.data.latents import Batch
from flowmusic.model.style import StyleConditioner
from flowmusic.train.describe import Description
from flowmusic.train.run import compose, provenance
from flowmusic.train.schedule import scheduled
from tools.change_codec import regression


def excerpts(batches: Iterable[Batch]) -> Iterable[tuple[Tensor, Tensor]]:
    """What is heard of each excerpt and the window that goes with it.  Shape: ``[B, S, D], [B, T, D']``, a batch."""
    for batch in batches:
        rows = [n for n, style in enumerate(batch.controls.style) if style is not None]
        heard = torch.stack([batch.controls.style[n].features for n in rows])  # type: ignore[union-attr]
        yield heard, batch.latents[rows]


def pooled(style: StyleConditioner, heard: Tensor, detail: int | None = None) -> Tensor:
    """Mean over an excerpt's tokens, before the last layer.  Shape: ``[B, S, D] -> [B, dim]``."""
    return style.quantise(style.encode(heard), detail).values[:, :: style.stride].mean(1)


def fit(
    style: StyleConditioner, batches: Iterable[tuple[Tensor, Tensor]], dim: int, steps: int, lr: float
) -> Description:
    """Train all of the conditioner but its last layer, a step a batch; codebooks follow.  ``dim`` is of the latents."""
    description = Description(style.output.in_features, dim)
    parts = [p for name, p in style.named_parameters() if not name.startswith("output.")]
    optimizer = torch.optim.AdamW([*parts, *description.parameters()], lr=lr, weight_decay=0.01)
    schedule: Any = scheduled(optimizer, 50, steps)["lr_scheduler"]["scheduler"]
    style.train(), description.train()
    for heard, window in islice(batches, steps):
        loss = description.loss(window, pooled(style, heard))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    style.eval(), description.eval()
    return description


@torch.no_grad()
def untold(style: StyleConditioner, description: Description, batches: Iterable[tuple[Tensor, Tensor]]) -> list[float]:
    """Share of how the windows sound that 1, 2, ... levels do not tell."""
    levels = len(style.quantiser.levels)
    rows = [
        [float(description.loss(window, pooled(style, heard, detail))) for detail in range(1, levels + 1)]
        for heard, window in batches
    ]
    return torch.tensor(rows).mean(0).tolist()


@torch.no_grad()
def as_before(style: StyleConditioner, before: StyleConditioner, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Fit the last layer to the tokens of another conditioner; the share of their variance that comes back."""
    made, wanted = [], []
    for heard, _ in batches:
        made.append(style.quantise(style.encode(heard)).values.flatten(0, 1))
        wanted.append(before.output(before.quantise(before.encode(heard)).values).flatten(0, 1))
    x, y = torch.cat(made), torch.cat(wanted)
    mean, level = x.mean(0), y.mean(0)
    weight = regression((x - mean).T @ (x - mean), (x - mean).T @ (y - level), ridge=0.01)
    style.output.weight.copy_(weight.T)
    style.output.bias.copy_(level - mean @ weight)
    return 1.0 - float((style.output(x) - y).square().mean() / (y - level).square().mean())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", help="name or folder of the trained field")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--lr", type=float, default=2e-3)
    args, overrides = parser.parse_known_args(argv)
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    given = [f"model.init_from={args.model}", f"export.folder={args.out}", "export.eight_bits=false"]
    cfg = compose([*overrides, *given])
    torch.manual_seed(int(cfg.seed))
    module, data = instantiate(cfg.model), instantiate(cfg.data)
    data.setup("fit")
    style = module.encoder.style
    if style is None:
        parser.error(f"{args.model} has no style control; train one with experiment=nano")
    before = deepcopy(style).eval()
    description = fit(style, excerpts(data.train_dataloader()), module.encoder.dim, args.steps, args.lr)
    held = list(excerpts(islice(data.val_dataloader(), 16)))
    print("untold by 1, 2, ... levels:", " ".join(f"{each:.3f}" for each in untold(style, description, held)))
    share = as_before(style, before, islice(excerpts(data.train_dataloader()), 60))
    print(f"the last layer brings back {share:.3f} of the tokens before")
    run = {"steps": args.steps, "seed": int(cfg.seed), **provenance(), "metrics": {}}
    export = instantiate(cfg.export, _partial_=True)
    print(export(module=module, data=data, run=run, settings=OmegaConf.to_container(cfg, resolve=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
