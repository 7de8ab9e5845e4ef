"""Weights & Biases, for those who ask for it."""

from __future__ import annotations

from importlib import util
from typing import Any


def logger(**settings: Any) -> Any:
    """Lightning's W&B logger with these settings.

    Raises: ModuleNotFoundError that says what to install.
    """
    if util.find_spec("wandb") is None:
        raise ModuleNotFoundError(
            "logger=wandb needs the package wandb; install it with: pip install 'flowmusic[wandb]', or leave "
            "logger=wandb out (TensorBoard and CSV are the default)"
        )
    from lightning.pytorch.loggers import WandbLogger

    return WandbLogger(**settings)
