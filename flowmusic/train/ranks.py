"""The processes of a run on several devices.

Lightning starts the others by repeating the command line, which a sweep, a test or a notebook does not have.  Here
they get the resolved configuration of the run instead.  Under torchrun or Slurm the processes are there already.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ADDRESS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
"""What tells a process of Lightning's its place."""


@contextmanager
def started(trainer: Any, config: Path) -> Iterator[None]:
    """Start the other processes of this machine, each of which trains what ``config`` says; wait for them at the end.

    Does nothing for one device, and where a cluster's launcher has started them.
    Raises: RuntimeError if one of them fails after this one is done.
    """
    import torch
    from lightning.fabric.strategies.launchers.subprocess_script import _launch_process_observer

    strategy = trainer.strategy
    environment = getattr(strategy, "cluster_environment", None)
    count = getattr(strategy, "num_processes", 1)
    if count == 1 or environment is None or environment.creates_processes_externally:
        yield
        return
    before = {name: os.environ.get(name) for name in ADDRESS}
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = environment.main_address, str(environment.main_port)
    os.environ["NODE_RANK"], os.environ["LOCAL_RANK"] = str(environment.node_rank()), "0"
    os.environ["WORLD_SIZE"] = str(count * trainer.num_nodes)
    # The package that runs here, wherever the command was given.
    path = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "flowmusic.train.rank", str(config.resolve())]
    others = [
        subprocess.Popen(command, env={**os.environ, "LOCAL_RANK": str(rank), "PYTHONPATH": os.pathsep.join(path)})
        for rank in range(1, count)
    ]
    _launch_process_observer(others)  # one that dies takes all with it, who would wait for it for ever
    try:
        yield
        if torch.distributed.is_initialized():
            # The next run of this process, a point of a sweep, makes a group of its own.
            torch.distributed.destroy_process_group()
        codes = [other.wait() for other in others]
    finally:
        for other in others:
            if other.poll() is None:
                other.kill()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    if any(codes):
        raise RuntimeError(f"training processes ended with exit codes {codes}; their messages are above")
