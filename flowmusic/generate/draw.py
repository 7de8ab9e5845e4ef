"""One window: what is asked of its frames, what of it is known already, and where on the way from noise it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from flowmusic.flow import path, solve
from flowmusic.flow.guide import bound, guided
from flowmusic.flow.inpaint import keeping
from flowmusic.flow.timbre import Target, matching
from flowmusic.generate.branches import present
from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.passages import Passage, branches
from flowmusic.generate.sampling import Sampling
from flowmusic.generate.timbre import targets
from flowmusic.model.guidance_input import GuidanceInput, as_input
from flowmusic.types import Codec, Condition, Controls, FrameGrid, Guidance, Progress, Solution, VelocityField

Given = tuple[Tensor, Tensor]
"""Latents ``[B, T, D]`` and ``[B, T]`` bool, True where they are known."""


class Model(Protocol):
    """What of a Generator makes latents."""

    field: nn.Module
    encoder: nn.Module
    codec: Codec
    autocast: torch.dtype | None

    @property
    def device(self) -> torch.device: ...

    @property
    def defaults(self) -> GenerationDefaults: ...


def velocity(
    model: Model,
    passages: Sequence[Passage],
    length: int,
    given: Given | None = None,
    timbre: Sequence[Target] = (),
) -> VelocityField:
    """The guided field of a window of ``length`` frames, for ``z [B, T, D]`` on the model's device.

    What is known is told to every branch: guidance is to amplify the controls, not the music before.  A field that
    takes guidance as an input is one branch where a plain request with weights that it has learned is asked.
    Whatever it predicts is brought to the timbre of the styles, and to ``timbre`` (:mod:`flowmusic.flow.timbre`).
    Raises: ValueError as :func:`flowmusic.generate.passages.branches`.
    """
    field = _field(model, passages, length, given)
    return matching(field, [*targets(passages, model.defaults, model.codec.dim), *timbre])


def _field(model: Model, passages: Sequence[Passage], length: int, given: Given | None) -> VelocityField:
    grid = FrameGrid(model.codec.frame_rate, length)
    extra: dict[str, Any] = {} if given is None or not bool(given[1].any()) else {"context": given}
    folded = _as_input(model.field, passages)
    if folded is not None:
        controls = passages[0].controls
        condition = _condition(model.encoder, controls, present(controls), grid, extra)
        inputs = folded.to(condition.tokens.device).expand(controls.batch, -1)
        return bound(model.field, replace(condition, guidance=inputs))
    channels, rescale = model.defaults.channels(model.codec.dim), model.defaults.guidance_rescale
    wanted = branches(passages, length, compared=channels is not None or rescale > 0.0)
    conditions = [_condition(model.encoder, each.controls, each.keep, grid, extra) for each in wanted]
    weights = [(condition, each.weight) for condition, each in zip(conditions, wanted, strict=True)]
    plain = [(condition, each.plain) for condition, each in zip(conditions, wanted, strict=True)]
    first = passages[0].first
    return guided(
        model.field,
        weights,
        plain=plain,
        interval=first.interval,
        projection=first.projection,
        channels=channels,
        rescale=rescale,
    )


def _as_input(field: nn.Module, passages: Sequence[Passage]) -> Tensor | None:
    """The guidance of a single passage as the input of a field that takes it so; None where branches are needed."""
    takes = getattr(field, "guidance", None)
    if not isinstance(takes, GuidanceInput) or len(passages) != 1:
        return None
    (passage,) = passages
    if passage.negative is not None or not isinstance(passage.guidance, Guidance):
        return None
    weights = as_input(passage.guidance, takes.names)
    return None if weights is None else torch.tensor([weights])


def _condition(
    encoder: nn.Module, controls: Controls, keep: frozenset[str], grid: FrameGrid, extra: Mapping[str, Any]
) -> Condition:
    branch = getattr(encoder, "branch", None)
    if branch is None:
        condition: Condition = encoder(controls.only(keep), grid, **extra)
    else:
        condition = branch(controls, keep, grid, **extra)
    return condition


@torch.no_grad()
def draw(
    model: Model,
    passages: Sequence[Passage],
    noise: Tensor,
    sampling: Sampling,
    *,
    given: Given | None = None,
    told: bool = True,
    source: Tensor | None = None,
    start: float = 0.0,
    timbre: Sequence[Target] = (),
    wrap: Callable[[VelocityField], VelocityField] | None = None,
    progress: Progress | None = None,
) -> Solution:
    """Solve one window.

    Args:
        model: a Generator.
        passages: what is asked of its frames.
        noise: ``[B, T, D]``, any device.
        sampling: solver, steps and grid.
        given: latents that are known on some frames: told to the encoder, and held on their path.
        told: whether the encoder is told; else they are held on their path alone.
        source: latents ``[B, T, D]`` from which the solve begins at ``start`` on the path between noise and them
            (SDEdit, Meng et al. 2022, arXiv 2108.01073): the later, the more is left of them.
        start: 0, noise, to below 1; above 0 it needs a source.
        timbre: statistics that what is drawn is to have, beside those of the passages' styles.
        wrap: a last change to the field, for example to join the ends of a loop.
        progress: called after every evaluation.

    Returns: Solution with z ``[B, T, D]`` on the model's device; given frames hold what was given.
    Raises: ValueError for shapes that disagree and for a start that is not allowed.
    """
    device = model.device
    z_0 = noise.to(device)
    if given is not None:
        given = (given[0].to(z_0), given[1].to(device))
    if start and source is None:
        raise ValueError("a solve that starts on the way to the music needs a source to start from")
    moved = [_moved(passage, device) for passage in passages]
    field = velocity(model, moved, z_0.shape[1], given if told else None, timbre)
    if given is not None and bool(given[1].any()):
        field = keeping(field, z_0, *given)
    if wrap is not None:
        field = wrap(field)
    z = z_0
    if start:
        assert source is not None
        z = path.point(z_0, source.to(z_0), torch.full((len(z_0),), start, device=device))
    with torch.autocast(device.type, model.autocast, enabled=model.autocast is not None):
        solution = solve.solve(
            field, z, sampling.times(start), sampling.solver, tolerance=sampling.tolerance, progress=progress
        )
    if given is None:
        return solution
    return Solution(torch.where(given[1][..., None], given[0], solution.z), solution.num_evals)


def _moved(passage: Passage, device: torch.device) -> Passage:
    negative = passage.negative
    return Passage(
        passage.controls.to(device),
        passage.guidance,
        None if passage.share is None else passage.share.to(device),
        None if negative is None else (negative[0].to(device), negative[1]),
    )
