"""Training losses of runs side by side: ``python benchmarks/network_losses.py RUN [RUN ...] [--last 50]``.

A row for each folder of ``flowmusic train`` (with ``trainer.log_every_n_steps=1`` and the csv logger, which is on by
default): the mean of ``train/loss`` over the last steps, and what the last validation measured.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="+", help="folder of a finished run")
    parser.add_argument("--last", type=int, default=50, help="steps to average over (default: %(default)s)")
    args = parser.parse_args()
    print(f"| run | steps | loss of the last {args.last} steps | last validation |\n|---|---|---|---|")
    for folder in args.run:
        logs, result = sorted(folder.glob("csv/**/metrics.csv")), folder / "metrics.json"
        losses: list[float] = []
        if logs and result.is_file():
            with logs[-1].open(newline="") as file:
                losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")]
        if not losses:
            print(f"error: {folder} is no finished run of `flowmusic train` with a csv log", file=sys.stderr)
            return 2
        run = json.loads(result.read_text())
        figures = sorted(run["metrics"].items())
        shown = ", ".join(f"{name[11:]} {value:.3f}" for name, value in figures if name.startswith("validation/"))
        last = losses[-args.last :]
        print(f"| {folder.name} | {run['steps']} | {sum(last) / len(last):.4f} | {shown} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
