"""Does a change of the code's structure leave what it makes alone?  Hashes of takes, an extraction and four runs.

    python benchmarks/same_behaviour.py --work WORK --record before.json          # in the old tree
    python benchmarks/same_behaviour.py --work WORK --compare before.json         # in the new one, on the same machine

WORK keeps the inputs (a small corpus, a pseudoword, an adapter, a tiny JASCO checkpoint), which are made once and used
by both trees, so a change of the composer does not hide a change of what is made from it.  Everything runs through the
command line, on one thread.  Outputs are hashed byte by byte; of JSON files the content, without what tells when, where
or how fast.  Prints one line per output that differs and exits with 1 if there is one.  About ten minutes of one core.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VOLATILE = frozenset(
    {
        "created",
        "time",
        "wall_s",
        "cpu_s",
        "seconds_per_step",
        "seconds_per_clip",
        "date",
        "hardware",
        "argv",
        "version",
    }
)
"""Keys of JSON files that tell of one run and not of what it made."""
TIMED = ("budget/", "speed/", "memory/")
"""Columns of a training's log that do so."""
GENERATE = ("--seconds", "10", "--quiet")


def run(*words: str | Path, cwd: Path) -> None:
    """One command of flowmusic of this checkout.  Raises: SystemExit with its output if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    command = [str(Path(sys.executable).with_name("flowmusic")), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    print("made:", " ".join(map(str, words))[:100], flush=True)


def inputs(folder: Path) -> None:
    """What the requests need; kept if it is there."""
    if (folder / "ready").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sys.path.insert(0, str(ROOT))
    from tests.interop import checkpoints
    from tests.model import tiny_t5

    jasco = folder / "jasco"
    jasco.mkdir()
    checkpoints.write(jasco)
    tiny_t5.write(jasco / "t5-base", width=12)
    shares = "train=0.6,validation=0.2,test=0.2"
    corpus = ("corpus", "--hours", "0.1", "--clip-seconds", "12", "--seed", "5", "--stems", "drums,melody")
    run(*corpus, "--splits", shares, "--workers", "1", "--out", "corpus", "--quiet", cwd=folder)
    clips = sorted((folder / "corpus" / "test").glob("[0-9]*[0-9].flac"))
    stem = clips[0].with_suffix("")
    shutil.copy(f"{stem}.flac", folder / "song.flac")
    shutil.copy(f"{stem}.drums.flac", folder / "loop.flac")
    shutil.copy(f"{stem}.melody.flac", folder / "tune.flac")
    shutil.copy(clips[1], folder / "style.flac")
    run("invert", "song.flac", "--token", "<dusk>", "--steps", "10", "--out", "dusk.safetensors", "--quiet", cwd=folder)
    run("build", "corpus=corpus", "out=latents", "build.workers=1", cwd=folder)
    lora = ("train", "experiment=lora", "base=nano", "latents=latents", "trainer.max_steps=4", "data.batch=2")
    run(*lora, "trainer.val_check_interval=4", "threads=1", "out=lora", cwd=folder)
    shutil.copy(folder / "lora" / "adapter.safetensors", folder / "tango.safetensors")
    (folder / "ready").touch()


def outputs(given: Path, out: Path) -> None:
    """Twelve requests, an extraction, an evaluation, a build and a training."""

    def take(name: str, text: str, *words: str | Path) -> None:
        run("generate", text, *GENERATE, "--seed", "11", "--out", f"{name}.wav", *words, cwd=out)

    drums, melody = ("--drums", given / "loop.flac"), ("--melody", given / "tune.flac")
    chords = ("--chords", "C Am | F G7 | %", "--bpm", "96")
    style = ("--style", given / "style.flac", "--style-detail", "4")
    take("text", "slow jazz trio with piano")
    take("chords", "warm lo-fi beat", *chords)
    take("melody", "flute over strings", *melody)
    take("drums", "funk band", *drums)
    take("all", "rock band", *chords, *melody, *drums, "--guidance", "all=3,text=1")
    take("style", "jazz trio", *style)
    take("pseudoword", "a slow <dusk> waltz", "--concept", given / "dusk.safetensors")
    take("adapter", "tango", "--adapter", f"{given / 'tango.safetensors'}:0.8")
    jasco = ("--model", given / "jasco", "--steps", "2", "--seconds", "4")
    take("jasco", "slow jazz", *chords, *melody, *drums, *jasco)
    take("long", "calm piano", *chords, "--seconds", "25")
    take("two", "bright disco", *chords, "--count", "2")
    take("best", "folk guitar", *chords, "--best-of", "2")
    run("extract", given / "song.flac", "--out", "song.controls", cwd=out)
    run("evaluate", "model=nano", f"corpus={given / 'corpus'}", "clips=4", "out=report", "threads=1", cwd=out)
    run("build", f"corpus={given / 'corpus'}", "splits=[test]", "out=shards", "build.workers=1", cwd=out)
    train = ("train", "experiment=first", f"latents={given / 'latents'}", "trainer.max_steps=40", "data.batch=4")
    small = ("data.pairs=4", "model.field.width=96", "model.field.layers=2", "trainer.val_check_interval=20")
    run(*train, *small, f"corpus={given / 'corpus'}", "threads=1", "out=run", "data.validation_batches=2", cwd=out)


def plain(value: Any) -> Any:
    """A JSON value without what tells when, where or how fast."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in VOLATILE}
    return [plain(item) for item in value] if isinstance(value, list) else value


def digest(path: Path) -> str:
    if path.suffix == ".json":
        content = json.dumps(plain(json.loads(path.read_text(encoding="utf-8"))), sort_keys=True).encode()
    elif path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{key: row[key] for key in row if not key.startswith(TIMED)} for row in csv.DictReader(file)]
        content = json.dumps(rows, sort_keys=True).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


KEPT = (
    *("*.wav", "*.json", "song.controls/*", "report/report.json", "report/**/*.flac", "shards/**/*.tar"),
    *("run/**/*.safetensors", "run/**/metrics.csv"),
)


def hashes(out: Path) -> dict[str, str]:
    files = {path for pattern in KEPT for path in out.glob(pattern) if path.is_file()}
    return {path.relative_to(out).as_posix(): digest(path) for path in sorted(files)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of inputs and outputs")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--record", type=Path, metavar="FILE", help="write the hashes")
    which.add_argument("--compare", type=Path, metavar="FILE", help="compare with hashes that were written")
    args = parser.parse_args()
    work = args.work.resolve()
    inputs(work / "inputs")
    out = work / "outputs"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    outputs(work / "inputs", out)
    made = hashes(out)
    if args.record:
        args.record.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        print(f"{len(made)} outputs recorded in {args.record}")
        return 0
    before = json.loads(args.compare.read_text(encoding="utf-8"))
    differing = [name for name in sorted(before.keys() | made.keys()) if before.get(name) != made.get(name)]
    for name in differing:
        print(f"differs: {name}" if name in before and name in made else f"only in one: {name}")
    print(f"{len(before) - len(differing)} of {len(before)} outputs are byte-identical")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
