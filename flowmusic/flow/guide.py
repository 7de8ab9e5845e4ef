"""Guidance: a weighted sum of the field under several conditions, evaluated as one batch.

v(z, t) = sum_k w_k field(z, t, condition_k) with sum_k w_k = 1.  Plain classifier-free guidance (Ho & Salimans 2022),
JASCO's multi-source and MusicGen-Style's double guidance differ only in the branches.  Beside the weights there is when
they apply, and what of the update is kept: of its direction (:mod:`flowmusic.flow.apg`), in which channels, and of its
size (:mod:`flowmusic.flow.rescale`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from flowmusic.flow.apg import Projector
from flowmusic.flow.rescale import rescaled
from flowmusic.guidance import WHOLE, Projection
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
    Raises: ValueError if only some conditions have frames, or pooled tokens, and for guidance weights in them.
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
    if any(c.guidance is not None for c in conditions):
        raise ValueError("a field that takes guidance weights as an input is evaluated once, not as a sum of branches")
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


Weight = float | Tensor
"""Of a branch: one number, or one per frame ``[T]``."""


def guided(
    field: ConditionedField,
    branches: Sequence[tuple[Condition, Weight]],
    *,
    plain: Condition | Sequence[tuple[Condition, Weight]] | None = None,
    interval: tuple[float, float] = WHOLE,
    projection: Projection | None = None,
    channels: Tensor | None = None,
    rescale: float = 0.0,
) -> VelocityField:
    """The weighted sum of ``field`` under each branch's condition, as a field of (z, t) alone.

    Branches of weight zero are left out before anything is computed; the others are stacked and bound once, here, and
    each evaluation is one call of ``field`` on a batch of K * B.

    Args:
        field: what is guided.
        branches: conditions of batch B, and their weights, which sum to 1 (on every frame).
        plain: the condition without guidance, everything given; or several with their shares, which sum to 1.  They
            may be conditions of branches (the same objects).
        interval: the times, both ends included, in which the weights apply; at others ``plain`` is evaluated alone.
        projection: what of the difference to ``plain`` is kept.  With momentum it remembers: one field for one solve.
        channels: ``[D]``, how much each channel keeps of what the sum amplifies: of its distance to ``plain``, or,
            where it holds less than all of ``plain``, to the mix of conditions that it holds (:func:`between`).
            None: all of it.
        rescale: how far deviations of the predicted data are brought back to those that the same mix predicts, 0 to 1.

    Shape: the result maps ``z [B, T, D], t [B] -> [B, T, D]``.
    Raises: ValueError if the weights are not finite or do not sum to 1, and for an interval, a projection, channels
        or rescale without ``plain``.

    >>> said = Condition(frames=None, tokens=torch.ones(1, 1, 1), tokens_mask=torch.ones(1, 1, dtype=torch.bool))
    >>> nothing = Condition(None, torch.zeros(1, 1, 1), said.tokens_mask)
    >>> field = guided(lambda z, t, condition: condition.tokens.expand_as(z), [(said, 3.0), (nothing, -2.0)])
    >>> field(torch.zeros(1, 4, 1), torch.zeros(1)).flatten()
    tensor([3., 3., 3., 3.])
    >>> fading = [(said, torch.tensor([3.0, 2.0, 1.0, 0.0])), (nothing, torch.tensor([-2.0, -1.0, 0.0, 1.0]))]
    >>> field = guided(lambda z, t, condition: condition.tokens.expand_as(z), fading)
    >>> field(torch.zeros(1, 4, 1), torch.zeros(1)).flatten()
    tensor([3., 2., 1., 0.])
    >>> half = torch.tensor([1.0, 0.5])
    >>> branches = [(said, 3.0), (nothing, -2.0)]
    >>> field = guided(lambda z, t, condition: condition.tokens.expand_as(z), branches, plain=said, channels=half)
    >>> field(torch.zeros(1, 2, 2), torch.zeros(1)).tolist()
    [[[3.0, 2.0], [3.0, 2.0]]]
    """
    live = _live(branches, "guidance weights")
    if interval == WHOLE and projection is None and channels is None and not rescale:
        return _sum(field, live)
    if plain is None:
        raise ValueError(
            "a guidance interval, projection, channels or rescale need the plain condition to compare with"
        )
    alone = _live([(plain, 1.0)] if isinstance(plain, Condition) else plain, "shares of the plain conditions")
    # All weight is on the plain branch, so the update is 0: nothing to switch off, nothing to project.
    if len(live) == len(alone) == 1 and live[0][0] is alone[0][0]:
        return _sum(field, live)
    kept = projection is not None or channels is not None or rescale
    strong = _kept(field, live, alone, projection, channels, rescale) if kept else _sum(field, live)
    return strong if interval == WHOLE else _within(interval, strong, _sum(field, alone))


def _live(branches: Sequence[tuple[Condition, Weight]], what: str) -> list[tuple[Condition, Weight]]:
    """Branches whose weight is not nothing, a weight that is the same on all frames as a number.

    Raises: ValueError unless the weights are finite and sum to 1 on every frame.
    """
    simple = [(condition, _number(w)) for condition, w in branches]
    total: Weight = sum((w for _, w in simple), 0.0)
    sums = total if isinstance(total, Tensor) else torch.tensor(total, dtype=torch.float64)
    # Weights per frame are fp32, whose sums are rounded more.
    allowed = 1e-5 if isinstance(total, Tensor) else 1e-6
    if not bool((sums - 1.0).abs().max() <= allowed):  # not a number is not within it either
        raise ValueError(f"{what} must be finite and sum to 1, got {[_shown(w) for _, w in simple]}")
    return [(condition, w) for condition, w in simple if bool(torch.as_tensor(w).abs().max() > NEGLIGIBLE)]


def _number(weight: Weight) -> Weight:
    if isinstance(weight, Tensor) and weight.ndim == 1 and bool((weight == weight[0]).all()):
        return float(weight[0])
    return weight if isinstance(weight, Tensor) else float(weight)


def _shown(weight: Weight) -> float | list[float]:
    return weight if isinstance(weight, float) else [round(w, 4) for w in weight.flatten()[:4].tolist()]


def _column(weights: Sequence[Weight], like: Tensor) -> Tensor:
    """Weights that broadcast over velocities ``[K, B, T, D]``: ``[K, 1, 1, 1]``, or ``[K, 1, T, 1]`` over frames."""
    if all(isinstance(w, float) for w in weights):
        return torch.tensor(weights).to(like).reshape(-1, *(1,) * (like.ndim - 1))
    frames = like.shape[-2]
    rows = [w.to(like) if isinstance(w, Tensor) else like.new_full((frames,), w) for w in weights]
    return torch.stack(rows)[:, None, :, None]


def _stacked(field: ConditionedField, conditions: Sequence[Condition]) -> VelocityField:
    """All conditions in one call.  Shape: ``[B, T, D]`` -> ``[K, B, T, D]``."""
    evaluate = bound(field, stack(conditions))
    count = len(conditions)

    def velocities(z: Tensor, t: Tensor) -> Tensor:
        # repeat gives all of z, then all of z again: the condition-major order of stack().
        v = evaluate(z.repeat(count, *(1,) * (z.ndim - 1)), t.repeat(count))
        return v.reshape(count, *z.shape)

    return velocities


def _sum(field: ConditionedField, live: Sequence[tuple[Condition, Weight]]) -> VelocityField:
    if len(live) == 1:
        return bound(field, live[0][0])
    evaluate = _stacked(field, [condition for condition, _ in live])
    weights = [w for _, w in live]
    steady = torch.tensor(weights) if all(isinstance(w, float) for w in weights) else None

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        v = evaluate(z, t)
        if steady is not None:
            return torch.tensordot(steady.to(v), v, dims=1)
        return (_column(weights, v) * v).sum(0)

    return velocity


def between(weights: Sequence[Weight], plain: Sequence[Weight]) -> list[Weight]:
    """Weights of the mix of conditions that a guided sum amplifies: plain as far as the sum holds it, then what else
    has positive weights, in their proportions.  None is negative, and they sum to 1 as ``weights`` and ``plain`` do.

    A sum without negative weights mixes conditions and amplifies nothing: it is its own mix.

    >>> between([4.0, -3.0], [1.0, 0.0]), between([0.5, 0.5], [1.0, 0.0]), between([0.0, 3.0, -2.0], [1.0, 0.0, 0.0])
    ([1.0, 0.0], [0.5, 0.5], [0.0, 1.0, 0.0])
    """
    positive = [torch.as_tensor(w, dtype=torch.float64).clamp(min=0.0) for w in weights]
    shared = [torch.minimum(w, torch.as_tensor(b, dtype=torch.float64)) for w, b in zip(positive, plain, strict=True)]
    others = [w - s for w, s in zip(positive, shared, strict=True)]
    # Positive weights sum to 1 or more, so whatever the shared ones leave of 1 is there among the others.
    part = (1.0 - sum(shared)) / torch.as_tensor(sum(others)).clamp(min=NEGLIGIBLE)
    found = [s + part * w for s, w in zip(shared, others, strict=True)]
    return [float(w) if w.ndim == 0 else w for w in found]


def _kept(
    field: ConditionedField,
    live: Sequence[tuple[Condition, Weight]],
    alone: Sequence[tuple[Condition, Weight]],
    projection: Projection | None,
    channels: Tensor | None,
    rescale: float,
) -> VelocityField:
    project = None if projection is None else Projector(projection)
    # The plain branches come first; a condition may be among both, and is evaluated once.  Without a projection, one
    # that has no weight in the sum is not evaluated at all: there is nothing of it in the sum.
    among = live if project is None else (*alone, *live)
    conditions = list({id(condition): condition for condition, _ in among}.values())
    evaluate = _stacked(field, conditions)

    def weights(of: Sequence[tuple[Condition, Weight]]) -> list[Weight]:
        return [sum((w for each, w in of if each is condition), 0.0) for condition in conditions]

    whole, base = weights(live), weights(alone)
    # What the sum differs by from the plain velocity: w - 1 of a single plain branch, w of every other.
    change = [w - b for w, b in zip(whole, base, strict=True)]

    nothing_added = between(whole, base)

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        v = evaluate(z, t).to(z)
        if project is None:
            found = (_column(whole, v) * v).sum(0)
        else:
            plain = v[0] if len(alone) == 1 else (_column(base, v) * v).sum(0)
            found = plain + project((_column(change, v) * v).sum(0), plain, z, t)
        if channels is None and not rescale:
            return found
        start = (_column(nothing_added, v) * v).sum(0)
        if channels is not None:
            found = start + channels.to(found) * (found - start)
        return rescaled(found, start, z, t, rescale) if rescale else found

    return velocity


def _within(interval: tuple[float, float], strong: VelocityField, alone: VelocityField) -> VelocityField:
    low, high = interval

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        inside = (t >= low) & (t <= high)
        if bool(inside.all()):
            return strong(z, t)
        if not bool(inside.any()):
            return alone(z, t)
        # Items at different times: not in a solve.
        return torch.where(inside.reshape(-1, *(1,) * (z.ndim - 1)), strong(z, t), alone(z, t))

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
