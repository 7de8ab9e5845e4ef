"""What streaming from shards costs against a store in memory: batches, training steps and memory, side by side.

    python benchmarks/training_stream.py --latents LATENTS [--rounds 10] [--threads 1]

The clips of a store of latents are written as shards into a temporary folder, so both hold the same.  Both make their
batches, and step a model each, in turn, round after round, so that a busy machine disturbs them alike; a ratio is the
median over rounds.  Memory is that of processes of their own, which do nothing else.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate

from flowmusic.data.clip_checks import LATENTS
from flowmusic.data.latents import LatentStore
from flowmusic.data.module import LatentData
from flowmusic.data.shards import ClipSample, ShardIndex, write_shard
from flowmusic.data.store_files import read_store
from flowmusic.data.streamed import ShardData
from flowmusic.train.run import compose

MIB, BATCHES = 2.0**20, 32
SETTINGS: dict[str, Any] = {"crop_seconds": 5.0, "batch": 16, "style_seconds": [1.5, 4.5], "pairs": 48}


def convert(store: LatentStore, split: str, per_shard: int, folder: Path) -> None:
    """A store as shards."""
    infos = []
    for first in range(0, len(store.clips), per_shard):
        samples = []
        for number in range(first, min(first + per_shard, len(store.clips))):
            begin, end = int(store.starts[number]), int(store.starts[number + 1])
            tensors = {name: tensor[begin:end] for name, tensor in store.tensors.items()}
            info = {"captions": store.clips[number]["captions"], "seconds": len(tensors[LATENTS]) / 25}
            samples.append(ClipSample(f"clip-{number:06d}", tensors, info))
        infos.append(write_shard(folder / f"{split}-{first // per_shard:06d}.tar", samples))
    ShardIndex(split, store.frame_rate, tuple(infos)).write(folder)


def resident() -> float:
    """Memory of this process, in MiB: what is resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / MIB


def in_memory(latents: Path) -> LatentData:
    data = LatentData(str(latents), **SETTINGS)
    data.setup("fit")
    return data


def streamed(folder: Path, **changes: Any) -> ShardData:
    data = ShardData(str(folder), **{**SETTINGS, **changes})
    data.setup("fit")
    return data


def memory_of(make: Callable[[], Any], batches: int) -> float:
    """Most memory that making batches takes, beyond what the process had, in MiB."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def child() -> None:
        torch.set_num_threads(1)
        before = resident()
        most, loader = 0.0, iter(make().train_dataloader())
        for _ in range(batches):
            next(loader)
            most = max(most, resident() - before)
        send.send(most)

    process = context.Process(target=child)
    process.start()
    process.join()
    return float(receive.recv())


def seconds(action: Callable[[], Any]) -> float:
    """CPU time of all threads: reading in the background counts, other programs do not."""
    began = time.process_time()
    action()
    return time.process_time() - began


class Learner:
    """nano with its optimiser, on batches from somewhere."""

    def __init__(self, data: LatentData | ShardData) -> None:
        cfg = compose(["experiment=nano", "logger=none", "callbacks=none"])
        torch.manual_seed(0)
        self.model = instantiate(cfg.model).train()
        self.model.encoder.text.remember(data.captions(), data.text_folder)
        self.model.encoder.text.keep_recent(data.text_cache)
        self.optimizer = self.model.configure_optimizers()["optimizer"]
        self.batches = iter(data.train_dataloader())

    def step(self) -> None:
        batch = next(self.batches)
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.model.loss(batch, torch.Generator().manual_seed(batch.number))
            loss = loss + self.model.align * self.model.alignment(batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def take(loader: Iterator[Any], count: int) -> None:
    for _ in range(count):
        next(loader)


def ratios(base: list[float], other: list[float]) -> str:
    found = [one / two for one, two in zip(other, base, strict=True)]
    return f"{statistics.median(found):.2f} ({min(found):.2f}-{max(found):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=Path, required=True, help="a store of latents")
    parser.add_argument("--per-shard", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        shards = Path(folder)
        convert(read_store(args.latents, "train"), "train", args.per_shard, shards)
        convert(read_store(args.latents, "validation"), "validation", args.per_shard, shards)
        report(args, shards)


def report(args: argparse.Namespace, shards: Path) -> None:
    size = sum(path.stat().st_size for path in shards.glob("train-*.tar")) / MIB
    count = len(list(shards.glob("train-*.tar")))
    clips = ShardIndex.read(shards, "train").clips
    print(f"{clips} clips in {count} shards, {size:.0f} MiB; batches of 16 windows of 5 s with 48 pairs\n")
    makers: dict[str, Callable[[], Any]] = {
        "in memory": lambda: in_memory(args.latents),
        "shards, group=4": lambda: streamed(shards),
        "shards, group=4, windows=4": lambda: streamed(shards, windows=4),
        "shards, group=4, verify=false": lambda: streamed(shards, verify=False),
    }
    memory = {name: memory_of(make, 2 * BATCHES) for name, make in makers.items()}
    loaders = {name: iter(make().train_dataloader()) for name, make in makers.items()}
    times: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(args.rounds):
        for name, loader in loaders.items():
            times[name].append(seconds(partial(take, loader, BATCHES)))
    base = times["in memory"]
    print("| source | CPU time to make a batch | ratio | memory, MiB |\n|---|---|---|---|")
    for name, spent in times.items():
        each = 1000 * statistics.median(spent) / BATCHES
        print(f"| {name} | {each:.1f} ms | {ratios(base, spent)} | {memory[name]:.0f} |")
    learners = {name: Learner(makers[name]()) for name in ("in memory", "shards, group=4")}
    steps: dict[str, list[float]] = {name: [] for name in learners}
    for number in range(args.rounds + 1):
        for name, learner in learners.items():
            spent_s = seconds(learner.step)
            if number:
                steps[name].append(spent_s)
    print("\n| source | CPU time of a nano training step | ratio |\n|---|---|---|")
    for name, spent in steps.items():
        print(f"| {name} | {statistics.median(spent):.2f} s | {ratios(steps['in memory'], spent)} |")


if __name__ == "__main__":
    main()
