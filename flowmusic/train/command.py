"""A command whose arguments are Hydra overrides, ``-m`` and ``--help`` included."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from flowmusic import disk, limits, plain
from flowmusic.train import overrides as typed
from flowmusic.train import sweep

Action = Callable[[DictConfig, list[str], list[str] | None], float | None]
"""``(cfg, overrides of this run, those that vary in a sweep or None) -> figure that a sweeper minimises, or None``."""


class WrongSettings(ValueError):
    """Settings that do not go together; the message says which, and what to set."""


def config_folder() -> Path:
    """The configuration installed with the package, or the checkout's ``conf``."""
    installed = Path(__file__).resolve().parents[1] / "conf"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "conf"


def alone(config_name: str) -> str:
    """Offer ``conf/<config_name>.yaml`` to Hydra without the groups that lie beside it; returns its name there.

    ``model=nano`` names a value there: with conf/model in sight, Hydra would take it for a choice from that group.
    """
    from hydra.core.config_store import ConfigStore

    # Another name than the file's: Hydra refuses a stored configuration beside a file of the same name.
    name = f"{config_name}_alone"
    ConfigStore.instance().store(name, OmegaConf.load(config_folder() / f"{config_name}.yaml"))
    return name


def compose_alone(config_name: str, overrides: list[str]) -> DictConfig:
    """Such a configuration with overrides, without Hydra's runtime (for tests and notebooks)."""
    from hydra import compose, initialize

    with initialize(config_path=None, version_base="1.3"):
        return compose(alone(config_name), typed.quoted(overrides))


def _as_given(overrides: ListConfig) -> list[str]:
    """Overrides with what they refer to; of something that Hydra itself does not know, as they were typed."""
    found = []
    for place, node in enumerate(overrides._iter_ex(resolve=False)):
        try:
            found.append(str(overrides[place]))
        except OmegaConfBaseException:
            found.append(str(node))
    return found


def run(
    label: str,
    config_name: str,
    action: Action,
    overrides: list[str],
    usage_errors: tuple[type[Exception], ...] = (FileNotFoundError,),
    groups: bool = True,
) -> int:
    """Compose ``conf/<config_name>.yaml`` with overrides and act on it; returns the exit code of the command.

    A configuration that cannot be composed or instantiated, and ``usage_errors`` of the action, exit 2 with one line.
    ``groups=False`` is for a configuration without groups, see :func:`alone`.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException, OverrideParseException
    from hydra.types import RunMode

    overrides = typed.quoted(overrides)
    folder = str(config_folder()) if groups else None
    name = config_name if groups else alone(config_name)

    failed: list[Exception] = []

    @hydra.main(config_path=folder, config_name=name, version_base="1.3")
    def entry(cfg: DictConfig) -> float | None:
        hydra_cfg = HydraConfig.get()
        task = _as_given(cast(ListConfig, hydra_cfg.overrides.task))
        if hydra_cfg.mode is RunMode.MULTIRUN:
            return action(cfg, task, sweep.varying(task, overrides))
        try:
            return action(cfg, task, None)
        except Exception as error:
            # Raised again below: Hydra would write a line of its own before it lets an error through.
            failed.append(error)
            return None

    expected: tuple[type[Exception], ...] = (HydraException, OmegaConfBaseException, limits.LimitError, *usage_errors)
    # Hydra prints configuration errors in its own way and exits 1, unless it is told to raise them.
    told = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    argv, sys.argv = sys.argv, [label, *overrides]
    try:
        entry()
        if failed:
            raise failed[0]
    except expected as error:
        text = disk.told(error) if isinstance(error, OSError) and error.errno is not None else str(error)
        message = sweep.missing_plugin(text) or " ".join(text.split())
        if isinstance(error, OverrideParseException):
            message = f"{typed.ADVICE}: {message}"
        if isinstance(error, InterpolationKeyError) and any("${" in each for each in overrides):
            message = f"{message}; ${{...}} stands for the value of another key: a file of such a name must be renamed"
        print(plain.shortened(f"{label}: error: {message}"), file=sys.stderr)
        return 2
    finally:
        sys.argv = argv
        if told is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = told
    return 0
