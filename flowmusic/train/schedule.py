"""Learning-rate schedule."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(step: int, warmup: int, total: int, floor: float = 0.02) -> float:
    """Factor on the learning rate: linear warm-up, then cosine to ``floor``, which holds from ``total`` on."""
    if step < warmup:
        # Plus one, or the first step would have no effect.
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    # Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5, without restarts.
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * progress))


def scheduled(optimizer: Optimizer, warmup: int, total: int) -> Any:
    """An optimiser with :func:`warmup_cosine` step by step, as ``configure_optimizers`` returns it."""
    schedule = LambdaLR(optimizer, lambda step: warmup_cosine(step, warmup, total))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
