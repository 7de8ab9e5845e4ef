"""What a training step costs, and what makes it cheaper: a Markdown table for docs/recipes.md.

``python benchmarks/training_step.py --corpus CORPUS --latents LATENTS [--rounds 5] [--device cpu]``

Every variant differs from the base in one thing.  All of them are stepped in turn, round after round, so that a busy
machine disturbs them alike; a cell is the median of a variant's ratio to the base of the same round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from flowmusic.precision import has_bf16
from flowmusic.train.run import compose

PRECISION = {True: "bf16", False: "fp32"}


class Variant:
    """A model, its optimiser and its batches; ``items`` is how many windows a step has."""

    def __init__(self, overrides: list[str], device: str, bf16: bool, optimizer: str, compile: str | None) -> None:
        from hydra.utils import instantiate

        cfg = compose([*overrides, "logger=none", "callbacks=none"])
        torch.manual_seed(0)
        self.model = instantiate(cfg.model).to(device).train()
        # Outside a trainer there is nothing to log to.
        self.model.log = self.model.log_dict = lambda *_, **__: None
        self.data = instantiate(cfg.data)
        self.data.setup("fit")
        self.items, self.device, self.bf16 = int(cfg.data.batch), device, bf16
        made = self.model.configure_optimizers()["optimizer"]
        self.optimizer = made
        if optimizer != "own":
            # Groups as the model made them, on the kernel that is asked for.
            groups = [{k: v for k, v in g.items() if k not in ("fused", "foreach")} for g in made.param_groups]
            self.optimizer = torch.optim.AdamW(groups, fused=optimizer == "fused", foreach=optimizer == "foreach")
        if compile is not None:
            getattr(self.model, "field", self.model).compile(mode=compile)
            self.model.compile_mode = compile

    def step(self, batch: Any, count: int) -> None:
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            if hasattr(self.model, "field"):
                loss = self.model.loss(batch, torch.Generator().manual_seed(count))
                loss = loss + self.model.align * self.model.alignment(batch)
            else:
                loss, rebuilt = self.model.loss(batch, count)
                if self.model.adversarial is not None:
                    loss = loss + self.model.contest(self.model.adversarial, batch, rebuilt)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def batch(self, count: int) -> Any:
        if hasattr(self.model, "field"):
            crops = self.data._crops(self.data.train_store, self.data.crop_seconds, 0)
            return self.data.transfer_batch_to_device(crops(count), torch.device(self.device), 0)
        return self.data.train_crops(count).to(self.device)


def seconds(action: Callable[[], Any], device: str) -> float:
    began = time.perf_counter()
    action()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def table(title: str, variants: dict[str, Variant], rounds: int, device: str) -> list[str]:
    """Rows of a table; the first variant is the base."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    making: list[float] = []
    for count in range(rounds + 1):
        for name, variant in variants.items():
            made: list[Any] = []
            spent = seconds(lambda v=variant, m=made, c=count: m.append(v.batch(c)), device)  # type: ignore[misc]
            taken = seconds(partial(variant.step, made[0], count), device)
            if count:  # the first round compiles and warms up
                times[name].append(taken / variant.items)
                if name == next(iter(variants)):
                    making.append(spent / (spent + taken))
    base = next(iter(variants))
    rows = [f"| {title} | time per window | of {rounds} rounds |", "|---|---|---|"]
    for name, steps in times.items():
        ratios = [t / b for t, b in zip(steps, times[base])]
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        rows.append(f"| {name} | {statistics.median(ratios):.2f} | {spread if name != base else ''} |")
    per = statistics.median(times[base])
    rows.append(f"| making the batch, share of a base step | {statistics.median(making):.1%} | |")
    return [*rows, "", f"Base: {variants[base].items} windows, {1000 * per:.1f} ms each."]


def field(latents: Path, device: str, compiled: bool) -> dict[str, Variant]:
    muon = ["experiment=nano", f"latents={latents}", "~callbacks.samples"]
    base = [*muon, "model.optimizer._target_=torch.optim.AdamW"]
    bf16 = has_bf16(device)
    make = partial(Variant, device=device, bf16=bf16, optimizer="fused", compile=None)
    found = {
        f"base: {PRECISION[bf16]}, fused AdamW, batch 16": make(base),
        PRECISION[not bf16]: make(base, bf16=not bf16),
        "Muon for the matrices": make(muon, optimizer="own"),
        "AdamW foreach": make(base, optimizer="foreach"),
        "AdamW parameter by parameter": make(base, optimizer="plain"),
        "batch 4": make([*base, "data.batch=4", "data.pairs=12"]),
        "batch 32": make([*base, "data.batch=32", "data.pairs=96"]),
        "minibatch pairing": make([*base, "model.pairing=minibatch"]),
    }
    if compiled:
        found["torch.compile, default"] = make(base, compile="default")
    if device == "cuda":
        found["torch.compile, CUDA graphs"] = make(base, compile="reduce-overhead")
    return found


def codec(corpus: Path, device: str) -> dict[str, Variant]:
    base = ["experiment=nano_codec", f"corpus={corpus}", "data.limit=60"]
    judged = [*base, "+model/adversarial@model.adversarial=spectrum", "model.adversarial.begin=0"]
    bf16 = has_bf16(device)
    make = partial(Variant, device=device, bf16=bf16, optimizer="fused", compile=None)
    return {
        f"base: {PRECISION[bf16]}, fused AdamW, batch 12": make(base),
        PRECISION[not bf16]: make(base, bf16=not bf16),
        "AdamW foreach": make(base, optimizer="foreach"),
        "batch 4": make([*base, "data.batch=4"]),
        "discriminator of 32 channels": make(judged),
        "discriminator of 8 channels": make([*judged, "model.adversarial.discriminator.width=8"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder of flowmusic corpus; without, no codec")
    parser.add_argument("--latents", type=Path, help="folder of latents; without, no field")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="also a compiled field (a minute or more to compile)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.latents:
        print("\n".join(table("field", field(args.latents, args.device, args.compile), args.rounds, args.device)), "\n")
    if args.corpus:
        print("\n".join(table("codec", codec(args.corpus, args.device), args.rounds, args.device)), "\n")


if __name__ == "__main__":
    main()
