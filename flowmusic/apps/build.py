"""``flowmusic build``: recordings to WebDataset shards of latents, controls and captions.

``flowmusic build manifest=FILE out=DIR`` or ``corpus=DIR out=DIR`` (Hydra overrides, see ``conf/build.yaml``).  What is
finished is not made again: a build that was killed goes on where it was, to the same bytes.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from flowmusic import progress
from flowmusic.datasets.settings import Settings
from flowmusic.errors import UsageError, reading_input
from flowmusic.locks import NAME, InUse, locked
from flowmusic.train import command

if TYPE_CHECKING:
    from flowmusic.datasets.build import Built
    from flowmusic.datasets.clip import ClipBuilder
    from flowmusic.datasets.plan import Plan


def main(overrides: list[str]) -> int:
    """Run Hydra with command-line overrides; returns the exit code of the command."""

    def action(cfg: DictConfig, task: list[str], varying: list[str] | None) -> None:
        if varying is not None:
            raise UsageError("-m would write several builds into one folder; run them one after the other")
        for path in build(cfg):
            print(path)

    return command.run("flowmusic build", "build", action, overrides, (UsageError,), groups=False)


def compose(overrides: list[str]) -> DictConfig:
    """The configuration of a build with overrides, without Hydra's runtime (for tests and notebooks)."""
    return command.compose_alone("build", overrides)


def build(cfg: DictConfig) -> list[Path]:
    """Build, or verify, what a configuration describes; returns the files that sum it up.

    Raises: UsageError for settings or input that are wrong; RuntimeError for shards that are damaged.
    """
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    settings = Settings.of({str(key): value for key, value in config.items()})
    if settings.verify:
        return verify(settings.out)
    progress.starting("flowmusic build")
    if settings.add_facts:
        return add_facts(settings)
    from flowmusic.datasets import build as data_build
    from flowmusic.datasets import plan as plans
    from flowmusic.datasets import summary
    from flowmusic.datasets.clip import described

    with reading_input():
        plan = planned(settings)
        if settings.engine == "ray":
            from flowmusic.datasets import build_ray

            build_ray.require()
        make = functools.partial(_make, settings, plan.root)
        maker = make(quiet=False)
        told = {**described(maker), "seconds": settings.seconds, "clips_per_shard": settings.clips_per_shard}
        settings.out.mkdir(parents=True, exist_ok=True)
    with alone(settings.out):
        with reading_input():
            plans.agree(plan, told, settings.out)
        work(settings, plan, make)
        with reading_input():
            built = data_build.finish(plan, settings.out, maker.frame_rate, told, settings.clip.style_features)
        files = summary.write(built, plan, settings.out)
    tell_result(built, plan, settings.out)
    return files


def planned(settings: Settings) -> Plan:
    """Every piece and its shard.  Raises: ValueError, FileNotFoundError."""
    from flowmusic.datasets import manifest
    from flowmusic.datasets import plan as plans
    from flowmusic.datasets.sets import corpus

    if settings.corpus is not None:
        root, entries = settings.corpus.resolve(), corpus.manifest_entries(settings.corpus)
    else:
        assert settings.manifest is not None
        root, entries = settings.manifest.resolve().parent, manifest.read(settings.manifest)
    return plans.make(entries, root, settings.seconds, settings.clips_per_shard, settings.duplicates, settings.splits)


def _make(settings: Settings, root: Path, quiet: bool = True) -> ClipBuilder:
    from flowmusic.datasets.clip import ClipBuilder

    return ClipBuilder(replace(settings.clip, root=root), quiet)


def work(settings: Settings, plan: Plan, make: functools.partial[Any]) -> None:
    """Build what is not finished, with a line of progress."""
    from flowmusic.datasets import build_local, build_ray
    from flowmusic.datasets.build import unfinished

    todo = unfinished(plan, settings.out, settings.retry)
    clips = sum(len(shard.pieces) for shard in todo)
    if len(todo) < len({shard.name for shard in plan.shards}):
        print(f"{len(plan.shards) - len(todo)} of {len(plan.shards)} shards are finished already", file=sys.stderr)
    if not todo:
        return
    began, heard = time.monotonic(), [0.0]
    engine = build_ray.run if settings.engine == "ray" else build_local.run
    with progress.Bar("build", "clip", clips, ends=True) as bar:

        def tell(seconds: float) -> None:
            heard[0] += seconds
            bar.note(f"{heard[0] / max(time.monotonic() - began, 1e-9):.1f} x real time")
            bar.update()

        for _ in engine(todo, settings.out, make, settings.workers, tell):
            pass  # a shard is finished


def tell_result(built: Built, plan: Plan, out: Path) -> None:
    """What was left out, and why, on stderr."""
    from flowmusic.datasets.build import FAILURES

    for reason, count in plan.left_out.items():
        print(f"note: left out {count}: {reason}", file=sys.stderr)
    if built.failures:
        print(
            f"note: {len(built.failures)} of {plan.clips} clips could not be made: {out / FAILURES} says why; "
            "build.retry=true tries them again",
            file=sys.stderr,
        )


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """One build at a time in a folder.  Raises: UsageError while another is at work there."""
    try:
        with locked(out / NAME, f"another build is writing to {out}; wait for it, or give another out="):
            yield
    except InUse as busy:
        raise UsageError(str(busy)) from None


def verify(out: Path) -> list[Path]:
    """Read all shards again.  Raises: UsageError for a folder without shards; RuntimeError for damaged ones."""
    progress.starting("flowmusic build")
    from flowmusic.datasets import build as data_build

    with reading_input(), progress.Bar("verify", "byte", scaled=True) as bar:
        found = data_build.verify(out, bar.update)
    if found.wrong:
        raise RuntimeError(
            f"{len(found.wrong)} faults in {out}: {'; '.join(found.wrong[:5])}; remove these tars and run the same "
            "build again, which makes them anew"
        )
    print(f"{found.clips} clips in {found.bytes / 2**20:.1f} MiB are as the index says", file=sys.stderr)
    return [out]


def add_facts(settings: Settings) -> list[Path]:
    """Write the facts of the labels into shards that are there.  Raises: UsageError for input that is wrong."""
    from flowmusic.datasets import facts

    with reading_input():
        if not settings.out.is_dir():
            raise FileNotFoundError(f"{settings.out} is no folder of shards; build it first, without add_facts")
        with alone(settings.out), progress.Bar("facts", "clip") as bar:
            added = facts.add(planned(settings), settings.out, bar.update)
    print(f"{added.told} of {added.clips} clips tell facts", file=sys.stderr)
    return [settings.out]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
