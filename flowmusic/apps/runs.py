"""``flowmusic runs``: the training runs under a folder as a table: what differed between them, and what came out."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.errors import DONE, UsageError

FIGURE = "validation/loss"
OWN_COLUMNS = ("seed", "out", "name", "resume")
"""Overrides that have a column of their own, or say only where a run lies."""
PLAIN_KEYS = ("run", "seed", "steps", "wall_s")


@dataclass(frozen=True)
class Run:
    """One training run as its folder tells it; what an unfinished one has not written yet is None.

    ``name`` is the folder relative to the one that was asked for, ``overrides`` what its command said by key, and
    ``wall_s`` seconds of training over all sittings.
    """

    name: str
    overrides: Mapping[str, str]
    seed: int | None
    steps: int | None = None
    commit: str | None = None
    wall_s: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def value(self, key: str) -> Any:
        """A figure, or one of ``run, seed, steps, wall_s``; None if the run does not have it."""
        if key == "run":
            return self.name
        return getattr(self, key) if key in PLAIN_KEYS else self.metrics.get(key)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print a table of the training runs under a folder: the overrides that differ between them, steps, seed, "
        "commit, figure and wall time, the smallest figure first.  A run without figures is not finished."
    )
    parser.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument(
        "--by",
        metavar="KEY",
        default=FIGURE,
        help="a figure of the runs to show and sort by, or run, seed, steps, wall_s; default: %(default)s",
    )


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    if not args.folder.is_dir():
        raise UsageError(f"folder not found: {args.folder}; give the folder that holds the runs, as in out=FOLDER")
    found = read_runs(args.folder)
    if not found:
        raise UsageError(f"no training runs under {args.folder}; flowmusic train experiment=nano makes one in runs/")
    known = sorted({key for each in found for key in each.metrics})
    if args.by not in (*PLAIN_KEYS, *known) and (known or args.by != FIGURE):
        raise UsageError(f"no run has the figure {args.by!r}; choose from {', '.join((*PLAIN_KEYS, *known))}")
    print("\n".join(table(found, args.by)))
    return DONE


def read_runs(folder: Path) -> list[Run]:
    """Every run in a folder or anywhere below it, by name.  Raises: UsageError for a damaged file."""
    runs = []
    for config in sorted(folder.rglob("config.yaml")):
        # A model bundle has a config.yaml as well.
        if (config.parent / "metrics.json").is_file() or (config.parent / "checkpoints").is_dir():
            runs.append(_read(config, folder))
    return runs


def _read(config: Path, root: Path) -> Run:
    metrics = config.parent / "metrics.json"
    try:
        settings = plain.read_yaml(config)
        result = plain.read_json(metrics, missing=True) if metrics.is_file() else {}
        return Run(
            name=config.parent.relative_to(root).as_posix(),
            # Runs of before the overrides were recorded have none.
            overrides=dict(override.partition("=")[::2] for override in settings.get("overrides", ())),
            seed=settings.get("seed"),
            steps=result.get("steps"),
            commit=result.get("commit"),
            wall_s=result.get("wall_s"),
            metrics=result.get("metrics", {}),
        )
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"{config.parent} holds no readable run: {plain.reason(error)}") from error


def differing(runs: Sequence[Run]) -> list[str]:
    """The keys whose override is not the same in all runs, in the order in which they were first said."""
    keys = dict.fromkeys(key for each in runs for key in each.overrides if key not in OWN_COLUMNS)
    return [key for key in keys if len({each.overrides.get(key) for each in runs}) > 1]


def table(runs: Sequence[Run], by: str = FIGURE) -> list[str]:
    """Lines of an aligned table, sorted by a figure or a key; runs without it come last."""
    figure = FIGURE if by in PLAIN_KEYS else by
    keys = differing(runs)
    head = ["run", *(_short(key) for key in keys), "steps", "seed", "commit", figure, "wall time"]
    rows = [
        [
            each.name,
            *(_short(each.overrides.get(key, "-")) for key in keys),
            _shown(each.steps),
            _shown(each.seed),
            each.commit or "-",
            _shown(each.value(figure)),
            _time(each.wall_s),
        ]
        for each in sorted(runs, key=lambda each: _order(each.value(by), each.name))
    ]
    return list(_aligned([head, *rows]))


def _order(value: Any, name: str) -> tuple[bool, Any, str]:
    missing = value is None or isinstance(value, float) and math.isnan(value)
    return missing, 0 if missing else value, name


def _short(word: str) -> str:
    """A component by its name, without the path of its module: ``flowmusic.flow.times.uniform`` is ``uniform``."""
    word = word.lstrip("+~").removesuffix("._target_")
    return word.rpartition(".")[2] if word.startswith(("flowmusic.", "torch.")) else word


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Columns of equal width, those of numbers to the right."""
    columns = list(zip(*rows))
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell == "-" or cell[:1].isdigit() for cell in column[1:]) for column in columns]
    for row in rows:
        cells = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right))
        yield "  ".join(cells).rstrip()
