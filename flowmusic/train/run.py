"""train(cfg): instantiate, fit, export.  The only place where Hydra meets the code.

``flowmusic train experiment=nano trainer=cpu`` and ``flowmusic train -m experiment=nano seed=1,2`` end here.
Every run leaves ``config.yaml`` and ``metrics.json`` in its folder, which ``flowmusic runs`` puts into a table.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from flowmusic import disk, limits, progress
from flowmusic.data.errors import WrongData
from flowmusic.files import remove_stale, write_text
from flowmusic.locks import NAME, InUse, locked
from flowmusic.paths import is_utf8, lastingly_linked
from flowmusic.train import checkpoints, command, identity, memory, ranks, sweep
from flowmusic.train import overrides as typed
from flowmusic.train.checkpoints import UnfitCheckpoint, UnsafeCheckpoint
from flowmusic.train.command import WrongSettings, config_folder

RESUME = (True, False, "anyway")
"""Values of ``resume``; the last goes on whatever differs."""


@dataclass(frozen=True)
class TrainResult:
    """Figures of the run, the folder that holds it, and the live objects for tests and notebooks."""

    metrics: dict[str, float]
    folder: Path
    objects: dict[str, Any]


def provenance() -> dict[str, str]:
    """What a card must state to be repeatable, without machine names: commit, library versions, processor count."""
    import lightning
    import torch

    commit = "unknown"
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    if asked.returncode == 0:
        commit = asked.stdout.strip()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    return {
        "commit": commit,
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "lightning": lightning.__version__,
        "hardware": device,
    }


def train(cfg: DictConfig) -> TrainResult:
    """Fit what the configuration describes; resume from ``<out>/checkpoints/last.ckpt`` if it is there.

    Raises: LimitError for numbers that no training has; OtherRun for the folder of another run; InUse while another
    process trains there; DamagedCheckpoint, UnsafeCheckpoint and UnfitCheckpoint; OutOfMemory, with what to change; and
    whatever else goes wrong.
    """
    if cfg.resume not in RESUME:
        raise WrongSettings(f"resume must be true, false or anyway, got {cfg.resume}")
    check_numbers(cfg)
    folder = Path(cfg.out)
    folder.mkdir(parents=True, exist_ok=True)
    busy = f"another training is running in {folder}; wait for it, or give another out=FOLDER"
    try:
        with locked(folder / NAME, busy) if first_rank() else nullcontext():
            if first_rank():
                remove_stale(folder, folder / "checkpoints")
            return _train(cfg)
    except Exception as error:
        if memory.ran_out(error):
            raise memory.OutOfMemory(memory.advice(cfg)) from error
        raise


def check_numbers(cfg: DictConfig) -> None:
    """Raises: LimitError for a number of the configuration that no training has, or that this machine has not."""
    limits.tree(OmegaConf.to_container(cfg, resolve=True))
    trainer: Any = cfg.get("trainer") or {}
    if trainer.get("accelerator") == "cpu" and isinstance(trainer.get("devices"), int):
        limits.on_this_machine("devices", trainer.devices, "trainer.devices", each=1)


def _train(cfg: DictConfig) -> TrainResult:
    import torch
    from hydra.utils import instantiate
    from lightning import seed_everything

    from flowmusic.precision import of_trainer
    from flowmusic.train.checkpoint_io import PlainCheckpoints, Restored
    from flowmusic.train.sharding import is_sharded
    from flowmusic.train.steps_bar import StepsBar

    cfg.trainer.precision = of_trainer(str(cfg.trainer.precision), str(cfg.trainer.accelerator))
    if cfg.threads is not None:
        torch.set_num_threads(int(cfg.threads))
    # Initial weights come from here; everything random in a step is drawn from (seed, step).
    seed_everything(int(cfg.seed), workers=True, verbose=False)
    folder = Path(cfg.out)
    first = first_rank()
    whose = identity.of(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
    if first:
        check_owner(cfg, folder, whose)
    resume = find_checkpoint(cfg)
    data = instantiate(cfg.data)
    model = instantiate(cfg.model)
    callbacks = [instantiate(c) for c in cfg.callbacks.values() if c is not None]
    if cfg.trainer.get("enable_progress_bar", True):
        callbacks.append(StepsBar())
    restored = Restored(resume)
    loggers = [instantiate(c, **_for_a_logger(c)) for c in cfg.logger.values() if c is not None]
    shell = {"callbacks": [*callbacks, restored], "logger": loggers or False, "plugins": [PlainCheckpoints()]}
    trainer = instantiate(cfg.trainer, **shell)
    if cfg.export is not None and is_sharded(trainer):
        raise WrongSettings("a sharded run is not made into a bundle when it ends; set export=null")
    if cfg.export is not None and cfg.export.get("generation") is not None:
        from flowmusic.generate.defaults import GenerationDefaults

        # What does not fit the field is said now, not when the bundle of a finished run is loaded.
        sampled: Any = OmegaConf.to_container(cfg.export.generation, resolve=True)
        try:
            GenerationDefaults(**sampled).check(model.field.dim)
        except (TypeError, ValueError) as error:
            raise WrongSettings(f"export.generation: {error}") from None
    if first:
        claim(cfg, folder, whose)
    began = time.monotonic()
    with ranks.started(trainer, folder / identity.CONFIG), restored.explained():
        trainer.fit(model, datamodule=data, ckpt_path=resume, weights_only=True)
    # The budget's checkpoint knows the sittings before this one, killed ones too.
    wall_s = time.monotonic() - began + sum(getattr(callback, "before_wall_s", 0.0) for callback in callbacks)
    metrics = {k: float(v) for k, v in trainer.callback_metrics.items()}
    run = {"steps": trainer.global_step, "seed": int(cfg.seed), "wall_s": round(wall_s, 2), **provenance()}
    paused = any(getattr(callback, "paused", False) for callback in callbacks)
    run |= {"metrics": metrics, "paused": paused}
    try:
        if first:
            write_text(folder / identity.RESULT, json.dumps(run, indent=2, sort_keys=True) + "\n")
    finally:
        # Whether the figures can be written or not: the model is worth more.
        if first and cfg.export is not None and trainer.state.finished and not trainer.fast_dev_run and not paused:
            # Partial first: Hydra would try to instantiate every _target_ inside the settings that the card needs.
            export = instantiate(cfg.export, _partial_=True)
            export(module=model, data=data, run=run, settings=OmegaConf.to_container(cfg, resolve=True))
    return TrainResult(metrics, folder, {"model": model, "data": data, "trainer": trainer})


def _for_a_logger(settings: Any) -> dict[str, str]:
    """TensorBoard takes paths in UTF-8 alone, and Lightning's logger replaces ``$HOME`` in them: those get a link."""
    folder = settings.get("save_dir")
    return {} if folder is None or (is_utf8(folder) and "$" not in folder) else {"save_dir": lastingly_linked(folder)}


