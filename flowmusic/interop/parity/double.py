"""MusicGen-Style's double guidance on logits: the weights are those of ``Guidance.double``."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from flowmusic.types import ALL, Guidance

KIND = "double_cfg"


def recompute(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, list[Tensor]]:
    """Combined logits of the last step, and their greedy tokens, for every pair of weights in the names."""
    full, style, null = tensors["in.logits_full_style_null"][..., -1, :]
    branches = {ALL: full, frozenset({"style"}): style, frozenset(): null}
    results: dict[str, list[Tensor]] = {}
    for name in tensors:
        if double := re.fullmatch(r"(out\.a([\d.]+)_b([\d.]+))\.logits_last", name):
            terms = Guidance.double(float(double[2]), float(double[3])).terms
            mixed = torch.stack([term.weight * branches[term.keep] for term in terms]).sum(0)
        elif single := re.fullmatch(r"(out\.single_a([\d.]+))\.logits_last", name):
            # Plain guidance takes the first two blocks of the batch as conditional and unconditional.
            terms = Guidance.plain(float(single[2])).terms
            pair = {ALL: full, frozenset(): style}
            mixed = torch.stack([term.weight * pair[term.keep] for term in terms]).sum(0)
        else:
            continue
        stem = name.removesuffix(".logits_last")
        results[name] = [mixed]
        results[f"{stem}.greedy"] = [mixed.argmax(-1, keepdim=True)]
    return results
