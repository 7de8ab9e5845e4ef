"""Draw the sweep over time samplers of docs/sweeps.md: the loss at every time, and its mean, one line or dot a run.

docs/sweeps.md has the commands.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from flowmusic.apps.runs import Run, read_runs

KEY = "model.times._target_"
TIME, MEAN, LOSS = "by_time/0.", "by_time/mean", "validation/loss"
COLOURS = {"uniform": "#22252b", "stratified": "#2f6690", "logit_normal": "#e4572e", "cosine": "#7a9e3a"}


def sampler(run: Run) -> str:
    return run.overrides[KEY].rpartition(".")[2]


def draw(runs: list[Run], out: Path) -> None:
    """Left: loss against t.  Right: what each run reports with its own t, against the same question to all."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.6), dpi=110, layout="constrained")
    curves, means = figure.subplots(1, 2, width_ratios=[1.7, 1.0])
    seen: set[str] = set()
    for run in sorted(runs, key=lambda run: (list(COLOURS).index(sampler(run)), run.seed or 0)):
        name = sampler(run)
        label = None if name in seen else name.replace("_", "-")
        seen.add(name)
        points = sorted((float(key.partition("/")[2]), run.metrics[key]) for key in run.metrics if key.startswith(TIME))
        curves.plot(*zip(*points), color=COLOURS[name], marker="o", markersize=3, linewidth=1.2, label=label)
        means.plot(run.metrics[LOSS], run.metrics[MEAN], "o", color=COLOURS[name])
    curves.set(xlabel="t (0 is noise, 1 is music)", ylabel="validation loss at t")
    curves.legend(fontsize=8, frameon=False)
    means.set(xlabel=f"{LOSS}, t from the run's own sampler", ylabel=f"{MEAN}, the same t for all")
    for axes in (curves, means):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    figure.savefig(out, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/time_samplers.png"))
    args = parser.parse_args()
    draw([run for run in read_runs(args.folder) if MEAN in run.metrics], args.out)
    print(args.out)


if __name__ == "__main__":
    main()
