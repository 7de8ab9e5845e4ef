"""Waveform fidelity."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor


def si_sdr(estimate: Tensor, reference: Tensor) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019), all channels together.

    Shape: both ``[*, N]``; the longer one is cut.  Equal up to a gain is +inf; an estimate orthogonal to the
    reference, silence included, is -inf.  A silent reference gives nan, with a warning.

    >>> reference = torch.tensor([1.0, 1.0, -1.0, -1.0])
    >>> round(si_sdr(3.0 * reference + torch.tensor([0.3, -0.3, 0.3, -0.3]), reference), 3)
    20.0
    """
    if estimate.shape[:-1] != reference.shape[:-1]:
        raise ValueError(f"estimate {tuple(estimate.shape)} and reference {tuple(reference.shape)} differ in channels")
    length = min(estimate.shape[-1], reference.shape[-1])
    x = estimate[..., :length].double().flatten()
    s = reference[..., :length].double().flatten()
    energy = float(s @ s)
    if energy == 0.0:
        warnings.warn("si_sdr: the reference is silent or empty; the score is nan", stacklevel=2)
        return math.nan
    # The multiple of s that is nearest to x; what is left is orthogonal to it, so that gain costs nothing.
    target = (x @ s) / energy * s
    kept, lost = float(target @ target), float(((x - target) ** 2).sum())
    # Below double precision relative to the target the distortion is rounding.
    if lost <= 1e-28 * kept and kept > 0.0:
        return math.inf
    return 10.0 * math.log10(kept / lost) if kept > 0.0 and lost > 0.0 else -math.inf


def mean_si_sdr(estimates: Tensor, references: Tensor) -> float:
    """Mean over a batch, items that are nan left out.  Shape: both ``[B, *, N]``; nan for none."""
    values = torch.tensor([si_sdr(e, r) for e, r in zip(estimates, references, strict=True)])
    return float(values.nanmean()) if values.numel() else math.nan
