"""A preview: the take of a seed with so few evaluations that it is soon there, and yet near the final one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowmusic.generate.sampling import Sampling

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator

RULE = ("midpoint", 1)
"""Solver and steps for a model that says nothing of previews: what is enough for nano (docs/vary.md)."""
SCORES = ("chords", "onsets", "melody")


def sampling_of(generator: Generator) -> tuple[Sampling, Mapping[str, float]]:
    """How a model's previews are made, and how near they are: scores over the final's, and the latents' distance.

    The nearness is {} where nobody measured it.  Raises: ValueError for settings that make no sense.
    """
    own = generator.defaults
    given = dict(own.preview or {})
    settings = {name: given.pop(name) for name in ("solver", "steps", "time_grid") if name in given}
    if not settings:
        solver, steps = RULE
        settings = {"solver": solver, "steps": min(steps, own.steps), "time_grid": own.time_grid}
    return Sampling(**{"time_grid": own.time_grid, **settings}), given


def told(generator: Generator, sampling: Sampling, near: Mapping[str, float]) -> tuple[str, dict[str, Any]]:
    """The note for a person, and ``preview`` of the record."""
    final = generator.sampling()
    few, all_of_it = sampling.evals(), final.evals()
    scores = [f"{name} {near[name]:.0%}" for name in SCORES if name in near]
    how_near = (
        f"on average it follows {', '.join(scores)} as closely as the final take"
        if scores
        else ("how near it is was not measured for this model")
    )
    if "distance" in near:
        how_near += f", and its latents are {near['distance']:.2f} of their deviation away"
    note = (
        f"a preview, of {few} evaluations instead of {all_of_it}: {how_near}; the same command without --preview, and "
        "with the seed of the record, makes the final take"
    )
    about = {
        "num_evals": few,
        "near": dict(near),
        "final": {"solver": final.solver, "steps": final.steps, "time_grid": final.time_grid, "num_evals": all_of_it},
    }
    return note, about
