"""What 10, 1 000 and 100 000 hours would need, from what was measured at small scale: tables for docs/scale.md.

``python benchmarks/scale_plan.py BUILD.json FOLDER [--files 40] [--cores 64] [--devices 8] [--flops 9.9e14]``

BUILD.json comes from ``benchmarks/build_throughput.py --json``; FOLDER holds recordings, which are looked at here as
``flowmusic data scan`` does.  Costs are processor time of one thread, sizes are of real files, memory is what Python
allocates for a manifest and a plan; hours follow by division, as if every core were busy.  What a training needs is
computed from its configuration (``dry_run=true``), with an assumed share of a device's arithmetic.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from flowmusic.audio_files import SUFFIXES
from flowmusic.datasets import manifest, plan
from flowmusic.datasets.manifest import Entry
from flowmusic.datasets.probe import Facts
from flowmusic.datasets.probe_many import look
from flowmusic.train import plan as training
from flowmusic.train.run import compose

HOURS = (10, 1_000, 100_000)
TRACK_S = 240.0
"""Length of a recording in the plan."""
PRINT_S = 30.0
"""How much of a recording its fingerprint is made of, at most."""
PIECE_S, CLIPS_PER_SHARD = 30.0, 64
ENTRIES = 4_000
"""Recordings of the manifest whose memory is measured."""


@dataclass(frozen=True)
class Measured:
    """Figures for a second, an hour, a recording or a piece; processor seconds and bytes.

    ``build_s`` and ``shard_bytes`` come from the benchmark of the build, the rest from here.
    """

    scan_s: float
    build_s: float
    source_bytes: float
    shard_bytes: float
    print_bytes: float
    entry_bytes: float
    piece_bytes: float
    line_bytes: float


@dataclass(frozen=True)
class Target:
    """An amount of audio, the machines that are to build it, and what is trained on it."""

    hours: int
    machines: int
    cores: int
    experiment: str
    overrides: tuple[str, ...]
    devices: int


def looked_at(folder: Path, files: int) -> tuple[float, float, float]:
    """Processor seconds a second of audio, bytes an hour of files, and bytes of the fingerprint of a long recording."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.stem.count(".") == 0)[:files]
    look(paths[0])
    costs, seconds, printed, size, prints = [], 0.0, 0.0, 0, 0
    for path in paths:
        began = time.process_time()
        facts = look(path)
        taken = time.process_time() - began
        if not isinstance(facts, Facts):
            continue
        costs.append(taken / facts.duration)
        seconds, printed = seconds + facts.duration, printed + min(facts.duration, PRINT_S)
        size += path.stat().st_size
        prints += facts.words.nbytes
    if not costs:
        raise SystemExit(f"no readable recordings under {folder}")
    return statistics.median(costs), size / seconds * 3600.0, prints / printed * PRINT_S


def remembered(folder: Path) -> tuple[float, float, float]:
    """Bytes of memory of a manifest's entry and of a planned piece, and bytes of a manifest's line."""
    caption = "a calm recording of piano and strings, of about the length that captions have"
    entries = [
        Entry(
            str(folder / f"artist-{n % 200:03d}" / f"recording-{n:06d}.flac"), TRACK_S, 44_100, 2, f"{n:064x}",
            text=(caption,), licence="CC BY 4.0", tags={"artist": f"artist {n % 200}", "genre": "ambient"},
        )
        for n in range(ENTRIES)
    ]  # fmt: skip
    path = manifest.write(entries, folder / "manifest.jsonl")
    del entries
    tracemalloc.start()
    found = manifest.read(path)
    entry_bytes = tracemalloc.get_traced_memory()[0] / ENTRIES
    made = plan.make(found, folder, PIECE_S, CLIPS_PER_SHARD)
    piece_bytes = (tracemalloc.get_traced_memory()[0] - entry_bytes * ENTRIES) / made.clips
    tracemalloc.stop()
    return entry_bytes, piece_bytes, path.stat().st_size / ENTRIES


def measure(build: dict[str, Any], folder: Path, files: int) -> Measured:
    scan_s, source, prints = looked_at(folder, files)
    with tempfile.TemporaryDirectory() as name:
        entry, piece, line = remembered(Path(name))
    return Measured(
        scan_s, build["default_cpu_s_per_audio_s"], source, build["shard_bytes_per_hour"], prints, entry, piece, line
    )


