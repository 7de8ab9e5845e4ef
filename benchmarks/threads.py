"""How long a take takes on one thread and on several, with and without other programs on the same cores.

    python benchmarks/threads.py [--rounds 3] [--seconds 4] [--steps 2]

Each setting is a process that has the model loaded; in every round each of them makes one take, alone and then beside
one busy process for each core, so that all see the same machine.  ``passive`` is OMP_WAIT_POLICY=passive: threads that
wait for the others sleep in place of turning round and round, which keeps a core from whoever they wait for.  Prints
the median of the rounds, and the median of its ratio to one thread within a round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHILD = """
import sys, time
import flowmusic as fm
model = fm.load("nano")
grid = model.grid(seconds=float(sys.argv[1]))
request = fm.request("slow jazz", grid=grid)
model.generate(request, seed=0, grid=grid, steps=1)
for line in sys.stdin:
    begin = time.perf_counter()
    model.generate(request, seed=0, grid=grid, steps=int(sys.argv[2]))
    print(time.perf_counter() - begin, flush=True)
"""


def settings(cores: int) -> dict[str, dict[str, str]]:
    """Environments by name; the first one is what the others are compared with."""
    several = {"OMP_NUM_THREADS": str(cores)}
    return {
        "1 thread": {"OMP_NUM_THREADS": "1"},
        f"{cores} threads": several,
        f"{cores} threads, passive": {**several, "OMP_WAIT_POLICY": "passive"},
    }


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Programs that do nothing but compute."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def started(environment: dict[str, str], seconds: float, steps: int) -> subprocess.Popen[str]:
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", CHILD, str(seconds), str(steps)]
    return subprocess.Popen(command, env=whole, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def take(child: subprocess.Popen[str]) -> float:
    """Seconds of one take."""
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    return float(child.stdout.readline())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a take")
    parser.add_argument("--steps", type=int, default=2, help="of the solver, the midpoint method")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    children = {name: started(env, args.seconds, args.steps) for name, env in settings(cores).items()}
    try:
        for child in children.values():
            take(child)  # waits until it is loaded
        print(f"{cores} cores, load average {load:.1f} at the start, {args.rounds} rounds", flush=True)
        for label, others in (("alone", 0), (f"beside {cores} busy processes", cores)):
            with busy(others):
                rounds = [{name: take(child) for name, child in children.items()} for _ in range(args.rounds)]
            first = next(iter(children))
            for name in children:
                seconds = statistics.median(each[name] for each in rounds)
                ratio = statistics.median(each[name] / each[first] for each in rounds)
                print(f"{label:<26} {name:<20} {seconds:6.2f} s   {ratio:5.2f} of one thread", flush=True)
    finally:
        for child in children.values():
            child.kill()
            child.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