def check_owner(cfg: DictConfig, folder: Path, whose: Mapping[str, Any]) -> None:
    """Raises: OtherRun if another run's results lie there, and nobody said what to do with them."""
    if cfg.resume == "anyway":
        other = identity.differences(folder, whose)
        if other:
            print(f"notice: the run goes on with other settings: {identity.told(other)}", file=sys.stderr)
    elif cfg.resume:
        identity.check(folder, whose)


def claim(cfg: DictConfig, folder: Path, whose: Mapping[str, Any]) -> None:
    """Make the folder this run's, when all that it consists of could be made."""
    if not cfg.resume:
        checkpoints.forget(folder / "checkpoints")
        (folder / identity.RESULT).unlink(missing_ok=True)
    identity.note(folder, whose)
    write_text(folder / identity.CONFIG, OmegaConf.to_yaml(cfg, resolve=True))


def first_rank() -> bool:
    """Whether this process, of those of a run on several devices, is the one that writes."""
    from lightning.pytorch.utilities import rank_zero_only

    return bool(getattr(rank_zero_only, "rank", 0) == 0)


def planned(cfg: DictConfig) -> str:
    """What the run would need, as text."""
    from flowmusic.train import plan, plan_text

    check_numbers(cfg)
    return plan_text.described(plan.make(cfg), float(cfg.plan.flops), float(cfg.plan.utilisation))


def find_checkpoint(cfg: DictConfig) -> Path | None:
    """Where the run is to go on from: the newest whole checkpoint of ``<out>/checkpoints``, if ``resume`` is set.

    Raises: DamagedCheckpoint, UnsafeCheckpoint.
    """
    if not cfg.resume:
        return None
    path, told = checkpoints.latest(Path(cfg.out) / "checkpoints")
    if told and first_rank():
        print(f"notice: {told}", file=sys.stderr)
    return path


def compose(overrides: list[str]) -> DictConfig:
    """The training configuration with overrides, without Hydra's runtime (for tests and notebooks)."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        cfg = hydra_compose("train", overrides=typed.quoted(overrides))
    note_overrides(cfg, overrides)
    return cfg


def note_overrides(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Write into the configuration what was asked for; interpolations in it stay text."""
    cfg.overrides = [override.replace("${", r"\${") for override in overrides]


def data_folder(override: str) -> str:
    """``data=FOLDER`` as ``latents=FOLDER``: ``data`` is a group of configurations, whose names go before folders."""
    key, _, value = override.partition("=")
    if key != "data" or (config_folder() / "data" / f"{value}.yaml").is_file():
        return override
    return f"latents={value}" if os.path.isdir(value) else override


def check_writable(folder: Path) -> None:
    """Raises: WrongSettings if the run's folder cannot be written, which would show after the first checkpoint."""
    try:
        disk.check(folder / "checkpoints")
    except OSError as error:
        raise WrongSettings(f"out: cannot write to {folder}: {disk.told(error)}") from None


def main(overrides: list[str]) -> int:
    """Run Hydra with command-line overrides (including ``-m``); returns the exit code of the command.

    A configuration that cannot be composed or instantiated, and data that is not there, exit 2 with one line.
    """
    overrides = [data_folder(override) for override in overrides]

    def action(cfg: DictConfig, task: list[str], varying: list[str] | None) -> float | None:
        note_overrides(cfg, task)
        if varying is not None:
            sweep.move_to_point(cfg, varying)
        progress.starting("flowmusic train")
        if cfg.dry_run:
            print(planned(cfg))
            return None
        check_writable(Path(cfg.out))
        result = train(cfg)
        if first_rank():
            print(result.folder)
        return result.metrics.get(cfg.objective) if cfg.objective else None

    checkpoint = (UnfitCheckpoint, UnsafeCheckpoint)
    wrong = (FileNotFoundError, identity.OtherRun, InUse, *checkpoint, WrongData, WrongSettings)
    return command.run("flowmusic train", "train", action, overrides, wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
