"""How long `flowmusic generate x --seconds 4` takes from the start of Python to its end, in several trees side by side.

    python benchmarks/start_up.py [TREE[=PYTHON] ...] [--rounds 5] [--threads 1]

TREE is a checkout (this one if none is given), PYTHON the interpreter of its environment (this one).  In every round
each tree makes one take, so all see the same machine; the first round, which fills caches, is not counted.  Prints the
medians for the take and for `flowmusic --help`, by the clock and of processor time, which hardly depends on what else
runs; and whether the takes are the same to the byte.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def started(python: str, tree: Path, folder: Path, threads: int, *words: str) -> tuple[float, float]:
    """Seconds of one command, by the clock and of processor time.  Raises: CalledProcessError."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": str(threads)}
    command = [python, "-m", "flowmusic.apps.cli", *words]
    begin, before = time.perf_counter(), os.times()
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - begin, used


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", default=[str(ROOT)], metavar="TREE[=PYTHON]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    trees = [
        (Path(tree).resolve(), python or sys.executable) for tree, _, python in (t.partition("=") for t in args.trees)
    ]
    takes: list[list[tuple[float, float]]] = [[] for _ in trees]
    helps: list[list[tuple[float, float]]] = [[] for _ in trees]
    digests = set()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(args.rounds + 1):
            for index, (tree, python) in enumerate(trees):
                words = ("generate", "x", "--seconds", "4", "--seed", "0", "--quiet")
                take = started(python, tree, folder, args.threads, *words)
                shown = started(python, tree, folder, args.threads, "--help")
                digests.add(hashlib.sha256((folder / "take.wav").read_bytes()).hexdigest())
                if number:
                    takes[index].append(take)
                    helps[index].append(shown)
    print(f"load average {os.getloadavg()[0]:.1f}, {args.threads} threads, medians of {args.rounds}")
    for index, (tree, _) in enumerate(trees):
        told = [f"{tree.name:<16}"]
        for name, rounds in (("take", takes), ("--help", helps)):
            clock, used = (statistics.median(each) for each in zip(*rounds[index], strict=True))
            ratio = statistics.median(one[1] / first[1] for one, first in zip(rounds[index], rounds[0], strict=True))
            told.append(
                f"{name} {clock:6.2f} s by the clock, {used:6.2f} s of processor time ({ratio:4.2f} of the first)"
            )
        print("   ".join(told))
    print("the takes are the same to the byte" if len(digests) == 1 else "THE TAKES DIFFER")
    return 0 if len(digests) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
