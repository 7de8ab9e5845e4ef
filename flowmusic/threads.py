"""How many threads a command computes on, decided before anything heavy is loaded: its libraries ask once.

The threads of an OpenMP loop wait at its end for the slowest of them.  By default they do so turning round and round
for a while, and on a core that others want too, that takes from the very thread they wait for: two threads on two busy
cores were many times slower than one, and two that sleep while they wait were quicker than one (docs/speed.md).
"""

from __future__ import annotations

import os
import sys

from flowmusic import limits

MOST = 8
"""Threads that are started unasked: the matrices of a take are too small for more."""


def wait_asleep() -> None:
    """Have waiting threads sleep, unless the environment says otherwise."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def settle(chosen: int | None) -> None:
    """Compute on as many threads as were asked for; else as ``OMP_NUM_THREADS`` says, or one on each core."""
    if chosen is None and os.environ.get("OMP_NUM_THREADS"):
        return
    number = min(MOST, limits.cores()) if chosen is None else chosen
    os.environ["OMP_NUM_THREADS"] = str(number)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(number)
