"""How closely does a model follow its controls with few evaluations of the field?  Adherence of several ways to draw.

Every control of a test clip is given, and the takes are scored as in ``flowmusic.evaluate.adherence_table``; beside the
scores stand the latents' distance to those of the reference (root mean square over their deviation) and the CPU time.
A way to draw is written SOLVER/GRID/STEPS, and may go on with /KEY=WEIGHT of the guidance, /interval=LO:HI of its
times, and /eta=, /norm=, /momentum= of adaptive projected guidance.  What is in OUT is not made again.

    python benchmarks/few_steps.py --corpus CORPUS --out OUT midpoint/shifted/6 ab2/epss/12 ab2/sway/12/interval=0:0.8
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from flowmusic.evaluate.test_set import LabelledClip
    from flowmusic.generate.generator import Generator
    from flowmusic.metrics.adherence import Detectors

REFERENCE = "midpoint/sway/50"
SHOWN = {"chord_acc": "chords", "onset_f1": "drums", "melody_pc": "melody"}
WITHIN = 0.03
"""How far below the reference's a score may be, relative to it."""


@dataclass(frozen=True)
class Draw:
    """One way to draw takes; an empty mapping leaves guidance, interval or projection to the model's defaults."""

    name: str
    solver: str
    grid: str
    steps: int
    weights: dict[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    apg: dict[str, float] = field(default_factory=dict)

    @staticmethod
    def of(text: str) -> Draw:
        """Raises: ValueError for anything but SOLVER/GRID/STEPS and KEY=VALUE."""
        from flowmusic.flow import solve
        from flowmusic.flow import time_grids as grids

        solver, grid, steps, *rest = text.split("/")
        solve.check(solver, int(steps))
        grids.named(grid, int(steps))
        weights: dict[str, float] = {}
        apg: dict[str, float] = {}
        interval: tuple[float, float] | None = None
        for item in rest:
            key, _, value = item.partition("=")
            if key == "interval":
                low, high = value.split(":")
                interval = (float(low), float(high))
            elif key in ("eta", "norm", "momentum"):
                apg[key] = float(value)
            else:
                weights[key] = float(value)
        return Draw(text, solver, grid, int(steps), weights, interval, apg)


def evaluate(
    draw: Draw, model: Generator, clips: list[LabelledClip], rows: range, ears: Detectors, folder: Path, seed: int
) -> None:
    """Generate and score one batch unless it is there: ``folder/CLIP.json``, and latents beside it."""
    from safetensors.torch import save_file

    from flowmusic.evaluate.adherence_table import item
    from flowmusic.files import write_readable_json
    from flowmusic.metrics.adherence import measure
    from flowmusic.types import Controls

    folder.mkdir(parents=True, exist_ok=True)
    part = [clips[row] for row in rows]
    if all((folder / f"{clip.id}.json").exists() for clip in part):
        return
    began = time.process_time()
    takes = model.generate(
        Controls.stack([clip.controls for clip in part]),
        guidance=model.defaults.guide(draw.weights or None, draw.interval, draw.apg or None),
        solver=draw.solver,
        steps=draw.steps,
        time_grid=draw.grid,
        seed=seed + rows.start,
    )
    # Of the processor: what else runs on the machine does not count.
    seconds = (time.process_time() - began) / len(part)
    for place, clip in enumerate(part):
        scores = measure(item(takes.audio, place), clip.asking_only("chords", "drums", "melody").requested, ears)
        save_file({"latents": takes.latents[place].contiguous()}, folder / f"{clip.id}.safetensors")
        # A clip without a tune has no such score, and one that nothing can be compared with is nan.
        plain = {key: scores[key] for key in SHOWN if not math.isnan(scores.get(key, math.nan))}
        content = {"scores": plain, "seconds": seconds, "evals": takes.num_evals, "draw": asdict(draw)}
        write_readable_json(folder / f"{clip.id}.json", content)
    print(f"{draw.name}: clips {rows.start} to {rows.stop - 1}", file=sys.stderr, flush=True)


def folder_of(out: Path, draw: Draw) -> Path:
    return out / "draws" / draw.name.replace("/", "_").replace(":", "-")


def gather(out: Path, draw: Draw, clips: list[str]) -> dict[str, Any]:
    """Means over the clips, and their latents ``[clips, T, D]``."""
    from safetensors.torch import load_file

    folder = folder_of(out, draw)
    found = [json.loads((folder / f"{clip}.json").read_text(encoding="utf-8")) for clip in clips]
    means = {}
    for key, name in SHOWN.items():
        values = [each["scores"][key] for each in found if key in each["scores"]]
        means[name] = sum(values) / len(values)
    latents = torch.stack([load_file(folder / f"{clip}.safetensors")["latents"] for clip in clips])
    seconds = sum(each["seconds"] for each in found) / len(found)
    return {"means": means, "evals": found[0]["evals"], "seconds": seconds, "latents": latents}


def distance_of(found: dict[str, Any], exact: dict[str, Any]) -> float:
    difference = found["latents"] - exact["latents"]
    return float(difference.square().mean().sqrt() / exact["latents"].std())


def table(out: Path, draws: list[Draw], clips: list[str], reference: Draw) -> str:
    """Markdown: a row per way to draw, sorted by evaluations."""
    exact = gather(out, reference, clips)
    rows = []
    for draw in draws:
        found = exact if draw == reference else gather(out, draw, clips)
        ratios = {name: found["means"][name] / exact["means"][name] for name in found["means"]}
        cells = [f"{found['means'][name]:.3f} ({100 * (ratios[name] - 1):+.1f} %)" for name in SHOWN.values()]
        distance = distance_of(found, exact)
        extras = " ".join(draw.name.split("/")[3:]) or "-"
        within = "yes" if min(ratios.values()) >= 1 - WITHIN else "no"
        head = f"| {draw.solver} | {draw.grid} | {draw.steps} | {extras} | {found['evals']} |"
        rows.append(
            (found["evals"], f"{head} {' | '.join(cells)} | {within} | {distance:.3f} | {found['seconds']:.2f} |")
        )
    names = " | ".join(SHOWN.values())
    title = f"| solver | grid | steps | guidance | evaluations | {names} | within 3 % | distance | CPU s a take |"
    return "\n".join([title, "|---" * 11 + "|", *(row for _, row in sorted(rows, key=lambda row: row[0]))])


def draw_curve(out: Path, draws: list[Draw], clips: list[str], reference: Draw, path: Path) -> None:
    """Adherence relative to the reference's, and distance to it, against evaluations; only the model's own guidance."""
    from matplotlib.figure import Figure

    exact = gather(out, reference, clips)
    figure = Figure(figsize=(9.5, 3.6), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = {"euler": "#7a9e3a", "ab2": "#e4572e", "midpoint": "#2f6690", "heun2": "#8e6c88"}
    grids = {"uniform": "s", "sway": "^", "shifted": "o", "epss": "D", "epss_sway": "v"}
    names = {"chords": "-", "drums": "--", "melody": ":"}
    for solver, colour in colours.items():
        for grid, marker in grids.items():
            family = [d for d in draws if (d.solver, d.grid) == (solver, grid) and d.name.count("/") == 2]
            points = sorted(
                ((found["evals"], found) for found in (gather(out, d, clips) for d in family)), key=lambda p: p[0]
            )
            if not points:
                continue
            evals = [point[0] for point in points]
            far = [distance_of(point[1], exact) for point in points]
            label = f"{solver}, {grid}"
            right.plot(evals, far, color=colour, marker=marker, markersize=5, linewidth=0.8, label=label)
            for name in names:
                ratio = [point[1]["means"][name] / exact["means"][name] for point in points]
                left.plot(evals, ratio, color=colour, marker=marker, markersize=5, linewidth=0.8, linestyle=names[name])
    left.axhline(1.0 - WITHIN, color="#999999", linewidth=0.8)
    for name, style in names.items():
        left.plot([], [], color="#22252b", linestyle=style, label=name)
    left.set(ylabel=f"adherence, over that at {exact['evals']}")
    right.set(ylabel="distance of the latents", ylim=(0.0, None))
    for axes in (left, right):
        axes.set(xlabel="evaluations of the field", xscale="log")
        ticks = sorted({found["evals"] for found in (gather(out, d, clips) for d in draws)})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7, frameon=False)
    figure.savefig(path, metadata={"Software": None})


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("draws", nargs="*", metavar="SOLVER/GRID/STEPS[/...]")
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="written with --stems drums")
    parser.add_argument("--split", default="test")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="clip i starts from noise of seed + i")
    parser.add_argument("--reference", default=REFERENCE)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    args = parser.parse_args()
    from flowmusic.evaluate.adherence import listeners
    from flowmusic.evaluate.adherence_table import open_cache
    from flowmusic.evaluate.test_set import digest_of, read_clips
    from flowmusic.interop import bundle, model_files

    torch.set_num_threads(args.threads)
    draws = [Draw.of(text) for text in dict.fromkeys([args.reference, *args.draws])]
    model = bundle.load(args.model)
    clips = read_clips(args.corpus, args.split, args.clips, model.grid(), model.codec.rate)
    settings = {
        "weights_sha256": model_files.fingerprint(args.model),
        "manifest": digest_of([args.corpus / "manifest.jsonl"]),
        "split": args.split,
        "seed": args.seed,
    }
    open_cache(args.out, settings, "draws")
    ears = listeners()
    # What loads at first use, the text encoder above all, is not to count as the first way's time.
    model.generate(clips[0].controls, solver="euler", steps=1, time_grid="uniform", seed=0)
    # Batches outside: a run that was stopped can be told on the clips that it came to (--clips).
    for first in range(0, len(clips), args.batch):
        for draw in draws:
            rows = range(first, min(first + args.batch, len(clips)))
            evaluate(draw, model, clips, rows, ears, folder_of(args.out, draw), args.seed)
    names = [clip.id for clip in clips]
    print(table(args.out, draws, names, draws[0]))
    if args.plot is not None:
        draw_curve(args.out, draws, names, draws[0], args.plot)


if __name__ == "__main__":
    main()
