"""Integrate a velocity field along a time grid.  The only file that imports torchdiffeq.

The names of the solvers are also the choices of a command line, so this file loads torch only to solve; and
torchdiffeq, whose own imports take longer than a short take, only for the solvers that are not written out here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmusic import limits

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.types import Progress, Solution, VelocityField


@dataclass(frozen=True)
class Solver:
    """A method: its order, and its field evaluations per step (None: the method chooses its own steps)."""

    order: int
    evals_per_step: int | None


SOLVERS: Mapping[str, Solver] = {
    "euler": Solver(1, 1),
    "midpoint": Solver(2, 2),
    "heun2": Solver(2, 2),
    "heun3": Solver(3, 3),
    "rk4": Solver(4, 4),
    "ab2": Solver(2, 1),
    "dopri5": Solver(5, None),
}
"""By torchdiffeq's names.  rk4 is Kutta's 3/8 rule; dopri5 (Dormand-Prince) adapts its steps to a tolerance; ab2
(Adams-Bashforth) is ours, for torchdiffeq's multistep methods take equal steps only, and so are euler and midpoint,
which are equal to torchdiffeq's to the bit."""

ADAPTIVE_ESTIMATE = 100
"""Evaluations announced to a progress bar before an adaptive solve; it grows if more are needed."""


def check(method: str, steps: int) -> None:
    """Raise ValueError for an unknown method or a number of steps that is not allowed."""
    if method not in SOLVERS:
        raise ValueError(f"unknown solver {method!r}; choose one of {', '.join(SOLVERS)}")
    limits.whole("solver_steps", steps, "steps")


def expected_evals(method: str, steps: int) -> int:
    """Field evaluations of one solve; an estimate for adaptive methods."""
    check(method, steps)
    each = SOLVERS[method].evals_per_step
    return ADAPTIVE_ESTIMATE if each is None else each * steps


def solve(
    field: VelocityField,
    z_0: Tensor,
    times: Tensor,
    method: str = "midpoint",
    *,
    tolerance: float = 1e-5,
    progress: Progress | None = None,
) -> Solution:
    """Follow dz/dt = field(z, t) from ``times[0]`` to ``times[-1]``.

    Args:
        field: ``(z [B, T, D], t [B]) -> [B, T, D]``.
        z_0: the start ``[B, T, D]``.
        times: strictly ascending or descending ``[steps + 1]``; a descending grid runs from data to noise.
            Fixed-step methods step exactly there, an adaptive one uses only both ends.
        tolerance: relative and absolute, for adaptive methods.
        progress: called as ``progress(done, total)`` after every evaluation.

    Raises: ValueError for an unknown method or a grid that is not strictly monotone.

    >>> import torch
    >>> found = solve(lambda z, t: z, torch.ones(1, 1, 1), torch.linspace(0, 1, 11), "midpoint")  # the solution is e
    >>> round(float(found.z), 3), found.num_evals
    (2.714, 20)
    """
    import torch

    from flowmusic.types import Solution

    check(method, len(times) - 1)
    steps = times.diff()
    if not bool((steps > 0).all() or (steps < 0).all()):
        raise ValueError(f"times must be strictly ascending or descending, got {times.tolist()}")
    adaptive = SOLVERS[method].evals_per_step is None
    total = expected_evals(method, len(times) - 1)
    done = 0

    def evaluate(t: Tensor, z: Tensor) -> Tensor:
        nonlocal done
        v = field(z, t.to(z.dtype).expand(z.shape[0]))
        done += 1
        if progress is not None:
            # Nobody knows when an adaptive solver ends, so its bar must not be full before.
            progress(done, max(total, done + 1) if adaptive else total)
        return v

    grid = times.to(z_0.device, torch.float64 if adaptive else z_0.dtype)
    if adaptive:
        grid = grid[[0, -1]]
    if method in _OURS:
        z = _OURS[method](evaluate, z_0, grid)
    else:
        from torchdiffeq import odeint

        z = odeint(evaluate, z_0, grid, method=method, rtol=tolerance, atol=tolerance)[-1]
    if progress is not None and adaptive:
        progress(done, done)
    return Solution(z=z, num_evals=done)


def _euler(evaluate: Callable[[Tensor, Tensor], Tensor], z: Tensor, times: Tensor) -> Tensor:
    """Along the velocity at the start of each step (Hairer, Norsett & Wanner 1993, section I.7)."""
    for start, end in zip(times, times[1:], strict=False):
        z = z + (end - start) * evaluate(start, z)
    return z


def _midpoint(evaluate: Callable[[Tensor, Tensor], Tensor], z: Tensor, times: Tensor) -> Tensor:
    """Along the velocity in the middle of each step, where half a step of Euler's leads (as above, section II.1)."""
    for start, end in zip(times, times[1:], strict=False):
        step = end - start
        half = 0.5 * step
        middle = z + evaluate(start, z) * half
        z = z + step * evaluate(start + half, middle)
    return z


def _adams_bashforth(evaluate: Callable[[Tensor, Tensor], Tensor], z: Tensor, times: Tensor) -> Tensor:
    """Two-step Adams-Bashforth on any grid (Hairer, Norsett & Wanner 1993, section III.5): one evaluation a step.

    The velocity is continued along the line through the last two.  The first step is Euler's, whose single local error
    of order h^2 does not lower the order of the whole.
    """
    before: Tensor | None = None
    previous = times[1] - times[0]
    for start, end in zip(times, times[1:], strict=False):
        step = end - start
        v = evaluate(start, z)
        # The mean over the step of the line v + (v - before) s / previous, 0 <= s <= step.
        slope = v if before is None else v + 0.5 * (step / previous) * (v - before)
        z = z + step * slope
        before, previous = v, step
    return z


_OURS: Mapping[str, Callable[[Callable[[Tensor, Tensor], Tensor], Tensor, Tensor], Tensor]] = {
    "euler": _euler,
    "midpoint": _midpoint,
    "ab2": _adams_bashforth,
}
"""Fixed-step methods that are written out here: ``(evaluate, z_0 [B, T, D], times [steps + 1]) -> z``."""
