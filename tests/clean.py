"""Child processes that begin with everything loaded and nothing run: quick, free to be killed, and without the threads
and locks that a copy of a test process would bring along.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext

PRELOADED = "tests.preloaded"


def context() -> ForkServerContext:
    """Processes forked from a server of its own, which imports :mod:`tests.preloaded` once."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([PRELOADED])
    return found
