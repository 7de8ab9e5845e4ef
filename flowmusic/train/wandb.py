"""Weights & Biases, for those who ask for it."""

from __future__ import annotations

from importlib import util
from typing import Any

from flowmusic import publishable

PRIVATE = {
    "disable_git": True,
    "disable_code": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "console": "off",
}
"""Settings of wandb by which it sends figures and what it is told, and not by itself the command as it was typed, the
names of user and machine, the place and changes of the checkout, or what stands on the screen."""
CONNECTION = ("save_dir", "dir", "settings", "experiment", "id", "version")
"""Arguments that stay on this machine or name the run; the others are sent, and cleaned before."""


def logger(**settings: Any) -> Any:
    """Lightning's W&B logger with these settings; ``settings`` among them goes before :data:`PRIVATE`.

    Raises: ModuleNotFoundError that says what to install.
    """
    if util.find_spec("wandb") is None:
        raise ModuleNotFoundError(
            "logger=wandb needs the package wandb; install it with: pip install 'flowmusic[wandb]', or leave "
            "logger=wandb out (TensorBoard and CSV are the default)"
        )
    from lightning.pytorch.loggers import WandbLogger

    sent = publishable.cleaned({key: value for key, value in settings.items() if key not in CONNECTION})
    kept = {key: value for key, value in settings.items() if key in CONNECTION}
    return WandbLogger(**{**sent, **kept, "settings": {**PRIVATE, **(settings.get("settings") or {})}})
