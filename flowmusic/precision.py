"""Whether products in bf16 gain anything on a device, and what follows for training and generating."""

from __future__ import annotations

import warnings

import torch


def has_bf16(device: torch.device | str = "cpu") -> bool:
    """Whether the device multiplies bf16 natively.

    A CPU without AVX-512 does it in loops, many times as slowly as fp32.  Other devices than CPUs are taken to have it.
    """
    if torch.device(device).type != "cpu":
        return True
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def of_trainer(precision: str, accelerator: str) -> str:
    """What ``trainer.precision`` stands for: ``auto`` is ``bf16-mixed`` where that gains, else ``32-true``.

    >>> of_trainer("auto", "cuda"), of_trainer("32-true", "cpu")
    ('bf16-mixed', '32-true')
    """
    if precision != "auto":
        return precision
    return "bf16-mixed" if accelerator != "cpu" or has_bf16() else "32-true"


def usable(precision: str, device: torch.device | str) -> str:
    """``fp32`` for a ``bf16`` that the device does not multiply natively, with a warning; else what was asked for.

    There it would be slower, and oneDNN's packed layers refuse it.
    """
    if precision != "bf16" or has_bf16(device):
        return precision
    warnings.warn("this processor does not multiply bf16 natively, so precision fp32 is used instead", stacklevel=3)
    return "fp32"