def amount(count: float, unit: str = "B") -> str:
    """A size with a prefix.

    >>> amount(2.5 * 2**30)
    '2.5 GiB'
    """
    prefixes = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
    power = max(0, min(len(prefixes) - 1, int(math.log2(max(count, 1)) // 10)))
    return f"{count / 1024**power:.3g} {prefixes[power]}{unit}"


def took(hours: float) -> str:
    """A time for people.

    >>> took(0.5), took(30.0), took(100.0)
    ('30 min', '30 h', '4.2 days')
    """
    if hours < 1.0:
        return f"{hours * 60:.2g} min"
    return f"{hours:.2g} h" if hours < 48 else f"{hours / 24:.2g} days"


def table(title: str, rows: dict[str, list[str]]) -> None:
    print(f"| {title} | " + " | ".join(f"{hours:,} h".replace(",", " ") for hours in HOURS) + " |")
    print("|---" * (len(HOURS) + 1) + "|")
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="JSON of benchmarks/build_throughput.py")
    parser.add_argument("folder", type=Path, help="recordings")
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--cores", type=int, default=64, help="of a machine of the cluster")
    parser.add_argument("--machines", type=int, default=32, help="of the cluster, for the largest amount")
    parser.add_argument("--devices", type=int, default=8, help="of a training machine")
    parser.add_argument("--flops", type=float, default=9.9e14, help="of a device in a second, bf16")
    parser.add_argument("--step-s", type=float, default=1.34, help="of nano on a core: benchmarks/training_stream.py")
    parser.add_argument("--utilisation", type=float, default=0.3, help="assumed share of it that training reaches")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(json.loads(args.build.read_text(encoding="utf-8")), args.folder, args.files)
    print("| measured | one core |")
    print("|---|---|")
    print(f"| scan (decode, hash, fingerprint) | {1 / found.scan_s:.0f} x real time |")
    print(f"| build (default extractors, codec, shards) | {1 / found.build_s:.1f} x real time |")
    print(f"| recordings, FLAC | {amount(found.source_bytes)} an hour |")
    print(f"| shards | {amount(found.shard_bytes)} an hour |")
    print(f"| fingerprint, in memory while duplicates are looked for | {amount(found.print_bytes)} a recording |")
    print(f"| manifest | {amount(found.line_bytes)} a line on disk, {amount(found.entry_bytes)} in memory |")
    print(f"| plan of a build | {amount(found.piece_bytes)} a piece in memory |\n")

    targets = [
        Target(10, 1, 2, "nano", ("trainer.max_steps=5000",), 1),
        Target(1_000, 1, args.cores, "jasco_400m", ("data.batch=42", "trainer.max_steps=100000"), args.devices),
        Target(100_000, args.machines, args.cores, "jasco_400m", ("data.batch=42", "trainer.max_steps=500000"),
               args.devices),
    ]  # fmt: skip
    cells: dict[str, list[str]] = {}

    def say(name: str, cell: str) -> None:
        cells.setdefault(name, []).append(cell)

    for each in targets:
        cores, seconds = each.machines * each.cores, each.hours * 3600.0
        recordings, pieces = seconds / TRACK_S, seconds / PIECE_S
        say("machines x cores", f"{each.machines} x {each.cores}")
        alone = "" if each.machines == 1 else ", one machine"
        say("scan", took(seconds * found.scan_s / each.cores / 3600.0) + alone)
        say("build", took(seconds * found.build_s / cores / 3600.0))
        say("recordings on disk", amount(each.hours * found.source_bytes))
        say("shards on disk", amount(each.hours * found.shard_bytes))
        say("shards", f"{math.ceil(pieces / CLIPS_PER_SHARD):,}".replace(",", " "))
        say("memory: manifest", amount(recordings * found.entry_bytes))
        say("memory: plan, on the machine that gives out work", amount(pieces * found.piece_bytes))
        say("memory: fingerprints", amount(recordings * found.print_bytes))
    table("data", cells)
    cells.clear()
    for each in targets:
        cfg = compose([f"experiment={each.experiment}", f"plan.devices={each.devices}", *each.overrides])
        run = training.make(cfg)
        flops = run.again_flops if run.checkpointing else run.flops
        windows = run.batch * run.accumulate * run.devices
        audio_h = run.steps * windows * run.seconds / 3600.0
        say("model", f"{each.experiment}, {run.parameters / 1e6:.0f} M")
        say("steps x windows", f"{run.steps} x {windows} of {run.seconds:g} s")
        say("passes over the data", f"{audio_h / each.hours:.0f}")
        say("arithmetic", f"{run.steps * flops:.2g} FLOP")
        if each.machines * each.cores <= 2:
            say("devices", f"one CPU core, {args.step_s:g} s a step")
            say("time", took(run.steps * args.step_s / 3600.0))
        else:
            say("devices", f"{run.devices} at {args.utilisation:.0%} of {args.flops:.2g} FLOP/s")
            say("time", took(run.hours(args.flops, args.utilisation)))
        needed, again = (sum(run.memory(checkpointing=value).values()) for value in (False, True))
        say("memory of a device", amount(needed))
        say("memory, checkpointing", amount(again))
    table("training", cells)


if __name__ == "__main__":
    main()
