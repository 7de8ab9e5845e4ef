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

from flowmusic.data.latents import Batch, LatentCrops
from flowmusic.data.module import VALIDATION_SEED
from flowmusic.model.style import StyleConditioner
from flowmusic.train.describe import Description
from flowmusic.train.run import compose
from flowmusic.train.schedule import scheduled
from tools.change_codec import exported, regression

HELD = 16
"""Batches of held-out clips that are judged by."""


def excerpts(batches: Iterable[Batch]) -> Iterable[tuple[Tensor, Tensor]]:
    """What is heard of each excerpt and the window that goes with it.  Shape: ``[B, S, D], [B, T, D']``, a batch.

    Batches in which no excerpt fits beside its window are left out.
    """
    for batch in batches:
        rows = [n for n, style in enumerate(batch.controls.style) if style is not None]
        if not rows:
            continue
        heard = torch.stack([batch.controls.style[n].features for n in rows])  # type: ignore[union-attr]
        yield heard, batch.latents[rows]


def values(style: StyleConditioner, heard: Tensor, detail: int | None = None) -> Tensor:
    """What the last layer makes tokens of, every frame.  Shape: ``[B, S, D] -> [B, S, dim]``."""
    return style.quantise(style.encode(heard), detail).values


def pooled(style: StyleConditioner, heard: Tensor, detail: int | None = None) -> Tensor:
    """Mean over an excerpt's tokens, before the last layer.  Shape: ``[B, S, D] -> [B, dim]``."""
    return values(style, heard, detail)[:, :: style.stride].mean(1)


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
        made.append(values(style, heard).flatten(0, 1))
        wanted.append(before.output(values(before, heard)).flatten(0, 1))
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

    given = [f"model.init_from={args.model}", f"export.folder={args.out}", "export.eight_bits=false"]
    # Texts are not heard here, so there are no pairs of text and style.
    cfg = compose([*overrides, *given, "model.align=0", "data.pairs=0"])
    torch.manual_seed(int(cfg.seed))
    module, data = instantiate(cfg.model), instantiate(cfg.data)
    data.setup("fit")
    style = module.encoder.style
    if style is None:
        parser.error(f"{args.model} has no style control; train one with experiment=nano")
    before = deepcopy(style).eval()
    description = fit(style, excerpts(data.train_dataloader()), module.encoder.dim, args.steps, args.lr)
    # Windows as in training: the longer ones of validation would leave the excerpt of a short clip no room.
    crops = LatentCrops(
        data.validation_store, data.crop_seconds, data.batch, VALIDATION_SEED, style_seconds=data.style_seconds
    )
    held = excerpts(map(crops, range(HELD)))
    print("untold by 1, 2, ... levels:", " ".join(f"{each:.3f}" for each in untold(style, description, held)))
    share = as_before(style, before, islice(excerpts(data.train_dataloader()), 60))
    print(f"the last layer brings back {share:.3f} of the tokens before")
    print(exported(cfg, module, data, args.steps))
    return 0


if __name__ == "__main__":
    sys.exit(main())
