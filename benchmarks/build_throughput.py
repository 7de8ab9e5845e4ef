"""What a build costs, stage by stage, and what more workers and Ray give: Markdown tables for docs/build.md, and JSON.

``python benchmarks/build_throughput.py FOLDER [--clips 6] [--seconds 20] [--rounds 3] [--json FILE] [--engines]``

FOLDER holds recordings of any kind.  A stage's cost is the processor time of one thread for a second of audio, which a
busy machine hardly changes: every round measures all stages in turn, and the median over the rounds is given.
``--engines`` also runs whole builds with one worker, two, and two of Ray, one after the other: processor time of all
processes together, and wall time, which is that of a machine with nothing else to do only if it has.  ``--rounds 0``
leaves the stages out.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import soundfile
import torch

from feature_extractors import Beats, Chords, Drums, DrumSeparator, HarmonicPercussive, Melody, Onsets
from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.audio_files import SUFFIXES
from flowmusic.data.shards import ShardIndex, write_shard
from flowmusic.datasets import manifest
from flowmusic.datasets.clip import ClipBuilder, read_part
from flowmusic.datasets.manifest import Entry
from flowmusic.datasets.settings import ClipSettings, ExtractorChoice
from flowmusic.hashes import of_file

CONTROLS = ("chords", "melody", "drums", "beats")
DEFAULT = ("decode", "codec", "separator: hpss", "chords: ours", "melody: harmonic", "drums", "beats: flux", "write")
"""The stages of a build with the default settings."""


def entries_of(folder: Path, clips: int, seconds: float) -> list[Entry]:
    """Pieces of so many recordings."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.stem.count(".") == 0)[:clips]
    found = []
    for path in paths:
        facts = soundfile.info(path)
        length = min(seconds, facts.duration)
        found.append(Entry(str(path), length, facts.samplerate, facts.channels, of_file(path)))
    if not found:
        raise SystemExit(f"no recordings under {folder}")
    return found


def stages(pieces: list[Entry], folder: Path, madmom: bool, crepe: bool) -> dict[str, Callable[[Entry, Audio], Any]]:
    """What is measured, by name; each takes a piece and its audio."""
    clip = ClipBuilder(ClipSettings("nano2_codec", "cpu", CONTROLS, "onsets", ExtractorChoice()))
    made = {piece.key: clip(piece) for piece in pieces}
    drums, separated = Drums(), {}
    for piece in pieces:
        audio = read_part(piece.path, piece).audio
        separated[piece.key] = HarmonicPercussive().analyse(audio)
    found: dict[str, Callable[[Entry, Audio], Any]] = {
        "decode": lambda piece, audio: audio_tools.resample(read_part(piece.path, piece).audio, 32_000),
        "codec": lambda piece, audio: clip.encode(audio),
        "separator: hpss": lambda piece, audio: HarmonicPercussive().analyse(audio),
        "separator: ours": lambda piece, audio: DrumSeparator().analyse(audio),
        "chords: ours": lambda piece, audio: Chords("ours").analyse(audio),
        "melody: harmonic": lambda piece, audio: Melody().analyse(separated[piece.key].rest),
        "drums": lambda piece, audio: drums.analyse_stem(separated[piece.key].drums, audio),
        "drums, onsets by our network": lambda piece, audio: replace(drums, onsets=Onsets("drums")).analyse_stem(
            separated[piece.key].drums, audio
        ),
        "beats: flux": lambda piece, audio: Beats("flux").analyse(audio),
        "write": lambda piece, audio: write_shard(folder / "one.tar", [made[piece.key]]),
    }
    if crepe:
        found["melody: tiny"] = lambda piece, audio: Melody(model="tiny").analyse(separated[piece.key].rest)
    if madmom:
        found["beats: madmom"] = lambda piece, audio: Beats("madmom").analyse(audio)
        found["chords: madmom"] = lambda piece, audio: Chords("madmom").analyse(audio)
    return found


def measure(pieces: list[Entry], named: dict[str, Callable[[Entry, Audio], Any]], rounds: int) -> dict[str, float]:
    """Processor seconds for a second of audio, by stage."""
    audios = [read_part(piece.path, piece).audio for piece in pieces]
    total = sum(audio.seconds for audio in audios)
    for action in named.values():
        action(pieces[0], audios[0])  # weights are loaded once
    taken: dict[str, list[float]] = {name: [] for name in named}
    for _ in range(rounds):
        for name, action in named.items():
            began = time.process_time()
            for piece, audio in zip(pieces, audios):
                action(piece, audio)
            taken[name].append((time.process_time() - began) / total)
    return {name: statistics.median(values) for name, values in taken.items()}


def whole(path: Path, out: Path, *overrides: str) -> dict[str, float]:
    """A build in a process of its own: wall seconds, those before the first shard was there, and processor seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    command = [sys.executable, "-m", "flowmusic.apps.cli", "build", f"manifest={path}", f"out={out}"]
    subprocess.run([*command, "build.clips_per_shard=2", *overrides], check=True, stdout=subprocess.DEVNULL)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    first = min(tar.stat().st_mtime for tar in out.glob("*.tar"))
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": ended - began, "first_shard_s": first - began, "cpu_s": spent}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--madmom", action="store_true", help="measure madmom's chords and beats too")
    parser.add_argument("--crepe", action="store_true", help="measure the melody by CREPE too")
    parser.add_argument("--engines", action="store_true", help="whole builds: one worker, two, two of Ray")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pieces = entries_of(args.folder, args.clips, args.seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs = measure(pieces, stages(pieces, folder, args.madmom, args.crepe), args.rounds) if args.rounds else {}
        default = sum(costs[stage] for stage in DEFAULT if stage in costs)
        if costs:
            print(
                "| stage | processor seconds per second of audio | x real time, one core | share of a default build |"
            )
            print("|---|---|---|---|")
            for stage, cost in costs.items():
                share = f"{100 * cost / default:.0f} %" if stage in DEFAULT else "-"
                print(f"| {stage} | {cost:.5f} | {1 / cost:.0f} | {share} |")
            print(f"| default build | {default:.5f} | {1 / default:.1f} | 100 % |", flush=True)
        path = manifest.write(pieces, folder / "pieces.jsonl")
        engines: dict[str, dict[str, float]] = {}
        runs: list[tuple[str, list[str]]] = [("local, 1 worker", ["build.workers=1"])]
        if args.engines:
            runs += [
                ("local, 2 workers", ["build.workers=2"]),
                ("Ray, 2 workers", ["build.workers=2", "build.engine=ray"]),
            ]
        audio_seconds = sum(piece.duration for piece in pieces)
        for label, overrides in runs:
            out = folder / label.replace(" ", "_").replace(",", "")
            engines[label] = whole(path, out, *overrides)
        index = ShardIndex.read(folder / "local_1_worker", "train")
        size = sum(shard.bytes for shard in index.shards) / index.seconds * 3600
        print(f"\nShards: {size / 2**20:.1f} MiB an hour of audio.\n")
        if args.engines:
            print(f"{audio_seconds:.0f} s of audio, start included:\n")
            print("| engine | processor seconds | wall seconds | until the first shard |")
            print("|---|---|---|---|")
            for label, each in engines.items():
                print(f"| {label} | {each['cpu_s']:.1f} | {each['wall_s']:.1f} | {each['first_shard_s']:.1f} |")
        if args.json:
            told = {
                "audio_seconds": audio_seconds,
                "cpu_s_per_audio_s": costs,
                "default_cpu_s_per_audio_s": default,
                "shard_bytes_per_hour": size,
                "engines": engines,
            }
            args.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
