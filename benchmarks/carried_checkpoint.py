"""What a training loses when its checkpoint travels small: a Markdown table for docs/recipes.md.

``python benchmarks/carried_checkpoint.py CHECKPOINT --work DIR [--steps 50] OVERRIDE...``

A run goes on from a checkpoint of ``flowmusic train`` three times, from the file as it is, from what ``carry pack
--compact`` makes of it and from that without the optimiser's moments; batches and noise are the same.  OVERRIDES are
those of the run (``experiment=nano latents=DIR seed=3 model.total_steps=...``).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import torch

from flowmusic.train import checkpoints
from flowmusic.train.run import compose, train
from tools import quantise_checkpoint

FORMS = {"exact": None, "`--compact`": True, "`--compact --without-moments`": False}
"""Row of the table -> whether moments are kept; None leaves the checkpoint as it is."""
LAST = 10


def go_on(checkpoint: Path, moments: bool | None, out: Path, steps: int, overrides: list[str]) -> tuple[float, ...]:
    """MiB of the checkpoint, mean training loss, that of the last steps, and validation loss."""
    found = checkpoints.read(checkpoint)
    size = checkpoint.stat().st_size
    if moments is not None:
        small = quantise_checkpoint.compact(found, moments)
        torch.save(small, out.with_suffix(".compact"))
        size = out.with_suffix(".compact").stat().st_size
        found = quantise_checkpoint.expand(small)
    (out / "checkpoints").mkdir(parents=True, exist_ok=True)
    torch.save(found, out / "checkpoints" / "last.ckpt")
    end = found["global_step"] + steps
    settings = [f"trainer.max_steps={end}", f"trainer.val_check_interval={steps}", "trainer.log_every_n_steps=1"]
    settings += [f"callbacks.checkpoint.every_n_train_steps={10**6}", "trainer.enable_progress_bar=false"]
    train(compose([*overrides, *settings, "~callbacks.samples", "export=null", f"out={out}"]))
    rows = [row for file in sorted((out / "csv").rglob("metrics.csv")) for row in csv.DictReader(file.open())]
    losses = [float(row["train/loss"]) for row in rows if row.get("train/loss")]
    validation = [float(row["validation/loss"]) for row in rows if row.get("validation/loss")]
    return size / 2**20, sum(losses) / len(losses), sum(losses[-LAST:]) / LAST, validation[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("overrides", nargs="+", metavar="OVERRIDE")
    parser.add_argument("--work", type=Path, required=True, help="folder of the three runs")
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    print(f"| checkpoint | MiB | training loss, mean of {options.steps} steps | of the last {LAST} | validation |")
    print("|---|---|---|---|---|")
    for n, (name, moments) in enumerate(FORMS.items()):
        figures = go_on(options.checkpoint, moments, options.work / str(n), options.steps, options.overrides)
        print(f"| {name} | {figures[0]:.1f} | {' | '.join(f'{value:.4f}' for value in figures[1:])} |", flush=True)


if __name__ == "__main__":
    main()
