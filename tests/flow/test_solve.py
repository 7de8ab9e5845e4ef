"""Solvers against closed forms: their order, what they solve exactly, and a Gaussian flow."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmusic.flow import time_grids
from flowmusic.flow.inpaint import keeping
from flowmusic.flow.solve import SOLVERS, expected_evals, solve
from flowmusic.types import VelocityField

ROOT = Path(__file__).resolve().parents[2]
FIXED = [name for name, solver in SOLVERS.items() if solver.evals_per_step is not None]

ANY_STEPS = ["shifted", "sway", "uniform"]
"""Grids of any number of steps."""


def linear(matrix: torch.Tensor) -> VelocityField:
    return lambda z, t: z @ matrix.T


@pytest.mark.parametrize("name", FIXED)
def test_error_on_a_linear_field_falls_with_the_declared_order(name: str) -> None:
    matrix = torch.tensor([[-0.6, 2.0], [-2.0, 0.3]], dtype=torch.float64)
    start = torch.tensor([[[1.0, 0.5], [-0.2, 0.9]]], dtype=torch.float64)
    exact = start @ torch.linalg.matrix_exp(matrix).T
    counts = [16, 32, 64, 128]
    errors = [float((solve(linear(matrix), start, time_grids.uniform(n), name).z - exact).abs().max()) for n in counts]
    logs_h, logs_e = [-math.log(n) for n in counts], [math.log(e) for e in errors]
    mean_h, mean_e = sum(logs_h) / 4, sum(logs_e) / 4
    slope = sum((h - mean_h) * (e - mean_e) for h, e in zip(logs_h, logs_e)) / sum((h - mean_h) ** 2 for h in logs_h)
    assert abs(slope - SOLVERS[name].order) < 0.2, (errors, slope)


@pytest.mark.parametrize("name", ["euler", "midpoint"])
@pytest.mark.parametrize("backwards", [False, True])
@given(
    steps=st.integers(1, 9),
    grid=st.sampled_from(ANY_STEPS),
    seed=st.integers(0, 999),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=15)
def test_ours_are_torchdiffeqs_to_the_bit(
    name: str, backwards: bool, steps: int, grid: str, seed: int, dtype: torch.dtype
) -> None:
    from torchdiffeq import odeint

    weights, start = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=dtype)

    def field(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.tanh(z @ weights[0] + t[:, None, None]) + torch.sin(3 * z)

    times = time_grids.named(grid, steps)
    times = times.flip(0) if backwards else times
    reference = odeint(lambda t, z: field(z, t.to(dtype).expand(len(z))), start, times.to(dtype), method=name)[-1]
    assert torch.equal(solve(field, start, times, name).z, reference)


def test_the_usual_solvers_load_no_other_library() -> None:
    code = (
        "import sys, torch; from flowmusic.flow import time_grids; from flowmusic.flow.solve import solve; "
        "[solve(lambda z, t: z, torch.ones(1, 2, 3), time_grids.uniform(2), n) for n in ('euler', 'midpoint', 'ab2')]; "
        "print([name for name in ('torchdiffeq', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
def test_adaptive_solver_reaches_its_tolerance(tolerance: float) -> None:
    matrix = torch.tensor([[-0.6, 2.0], [-2.0, 0.3]], dtype=torch.float64)
    start = torch.ones(1, 1, 2, dtype=torch.float64)
    solution = solve(linear(matrix), start, time_grids.uniform(1), "dopri5", tolerance=tolerance)
    # Local errors add up over the steps; ten tolerances allow for that.
    assert float((solution.z - start @ torch.linalg.matrix_exp(matrix).T).abs().max()) < 10 * tolerance


@pytest.mark.parametrize("name", SOLVERS)
@given(steps=st.integers(1, 9), grid=st.sampled_from(ANY_STEPS), seed=st.integers(0, 999))
@settings(max_examples=10)
def test_constant_field_is_exact_on_any_grid(name: str, steps: int, grid: str, seed: int) -> None:
    z_0, velocity = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(seed))
    solution = solve(lambda z, t: velocity, z_0, time_grids.named(grid, steps), name)
    torch.testing.assert_close(solution.z, z_0 + velocity, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", FIXED)
def test_evaluations_are_counted_and_announced(name: str) -> None:
    seen: list[tuple[int, int]] = []
    calls: list[torch.Tensor] = []

    def field(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        calls.append(t)
        return z

    solution = solve(field, torch.zeros(3, 2, 2), time_grids.uniform(5), name, progress=lambda *at: seen.append(at))
    total = expected_evals(name, 5)
    assert solution.num_evals == len(calls) == total
    assert seen == [(i + 1, total) for i in range(total)]
    assert all(t.shape == (3,) for t in calls)


def test_progress_of_an_adaptive_solve_ends_complete() -> None:
    seen: list[tuple[int, int]] = []
    solution = solve(
        lambda z, t: torch.sin(40 * t)[:, None, None] * z,
        torch.ones(1, 1, 1),
        time_grids.uniform(1),
        "dopri5",
        progress=lambda *at: seen.append(at),
    )
    assert seen[-1] == (solution.num_evals, solution.num_evals)
    assert all(done < total for done, total in seen[:-1])


@pytest.mark.parametrize("name", ["midpoint", "rk4", "dopri5"])
def test_forward_then_backward_returns(name: str) -> None:
    def field(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.sin(z) + t[:, None, None]

    start = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grid = time_grids.uniform(400)
    back = solve(field, solve(field, start, grid, name, tolerance=1e-9).z, grid.flip(0), name, tolerance=1e-9).z
    # Midpoint, the weakest, leaves about h^2 = 6e-6 each way.
    torch.testing.assert_close(back, start, atol=5e-5, rtol=0)


def test_gaussian_flow_carries_noise_to_the_right_mean_and_width() -> None:
    """Noise N(0, 1) to data N(m, s^2) on the straight path: the marginal at t is N(t m, (1-t)^2 + t^2 s^2)."""
    mean, std = 1.5, 0.4

    def field(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        time = t[:, None, None]
        variance = (1 - time) ** 2 + time**2 * std**2
        return mean + (time * std**2 - (1 - time)) / variance * (z - time * mean)

    z_0 = torch.randn(1, 500, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    # The field is affine in z, so its exact flow is the map z -> mean + std z, point by point.
    for name, steps, tolerance in [("rk4", 100, 1e-5), ("dopri5", 1, 1e-5), ("euler", 2000, 2e-2)]:
        solution = solve(field, z_0, time_grids.uniform(steps), name, tolerance=1e-8)
        torch.testing.assert_close(solution.z, mean + std * z_0, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", SOLVERS)
def test_kept_frames_land_on_the_known_latents(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    z_0, known = torch.randn(2, 2, 6, 3, generator=generator)
    keep = torch.zeros(2, 6, dtype=torch.bool)
    keep[0, :4] = True
    seen: list[torch.Tensor] = []

    def field(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.append(z)
        return -z

    free = solve(lambda z, t: -z, z_0, time_grids.uniform(4), name).z
    held = solve(keeping(field, z_0, known, keep), z_0, time_grids.uniform(4), name).z
    torch.testing.assert_close(held[keep], known[keep], atol=1e-4, rtol=1e-4)
    if name != "dopri5":  # which chooses its steps by the whole state
        torch.testing.assert_close(held[~keep], free[~keep])
    torch.testing.assert_close(seen[0], z_0)


def test_keeping_names_shapes_that_disagree() -> None:
    z = torch.zeros(1, 4, 2)
    with pytest.raises(ValueError, match=r"keep \(1, 3\)"):
        keeping(lambda z, t: z, z, z, torch.zeros(1, 3, dtype=torch.bool))


ANY_GRID = st.one_of(
    st.tuples(st.integers(1, 200), st.sampled_from(ANY_STEPS)),
    st.tuples(st.sampled_from(sorted(time_grids.EPSS)), st.sampled_from(["epss", "epss_sway"])),
)


@given(ANY_GRID)
def test_grids_run_from_0_to_1_and_rise(steps_name: tuple[int, str]) -> None:
    steps, name = steps_name
    times = time_grids.named(name, steps)
    assert times.shape == (steps + 1,) and times.dtype == torch.float64
    assert float(times[0]) == 0.0 and float(times[-1]) == 1.0
    assert bool((times.diff() > 0).all())


@given(strength=st.floats(time_grids.SWAY_MIN, time_grids.SWAY_MAX), shift=st.floats(0.05, 20.0))
def test_grids_rise_for_every_allowed_strength(strength: float, shift: float) -> None:
    assert bool((time_grids.sway(30, strength).diff() > 0).all())
    assert bool((time_grids.shifted(30, shift).diff() > 0).all())


def test_grid_formulas() -> None:
    torch.testing.assert_close(time_grids.sway(10, 0.0), time_grids.uniform(10))
    torch.testing.assert_close(time_grids.shifted(10, 1.0), time_grids.uniform(10))
    # s = -1 leaves 1 - cos(pi t / 2).
    torch.testing.assert_close(time_grids.sway(10), 1 - torch.cos(torch.pi / 2 * time_grids.uniform(10)))
    assert float(time_grids.shifted(2, 3.0)[1]) == pytest.approx(0.25)


def test_epss_keeps_the_published_steps_of_the_finer_grid() -> None:
    assert (time_grids.epss(7) * 32).tolist() == [0, 2, 4, 6, 8, 16, 24, 32]
    for steps in time_grids.EPSS:
        fine = time_grids.sway(32).tolist()
        assert set(time_grids.epss_sway(steps).tolist()) <= set(fine)
        # More steps near the noise than near the data, which is what makes the tables worth having.
        assert float(time_grids.epss(steps)[1]) < 1 - float(time_grids.epss(steps)[-2])
    with pytest.raises(ValueError, match=r"tables for 5, 6, 7, 10, 12, 16 steps, got 8"):
        time_grids.named("epss", 8)


def test_bad_settings_are_named_with_what_is_allowed() -> None:
    z = torch.zeros(1, 1, 1)
    with pytest.raises(ValueError, match=r"'leapfrog'.*euler.*dopri5"):
        solve(lambda z, t: z, z, time_grids.uniform(2), "leapfrog")
    with pytest.raises(ValueError, match="strictly ascending"):
        solve(lambda z, t: z, z, torch.tensor([0.0, 0.5, 0.5, 1.0]))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        time_grids.uniform(0)
    with pytest.raises(ValueError, match=r"\[-1, 1.752\], got 2"):
        time_grids.sway(4, 2.0)
    with pytest.raises(ValueError, match="positive number, got 0"):
        time_grids.shifted(4, 0.0)
    with pytest.raises(ValueError, match=r"'cubic'.*uniform, sway, shifted"):
        time_grids.named("cubic", 4)


@pytest.mark.parametrize("grid", ["sway", "shifted"])
def test_the_multistep_solver_keeps_its_order_on_unequal_steps(grid: str) -> None:
    matrix = torch.tensor([[-0.6, 2.0], [-2.0, 0.3]], dtype=torch.float64)
    start = torch.ones(1, 1, 2, dtype=torch.float64)
    exact = start @ torch.linalg.matrix_exp(matrix).T
    errors = [
        float((solve(linear(matrix), start, time_grids.named(grid, n), "ab2").z - exact).abs().max()) for n in (64, 128)
    ]
    assert 1.8 < math.log2(errors[0] / errors[1]) < 2.2
