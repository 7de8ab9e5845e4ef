"""Guidance weights as an input of the field, so that one evaluation does what a weighted sum of branches does.

After guidance distillation (Meng et al. 2023, arXiv 2210.03142, section 3.1), for several weights at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from flowmusic.guidance import ALL, WHOLE, Guidance
from flowmusic.model.layers import sinusoid

FEATURES = 64
SCALE = 10.0
"""Angle per unit of weight of the fastest wave: weights a tenth apart differ by a radian."""
RANGES: Mapping[str, tuple[float, float]] = {"all": (1.0, 4.0), "text": (0.0, 3.0)}
"""The weights that can be inputs, and between which values they are drawn in training."""


class GuidanceInput(nn.Module):
    """Weights to what is added to the embedding of time.

    It starts at zero, and is zero for no guidance (all 1, the others 0) for good: what a field says without guidance
    stays what it was.

    Args:
        names: of the weights, out of :data:`RANGES`, in order.
        width: E of the field.

    Shape: ``[B, K] -> [B, E]``.  Raises: ValueError for a name that cannot be an input.
    """

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__()
        unknown = [name for name in names if name not in RANGES]
        if unknown:
            raise ValueError(f"guidance {unknown[0]!r} cannot be an input of a field; allowed: {', '.join(RANGES)}")
        self.names = tuple(names)
        self.hidden = nn.Linear(len(names) * FEATURES, width)
        self.output = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.output.weight)
        plain = torch.tensor([[1.0 if name == "all" else 0.0 for name in self.names]])
        self.plain: Tensor
        self.register_buffer("plain", plain, persistent=False)

    def forward(self, weights: Tensor) -> Tensor:
        return self._embedded(weights) - self._embedded(self.plain)

    def _embedded(self, weights: Tensor) -> Tensor:
        features = [sinusoid(column, FEATURES, SCALE) for column in weights.unbind(-1)]
        hidden: Tensor = self.output(nn.functional.silu(self.hidden(torch.cat(features, dim=-1))))
        return hidden


def as_input(guidance: Guidance, names: Sequence[str]) -> list[float] | None:
    """The weights of a guidance in the order of ``names``; None for one that is no such weighting.

    >>> as_input(Guidance.of({"all": 3.0, "text": 1.0}), ("all", "text"))
    [3.0, 1.0]
    >>> as_input(Guidance.of({"all": 3.0, "chords": 1.0}), ("all", "text")) is None
    True

    Outside of :data:`RANGES` the field has learned nothing, so these are None as well.
    """
    if guidance.interval != WHOLE or guidance.projection is not None:
        return None
    found = dict.fromkeys(names, 0.0)
    for term in guidance.terms:
        if not term.keep:
            continue
        name = "all" if term.keep == ALL else next(iter(term.keep)) if len(term.keep) == 1 else ""
        if name not in found:
            return None
        found[name] += term.weight
    inside = all(RANGES[name][0] <= weight <= RANGES[name][1] for name, weight in found.items())
    return list(found.values()) if inside else None
