"""A command whose arguments are Hydra overrides, ``-m`` and ``--help`` included."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from flowmusic.train import sweep

Action = Callable[[DictConfig, list[str], list[str] | None], float | None]
"""``(cfg, overrides of this run, those that vary in a sweep or None) -> figure that a sweeper minimises, or None``."""


def config_folder() -> Path:
    """The configuration installed with the package, or the checkout's ``conf``."""
    installed = Path(__file__).resolve().parents[1] / "conf"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "conf"


def run(
    label: str,
    config_name: str,
    action: Action,
    overrides: list[str],
    usage_errors: tuple[type[Exception], ...] = (FileNotFoundError,),
) -> int:
    """Compose ``conf/<config_name>.yaml`` with overrides and act on it; returns the exit code of the command.

    A configuration that cannot be composed or instantiated, and ``usage_errors`` of the action, exit 2 with one line.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import RunMode
    from omegaconf.errors import OmegaConfBaseException

    @hydra.main(config_path=str(config_folder()), config_name=config_name, version_base="1.3")
    def entry(cfg: DictConfig) -> float | None:
        hydra_cfg = HydraConfig.get()
        task = list(hydra_cfg.overrides.task)
        multirun = hydra_cfg.mode is RunMode.MULTIRUN
        return action(cfg, task, sweep.varying(task, overrides) if multirun else None)

    expected: tuple[type[Exception], ...] = (HydraException, OmegaConfBaseException, *usage_errors)
    # Hydra prints configuration errors in its own way and exits 1, unless it is told to raise them.
    told = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    argv, sys.argv = sys.argv, [label, *overrides]
    try:
        entry()
    except expected as error:
        message = sweep.missing_plugin(str(error)) or " ".join(str(error).split())
        print(f"{label}: error: {message}", file=sys.stderr)
        return 2
    finally:
        sys.argv = argv
        if told is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = told
    return 0
