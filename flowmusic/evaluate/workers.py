"""Several processes make and hear the takes of an evaluation, each with a model of its own, and share its store.

What they leave there the evaluation finds as if it had made it before, so that reports do not depend on their number.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

import torch

from flowmusic import progress
from flowmusic.evaluate.conditions import MODEL, Condition
from flowmusic.evaluate.generate import neighbours
from flowmusic.evaluate.inputs import Inputs, prepare
from flowmusic.evaluate.run import judges_of, planned
from flowmusic.evaluate.scorers import Scorer, listen
from flowmusic.evaluate.settings import Settings
from flowmusic.evaluate.test_set import LabelledClip
from flowmusic.generate.generator import NotFinite
from flowmusic.limits import cores


@dataclass(frozen=True)
class Job:
    """One batch: a system, and the clips by number; ``swept`` for a point of a sweep, which fewer judges hear."""

    system: Condition
    rows: tuple[int, ...]
    swept: bool = False


def jobs(
    systems: Sequence[Condition], clips: Sequence[LabelledClip], most: int | None, batch: int, swept: bool = False
) -> list[Job]:
    """The batches that one process would make of the first ``most`` clips, in its order."""
    return [
        Job(system, tuple(rows), swept)
        for system in systems
        for rows in neighbours([row for row in range(len(clips[:most])) if system.applies(clips, row)], batch)
    ]


def fill(settings: Settings, inputs: Inputs) -> None:
    """Make and hear all takes in ``settings.workers`` processes.

    A solve that diverges is left to the evaluation itself, which comes to it again and says so.
    Raises: RuntimeError if a process is killed, for want of memory say.
    """
    clips, everything = inputs.studio.clips, planned(settings, inputs)
    model = next(system for system in everything[0] if system.row == MODEL)
    drawn = [model.drawn(point) for points in everything[1:] for point in points]
    todo = jobs(everything[0], clips, None, settings.batch)
    todo += jobs(drawn, clips, settings.sweep_clips, settings.batch, swept=True)
    workers = min(settings.workers, len(todo))
    # Copies of training clips, and the distance to another source, are looked for by the evaluation itself.
    own = replace(settings, train_corpus=None, train_latents=None, fad_reference=None)
    context = multiprocessing.get_context("spawn")  # threads of numerical libraries do not survive a fork reliably
    with (
        ProcessPoolExecutor(workers, context, _begin, (own, workers)) as pool,
        progress.Bar(
            f"evaluating in {workers} processes", "clip", sum(len(job.rows) for job in todo), ends=True
        ) as bar,
    ):
        running = {pool.submit(_do, job): job for job in todo}
        try:
            for future in as_completed(running):
                future.result()
                bar.update(len(running[future].rows))
        except BrokenProcessPool:
            raise RuntimeError(
                f"one of {workers} processes of this evaluation was ended from outside, mostly for want of memory; "
                "give fewer workers, or a smaller batch: the same command goes on where it was"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_here: tuple[Inputs, list[Scorer], list[Scorer]] | None = None
"""What this process works with, where it is one of several."""


def _begin(settings: Settings, workers: int) -> None:
    global _here
    torch.set_num_threads(settings.threads or max(1, cores() // workers))
    with progress.quieted():  # notes on the settings were given once
        inputs = prepare(settings)
    _here = (inputs, *judges_of(inputs))


def _do(job: Job) -> None:
    assert _here is not None
    inputs, judges, unswept = _here
    studio = inputs.studio
    try:
        takes = studio.record(job.system, job.rows, lambda count: None)
    except NotFinite:
        return
    for row, take in takes.items():
        listen(studio.store, judges if job.swept else [*judges, *unswept], job.system, studio.clips[row], take)
