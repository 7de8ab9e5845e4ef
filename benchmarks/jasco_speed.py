"""How fast is one evaluation of JASCO's field, and what does each way of computing it cost in accuracy?

Random weights at the 400M size, 10 s of latents (T = 500), L = 32 text tokens, with one branch (everything) and three
(everything, text alone, nothing).  Every variant is timed beside the plain fp32 forward, in turn, in one run; the
figure is the ratio of the medians, and of the fastest.

    python benchmarks/jasco_speed.py                      # 2 threads of a CPU
    python benchmarks/jasco_speed.py --device cuda        # adds compiled variants with graph replay
    python benchmarks/jasco_speed.py --golden FILE        # only the error of bf16, on the reference's weights
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from flowmusic.flow.solve import solve
from flowmusic.flow.time_grids import uniform
from flowmusic.model.jasco.field import JascoField
from flowmusic.types import Condition, VelocityField

FRAMES_DIM, DIM = 34, 128
Variants = dict[str, Callable[[Condition], VelocityField]]


def condition(width: int, branches: int, frames: int, tokens: int, device: str) -> Condition:
    """Random conditions; of three branches the last has no word, as in guidance."""
    generator = torch.Generator().manual_seed(1)
    words = torch.randn(1, tokens, width, generator=generator).repeat(branches, 1, 1)
    if branches == 3:
        words[2] = 0.0
    features = torch.randn(branches, frames, FRAMES_DIM, generator=generator)
    mask = torch.ones(branches, tokens, dtype=torch.bool)
    return Condition(features.to(device), words.to(device), mask.to(device))


def variants(field: JascoField, device: str) -> Variants:
    """What is compared, the plain forward first."""
    plain: Variants = {"plain fp32": lambda c: lambda z, t: field(z, t, c), "bound fp32": field.bind}
    lowered = copy.deepcopy(field).lower(torch.bfloat16)
    if device == "cpu":
        packed = copy.deepcopy(field).pack()
        small = copy.deepcopy(lowered).pack()
        lower: Variants = {"bound bf16": lowered.bind, "bound bf16, packed": small.bind}
        return {**plain, "bound fp32, packed": packed.bind, **lower}

    def compiled(model: JascoField) -> Callable[[Condition], VelocityField]:
        # reduce-overhead records the launches as a graph and replays it.
        return lambda c: torch.compile(model.bind(c), mode="reduce-overhead", fullgraph=True)

    return {
        **plain,
        "bound bf16": lowered.bind,
        "bound fp32, compiled graph": compiled(field),
        "bound bf16, compiled graph": compiled(lowered),
    }


def flops(field: JascoField, branches: int, frames: int, tokens: int) -> float:
    """Multiplications and additions of one plain evaluation, without norms and activations."""
    width, layers = field.width, len(field.blocks)
    dense = sum(p.numel() for b in field.blocks for p in b.parameters() if p.ndim == 2)
    memory = 2 * width * width * layers  # keys and values of the tokens, not of the frames
    attention = 2 * layers * width * frames * (frames + tokens)
    return 2.0 * branches * (frames * (dense - memory) + tokens * memory + attention)


def timed(calls: dict[str, Callable[[], Tensor]], rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds of every call, in turn, so that a noisy neighbour meets all alike."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(3 if device != "cpu" else 1):
            call()
    for _ in range(rounds):
        for name, call in calls.items():
            if device != "cpu":
                torch.cuda.synchronize()
            began = time.perf_counter()
            call()
            if device != "cpu":
                torch.cuda.synchronize()
            taken[name].append(time.perf_counter() - began)
    return taken


def on_golden(path: Path) -> None:
    """What bf16 products cost on the weights and results of a golden file."""
    from flowmusic.flow.guide import guided
    from flowmusic.interop.parity import flow
    from flowmusic.interop.verify import read

    tensors, metadata = read(path)
    pair = flow.build(tensors, json.loads(metadata["config"]))
    _, everything, nothing, text_only = flow.conditions(pair.encoder, tensors)
    length = tensors["in.latents"].shape[1]
    conditions = [inputs.condition(pair.encoder, length) for inputs in (everything, text_only, nothing)]
    a, b = tensors["in.cfg_weights_all_text_null"].tolist()[:2]
    field = pair.field.lower(torch.bfloat16).pack()
    velocity = field.bind(conditions[0])(tensors["in.latents"], tensors["in.t"])
    together = guided(field, list(zip(conditions, (a, b, 1.0 - a - b), strict=True)))
    sample = solve(together, tensors["in.z0_sample"], uniform(10), "euler").z
    for name, ours in (("out.v_theta", velocity), ("out.sample_euler10", sample)):
        exact = tensors[name]
        off = (ours - exact).abs()
        most, typical = float(off.max() / exact.std()), float(off.square().mean().sqrt() / exact.std())
        print(f"{path.stem} {name}: bf16 is off by {most:.1e} of the deviation at most, {typical:.1e} root mean square")


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--sample-steps", type=int, default=4, help="Euler steps of the full samples that are compared")
    parser.add_argument("--peak-tflops", type=float, help="of the device, for the arithmetic floor")
    parser.add_argument("--golden", type=Path, metavar="FILE.safetensors")
    args = parser.parse_args()
    if args.golden is not None:
        on_golden(args.golden)
        return
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    field = JascoField(DIM, FRAMES_DIM, args.width, args.layers, args.heads).eval().to(args.device)
    ways = variants(field, args.device)
    hardware = torch.cuda.get_device_name() if args.device != "cpu" else f"{args.threads} CPU threads"
    print(f"{sum(p.numel() for p in field.parameters()):,} parameters, T={args.frames}, L={args.tokens}, {hardware}, "
          f"torch {torch.__version__.split('+')[0]}, seed 0, {args.rounds} rounds\n")  # fmt: skip
    print("| branches | variant | s, fastest | s, median | x plain, fastest | x plain, median | error | sample error |")
    print("|---|---|---|---|---|---|---|---|")
    for branches in (1, 3):
        given = condition(args.width, branches, args.frames, args.tokens, args.device)
        generator = torch.Generator().manual_seed(2)
        z = torch.randn(branches, args.frames, DIM, generator=generator).to(args.device)
        t = torch.full((branches,), 0.375, device=args.device)
        fields = {name: way(given) for name, way in ways.items()}
        taken = timed({name: partial(f, z, t) for name, f in fields.items()}, args.rounds, args.device)
        exact = fields["plain fp32"](z, t)
        path = uniform(args.sample_steps).to(args.device)
        sample = solve(fields["plain fp32"], z, path, "euler").z
        base = taken["plain fp32"]
        for name, seconds in taken.items():
            error = float((fields[name](z, t) - exact).abs().max() / exact.std())
            off = float((solve(fields[name], z, path, "euler").z - sample).abs().max() / sample.std())
            print(f"| {branches} | {name} | {min(seconds):.3f} | {statistics.median(seconds):.3f} "
                  f"| {min(base) / min(seconds):.2f} | {statistics.median(base) / statistics.median(seconds):.2f} "
                  f"| {error:.1e} | {off:.1e} |", flush=True)  # fmt: skip
        work = flops(field, branches, args.frames, args.tokens)
        floor = f", {work / args.peak_tflops / 1e12:.4f} s at {args.peak_tflops:g} TFLOP/s" if args.peak_tflops else ""
        print(f"\n{branches} branch(es): {work / 1e12:.2f} TFLOP an evaluation{floor}\n", flush=True)
    print("errors: largest difference to the plain forward over the deviation of its output, of one evaluation "
          f"and of a sample by {args.sample_steps} Euler steps")  # fmt: skip


if __name__ == "__main__":
    main()
