"""How far from the true end of the path does a solver land, for how many evaluations of the field?

End-point error: root mean square distance to a reference solution (rk4), over the deviation of its latents;
and, for models with a codec, the signal-to-distortion ratio of the decoded audio against the reference's.  The fields
are guided, as in use: a shipped or trained model on a request with text, chords and drums, and JASCO's field from a
file of golden tensors.

    python benchmarks/solver_study.py --model nano
    python benchmarks/solver_study.py --golden tests/golden/jasco_flow_skip_small.safetensors
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from flowmusic.flow import time_grids
from flowmusic.flow.solve import SOLVERS, solve
from flowmusic.types import VelocityField

METHODS = ("euler", "ab2", "midpoint", "heun2")
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
Decode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Problem:
    """A guided field and where it starts; ``decode`` turns latents into samples ``[B, N]``, or None."""

    name: str
    field: VelocityField
    z_0: Tensor
    decode: Decode | None


def of_model(name: str, takes: int) -> Problem:
    """A request with text, chords, drums and a beat grid, under the model's own guidance."""
    import flowmusic as fm
    from flowmusic.flow.guide import guided
    from flowmusic.generate.branches import merge

    model = fm.load(name)
    grid = model.grid()
    onsets = [0.5 * n for n in range(int(2 * grid.seconds))]
    wanted = fm.request("warm lo-fi beat with electric piano", chords="C Am F G", drums=onsets, bpm=90, grid=grid)
    controls = fm.Controls.stack([wanted.only({*model.controls, "text"})] * takes)
    terms = merge(fm.Guidance.of(model.defaults.guidance), controls)
    branches = [(model.encoder(controls.only(term.keep), grid), term.weight) for term in terms]
    noise = torch.stack(
        [torch.randn(grid.length, model.codec.dim, generator=torch.Generator().manual_seed(n)) for n in range(takes)]
    )
    return Problem(name, guided(model.field, branches), noise, lambda z: model.codec.decode(z).samples[:, 0])


def of_golden(path: Path) -> Problem:
    """JASCO's field, under the guidance that the file records."""
    from flowmusic.flow.guide import guided
    from flowmusic.interop.parity import flow
    from flowmusic.interop.verify import read

    tensors, metadata = read(path)
    pair = flow.build(tensors, json.loads(metadata["config"]))
    _, everything, nothing, text_only = flow.conditions(pair.encoder, tensors)
    length = tensors["in.latents"].shape[1]
    weights = tensors["in.cfg_weights_all_text_null"].tolist()[:2]
    conditions = [inputs.condition(pair.encoder, length) for inputs in (everything, text_only, nothing)]
    branches = list(zip(conditions, [*weights, 1.0 - sum(weights)], strict=True))
    return Problem(path.stem, guided(pair.field, branches), tensors["in.z0_sample"], None)


def error(z: Tensor, exact: Tensor) -> float:
    return float((z - exact).square().mean().sqrt() / exact.std())


def row(problem: Problem, exact: Tensor, method: str, grid: str, evals: int, z: Tensor) -> str:
    from flowmusic.metrics.signal import mean_si_sdr

    heard = "–"
    if problem.decode is not None:
        heard = f"{mean_si_sdr(problem.decode(z), problem.decode(exact)):.1f}"
    return f"| {problem.name} | {method} | {grid} | {evals} | {error(z, exact):.4f} | {heard} |"


@torch.no_grad()
def study(
    problem: Problem, budgets: list[int], names: list[str], reference_steps: int, tolerances: tuple[float, ...]
) -> None:
    """Print a row per method, grid and number of evaluations; grids that have no such number of steps are left out."""
    exact = solve(problem.field, problem.z_0, time_grids.uniform(reference_steps), "rk4").z
    for evals in budgets:
        for method in METHODS:
            each = SOLVERS[method].evals_per_step or 1
            for grid in names:
                if grid.startswith("epss") and evals // each not in time_grids.EPSS:
                    continue
                solution = solve(problem.field, problem.z_0, time_grids.named(grid, evals // each), method)
                print(row(problem, exact, method, grid, solution.num_evals, solution.z), flush=True)
    for tolerance in tolerances:
        ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
        solution = solve(problem.field, problem.z_0, ends, "dopri5", tolerance=tolerance)
        print(row(problem, exact, f"dopri5, {tolerance:g}", "adaptive", solution.num_evals, solution.z), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], metavar="NAME|DIR")
    parser.add_argument("--golden", action="append", default=[], type=Path, metavar="FILE.safetensors")
    parser.add_argument("--takes", type=int, default=2)
    parser.add_argument("--evals", type=int, nargs="+", default=[8, 16, 20, 32, 50])
    parser.add_argument("--grids", nargs="+", default=list(time_grids.GRIDS), choices=list(time_grids.GRIDS))
    parser.add_argument("--reference-steps", type=int, default=200, help="of rk4 (200)")
    parser.add_argument("--no-adaptive", action="store_true", help="leave the rows of dopri5 out")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if not args.model and not args.golden:
        parser.error("give --model, --golden, or both")
    torch.set_num_threads(args.threads)
    print("| field | method | grid | evaluations | end-point error | SI-SDR dB |")
    print("|---|---|---|---|---|---|")
    for problem in [*(of_model(name, args.takes) for name in args.model), *map(of_golden, args.golden)]:
        study(problem, args.evals, args.grids, args.reference_steps, () if args.no_adaptive else TOLERANCES)


if __name__ == "__main__":
    main()
