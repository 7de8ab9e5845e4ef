"""``flowmusic evaluate``: how closely a model follows its controls, and how it sounds, on a test set.

``flowmusic evaluate model=nano corpus=DIR out=DIR`` (Hydra overrides, see ``conf/evaluate.yaml``) writes report.json,
report.md, figures and a listening page.  What is there is not made again: a run that was killed goes on where it was.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from flowmusic import progress
from flowmusic.errors import UsageError
from flowmusic.files import MARK, remove_stale
from flowmusic.locks import NAME, InUse, locked
from flowmusic.train import command, sweep

if TYPE_CHECKING:
    from flowmusic.evaluate.report import Results
    from flowmusic.metrics.report import Table


@dataclass(frozen=True)
class Evaluation:
    """What came of it: the table, the findings behind it, and the files that tell it."""

    summary: Table
    results: Results
    files: tuple[Path, ...]


def main(overrides: list[str]) -> int:
    """Run Hydra with command-line overrides (including ``-m``); returns the exit code of the command."""

    def action(cfg: DictConfig, task: list[str], varying: list[str] | None) -> None:
        for path in evaluate(cfg, None if varying is None else sweep.name_of(varying)).files:
            print(path)

    return command.run("flowmusic evaluate", "evaluate", action, overrides, (UsageError,), groups=False)


def compose(overrides: list[str]) -> DictConfig:
    """The configuration of an evaluation with overrides, without Hydra's runtime (for tests and notebooks)."""
    return command.compose_alone("evaluate", overrides)


def evaluate(cfg: DictConfig, point: str | None = None) -> Evaluation:
    """Evaluate what a configuration describes.

    Args:
        cfg: ``conf/evaluate.yaml`` with overrides.
        point: name of a sweep's point, which gets a folder of its own.

    Raises: UsageError for settings or input that are wrong.
    """
    from flowmusic.evaluate.settings import Settings

    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    settings = Settings.of({str(key): value for key, value in config.items()}, point)
    progress.starting("flowmusic evaluate")
    # Heavy, and of no use before the settings make sense.
    import torch

    from flowmusic.evaluate.inputs import prepare
    from flowmusic.evaluate.run import work
    from flowmusic.evaluate.workers import fill
    from flowmusic.evaluate.write import publish

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    settings.out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(settings.out / NAME, f"another evaluation is writing to {settings.out}; give another out=FOLDER"):
            remove_stale(*(path.parent for path in settings.out.rglob(f"{MARK}*")))
            inputs = prepare(settings)
            if settings.workers > 1:
                fill(settings, inputs)
            results = work(settings, inputs)
            summary, files = publish(settings, inputs, results)
    except InUse as busy:
        raise UsageError(str(busy)) from None
    return Evaluation(summary, results, files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
