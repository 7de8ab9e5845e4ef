"""How long `flowmusic generate x --seconds 4` takes from the start of Python to its end, in several trees side by side.

    python benchmarks/start_up.py [TREE[=PYTHON] ...] [--rounds 5] [--threads 1]

TREE is a checkout (this one if none is given), PYTHON the interpreter of its environment (this one).  In every round
each tree makes one take, so all see the same machine; the first round, which fills caches, is not counted.  Prints the
medians of the takes and of `flowmusic --help`, and whether the takes are the same to the byte.
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


def started(python: str, tree: Path, folder: Path, threads: int, *words: str) -> float:
    """Seconds of one command.  Raises: CalledProcessError."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": str(threads)}
    command = [python, "-m", "flowmusic.apps.cli", *words]
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    return time.perf_counter() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", default=[str(ROOT)], metavar="TREE[=PYTHON]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    trees = [
        (Path(tree).resolve(), python or sys.executable) for tree, _, python in (t.partition("=") for t in args.trees)
    ]
    takes: list[list[float]] = [[] for _ in trees]
    helps: list[list[float]] = [[] for _ in trees]
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
        ratio = statistics.median(one / first for one, first in zip(takes[index], takes[0], strict=True))
        take, shown = statistics.median(takes[index]), statistics.median(helps[index])
        print(f"{tree.name:<20} take {take:6.2f} s   {ratio:5.2f} of the first   --help {shown:5.2f} s")
    print("the takes are the same to the byte" if len(digests) == 1 else "THE TAKES DIFFER")
    return 0 if len(digests) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
