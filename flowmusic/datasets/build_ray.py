"""Shards built by Ray Data: the same work on one machine or on all that a cluster has (extra ``ray``).

Every machine must see the recordings and the output folder under the same paths.  Where ``RAY_ADDRESS`` names a
cluster it is used; otherwise Ray is started here for the length of the build, without dashboard and reports.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flowmusic.datasets.build import Make, Record, Tell, build_shard
from flowmusic.datasets.plan import Shard

_BLOCKS = 4096
"""Rows are handed out by blocks, which Ray keeps an account of."""


class MissingRay(ValueError):
    """``build.engine=ray`` needs the package."""


def require() -> None:
    """Raises: MissingRay, which tells what to install."""
    try:
        import ray.data  # noqa: F401
    except ImportError:
        raise MissingRay(
            "build.engine=ray needs the package ray, which is not installed; install it with: "
            "pip install 'flowmusic[ray]', or use build.engine=local"
        ) from None


class Worker:
    """A process of Ray with the per-clip function; rows are one pickled shard each."""

    def __init__(self, make: bytes, out: str) -> None:
        import torch

        torch.set_num_threads(1)  # sums in another order would be other bits
        self.make, self.out = pickle.loads(make)(), Path(out)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        shard: Shard = pickle.loads(row["shard"])
        seconds = [0.0]

        def count(more: float) -> None:
            seconds[0] += more

        record = build_shard(shard, self.out, self.make, count)
        return {"name": shard.name, "record": pickle.dumps(record), "clips": len(shard.pieces), "seconds": seconds[0]}


def run(shards: Sequence[Shard], out: Path, make: Make, workers: int, tell: Tell) -> Iterator[Record]:
    """Build shards, and give their records as they come; see :func:`flowmusic.datasets.build_local.run`.

    Args:
        workers: actors of one CPU each.
        tell: called after every shard, with the seconds of each of its clips.

    Raises: MissingRay.
    """
    require()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of its own handling of our actors' arguments
    import ray
    import ray.data

    started = not ray.is_initialized()
    if started:
        at = os.environ.get("RAY_ADDRESS")
        own: dict[str, Any] = {} if at else {"num_cpus": workers, "include_dashboard": False}
        ray.init(address=at, log_to_driver=False, logging_level=logging.ERROR, **own)
    context = ray.data.DataContext.get_current()
    shown, context.enable_progress_bars = context.enable_progress_bars, False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        rows = [{"shard": pickle.dumps(shard)} for shard in shards]
        made = ray.data.from_items(rows, override_num_blocks=min(len(rows), _BLOCKS)).map(
            Worker,  # type: ignore[arg-type]  # of a class, Ray makes actors
            fn_constructor_args=(pickle.dumps(make), str(out.resolve())),
            concurrency=min(workers, len(rows)),
            num_cpus=1,
        )
        for row in made.iter_rows():
            for _ in range(row["clips"]):
                tell(row["seconds"] / row["clips"])
            yield pickle.loads(row["record"])
    finally:
        context.enable_progress_bars = shown
        if started:
            ray.shutdown()
