"""Activation checkpointing: memory for time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def run(block: nn.Module, again: bool, *args: Any) -> Tensor:
    """``block(*args)``; with ``again``, nothing inside is kept, and the backward pass computes the block once more.

    Our blocks draw no random numbers, so the second pass is the first.  Only where gradients are wanted.
    """
    if again and torch.is_grad_enabled():
        found: Tensor = checkpoint(block, *args, use_reentrant=False, preserve_rng_state=False)
        return found
    result: Tensor = block(*args)
    return result
