"""Sweeps: every point of one has its own folder, named by what varies, so that a sweep called again goes on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from flowmusic.paths import cut

MAX_NAME = 120
"""Bytes."""
PLUGINS = {"optuna": "hydra-optuna-sweeper", "submitit": "hydra-submitit-launcher"}


def varying(task: Sequence[str], given: Sequence[str]) -> list[str]:
    """The overrides of one point of a sweep that the command line did not fix.

    Args:
        task: the point's overrides, as Hydra writes them.
        given: the arguments of the command.

    >>> varying(["seed=1", "threads=1", "control.drums.blur_s=0.04"], ["-m", "threads=1", "seed=1,2"])
    ['seed=1', 'control.drums.blur_s=0.04']
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    # Keys, not whole overrides: Hydra may write a value in another way than the command line.
    said = [argument for argument in given if "=" in argument and not argument.startswith("-")]
    fixed = {
        each.key_or_group for each in OverridesParser.create().parse_overrides(said) if not each.is_sweep_override()
    }
    return [override for override in task if not override.startswith("~") and _key(override) not in fixed]


def _key(override: str) -> str:
    return override.lstrip("+").partition("=")[0].partition("@")[0]


def name_of(overrides: Sequence[str]) -> str:
    """The folder of a point of a sweep, by the overrides that vary in it.

    >>> name_of(["seed=1", "control.drums.blur_s=0.04"])
    'control.drums.blur_s=0.04,seed=1'
    """
    name = ",".join(sorted(override.lstrip("+") for override in overrides)).replace("/", "-") or "point"
    data = os.fsencode(name)
    return name if len(data) <= MAX_NAME else f"{cut(name, MAX_NAME)}-{hashlib.sha256(data).hexdigest()[:8]}"


def move_to_point(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Give a point of a sweep its own folder under ``out``, where its run, if it was stopped, goes on.

    An ``out`` that varies by itself (``out=x/${hydra:job.num}``) is still given a folder for each point.
    """
    # Interpolations on ``out`` (logs, checkpoints, bundle) follow.
    cfg.out = str(Path(cfg.out) / name_of(overrides))


def missing_plugin(message: str) -> str | None:
    """What to install, if Hydra's message says that one of our sweep configurations needs a plugin it lacks."""
    for plugin, package in PLUGINS.items():
        if any(f"hydra/{kind}/{plugin}" in message for kind in ("sweeper", "launcher")):
            return f"{package} is not installed, which sweep={plugin} needs; pip install 'flowmusic[sweeps]'"
    return None
