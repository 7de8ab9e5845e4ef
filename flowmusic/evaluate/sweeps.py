"""Adherence and distance as functions of how takes are drawn: the number of steps, the guidance weights."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from flowmusic.evaluate.cache import Take
from flowmusic.evaluate.conditions import Condition, Sampling
from flowmusic.evaluate.fad import Embedder, point
from flowmusic.evaluate.generate import TakeGenerator
from flowmusic.evaluate.scorers import Scorer, listen
from flowmusic.evaluate.test_set import LabelledClip
from flowmusic.flow import time_grids
from flowmusic.generate.generator import NotFinite
from flowmusic.metrics.normalise import Interval, bootstrap
from flowmusic.types import Guidance


@dataclass(frozen=True)
class Point:
    """One way to draw takes, and what came of it; a solve that diverged has no scores."""

    sampling: Sampling
    num_evals: int | None
    scores: Mapping[str, Interval]
    fad: Interval | None


def steps_points(sampling: Sampling, steps: Sequence[int]) -> list[Sampling]:
    """The same guidance with each number of steps.  Raises: ValueError for one that the time grid does not have."""
    for count in steps:
        time_grids.named(sampling.time_grid, count)
    return [replace(sampling, steps=count) for count in steps]


def guidance_points(sampling: Sampling, grid: Mapping[str, Sequence[float]]) -> list[Sampling]:
    """Every combination of the weights, beside those of the guidance that the grid does not name.

    ``all`` and ``alpha``, ``beta`` exclude one another: those of the grid win.
    Raises: ValueError for weights that make no guidance.
    """
    if not grid:
        return []
    double = {"alpha", "beta"}
    excluded = ({"all"} if double & grid.keys() else set()) | (double if "all" in grid else set())
    base = {key: weight for key, weight in sampling.guidance.items() if key not in excluded}
    points = [{**base, **dict(zip(grid, weights, strict=True))} for weights in itertools.product(*grid.values())]
    for weights in points:
        Guidance.of(weights)
    return [replace(sampling, guidance=weights) for weights in points]


def sweep(
    studio: TakeGenerator,
    model: Condition,
    points: Sequence[Sampling],
    rows: Sequence[int],
    judges: Sequence[Scorer],
    embed: Embedder,
    reference: Mapping[str, Take],
    seed: int,
    tell: Callable[[int], None],
) -> list[Point]:
    """The row ``model`` drawn in several ways, on the clips ``rows``."""
    return [_point(studio, model.drawn(sampling), rows, judges, embed, reference, seed, tell) for sampling in points]


def _point(
    studio: TakeGenerator,
    system: Condition,
    rows: Sequence[int],
    judges: Sequence[Scorer],
    embed: Embedder,
    reference: Mapping[str, Take],
    seed: int,
    tell: Callable[[int], None],
) -> Point:
    assert system.sampling is not None
    try:
        takes = studio.record(system, rows, tell)
    except NotFinite as error:
        print(f"note: a point of the sweep is left out: {error}", file=sys.stderr)
        return Point(system.sampling, None, {}, None)
    clips: Sequence[LabelledClip] = [studio.clips[row] for row in rows]
    scores = []
    for row, clip in zip(rows, clips, strict=True):
        scores.append(listen(studio.store, judges, system, clip, takes[row]).scores)
        tell(1)
    metrics = sorted({key for each in scores for key in each})
    by_name = {studio.clips[row].id: take for row, take in takes.items()}
    return Point(
        system.sampling,
        next(iter(takes.values())).facts["num_evals"],
        {key: bootstrap([each.get(key, float("nan")) for each in scores], seed) for key in metrics},
        point(embed, system.name, by_name, reference),
    )
