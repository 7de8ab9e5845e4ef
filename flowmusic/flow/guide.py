"""Guidance: a weighted sum of the field under several conditions, evaluated as one batch.

v(z, t) = sum_k w_k field(z, t, condition_k) with sum_k w_k = 1.  Plain classifier-free guidance (Ho & Salimans 2022),
JASCO's multi-source and MusicGen-Style's double guidance differ only in the branches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from flowmusic.types import Condition, VelocityField

ConditionedField = Callable[[Tensor, Tensor, Condition], Tensor]
"""``(z [B, T, D], t [B], condition) -> [B, T, D]``."""


def bound(field: ConditionedField, condition: Condition) -> VelocityField:
    """The field for one condition.

    A field that offers ``bind(condition)`` thereby computes everything that depends on neither z nor t once, instead
    of in every evaluation.
    """
    bind = getattr(field, "bind", None)
    if bind is not None:
        velocity: VelocityField = bind(condition)
        return velocity
    return lambda z, t: field(z, t, condition)


NEGLIGIBLE = 1e-12
"""A weight below this is rounding (1 - 0.1 - 0.2 - 0.7) and its branch is not evaluated."""


def stack(conditions: Sequence[Condition]) -> Condition:
    """K conditions of B items as one of K * B, condition-major; token lists are padded with masked tokens.

    Shape: tokens ``[B, M_k, E]`` -> ``[K B, max M, E]``; frames ``[B, T, F]`` -> ``[K B, T, F]`` or None; pooled alike.
    Raises: ValueError if only some conditions have frames, or pooled tokens.
    """
    if not conditions:
        raise ValueError("stack needs at least one condition")
    if len(conditions) == 1:
        return conditions[0]
    frames = [c.frames for c in conditions if c.frames is not None]
    if frames and len(frames) != len(conditions):
        raise ValueError(
            f"{len(frames)} of {len(conditions)} guidance branches have frame controls; the encoder must give frames "
            "to all branches or to none (absent controls are marked, not left out)"
        )
    pooled = [c.pooled for c in conditions if c.pooled is not None]
    if pooled and len(pooled) != len(conditions):
        raise ValueError(f"{len(pooled)} of {len(conditions)} guidance branches have pooled tokens; give all or none")
    longest = max(c.tokens.shape[1] for c in conditions)

    def padded(x: Tensor) -> Tensor:
        tail = x.new_zeros(x.shape[0], longest - x.shape[1], *x.shape[2:])
        return torch.cat([x, tail], dim=1)

    return Condition(
        frames=torch.cat(frames) if frames else None,
        tokens=torch.cat([padded(c.tokens) for c in conditions]),
        tokens_mask=torch.cat([padded(c.tokens_mask) for c in conditions]),
        pooled=torch.cat(pooled) if pooled else None,
    )


def guided(field: ConditionedField, branches: Sequence[tuple[Condition, float]]) -> VelocityField:
    """The weighted sum of ``field`` under each branch's condition, as a field of (z, t) alone.

    Branches of weight zero are left out before anything is computed; the others are stacked and bound once, here, and
    each evaluation is one call of ``field`` on a batch of K * B.

    Shape: conditions of batch B; the result maps ``z [B, T, D], t [B] -> [B, T, D]``.
    Raises: ValueError if the weights are not finite or do not sum to 1.
    """
    weights = [float(w) for _, w in branches]
    if not all(map(math.isfinite, weights)) or abs(sum(weights) - 1.0) > 1e-6:
        raise ValueError(f"guidance weights must be finite and sum to 1, got {weights}")
    live = [(condition, w) for condition, w in branches if abs(w) > NEGLIGIBLE]
    condition = stack([c for c, _ in live])
    evaluate = bound(field, condition)
    count = len(live)
    weight = torch.tensor([w for _, w in live], device=condition.tokens.device)

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        if count == 1:
            return evaluate(z, t)
        v = evaluate(z.repeat(count, *(1,) * (z.ndim - 1)), t.repeat(count))
        return torch.tensordot(weight.to(v), v.reshape(count, *z.shape), dims=1)

    return velocity


def guided_by_loop(field: ConditionedField, branches: Sequence[tuple[Condition, float]]) -> VelocityField:
    """The same sum, one branch after the other: slower, needs no padding; the oracle of :func:`guided`."""

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        total = torch.zeros_like(z)
        for condition, weight in branches:
            if abs(weight) > NEGLIGIBLE:
                total = total + weight * field(z, t, condition)
        return total

    return velocity
