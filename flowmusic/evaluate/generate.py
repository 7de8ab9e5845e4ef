"""The recordings of every system: generated in batches, taken from the test set, or sent through the codec."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flowmusic.audio import Audio
from flowmusic.evaluate.cache import Store, Take, key_of
from flowmusic.evaluate.conditions import Condition
from flowmusic.evaluate.test_set import LabelledClip, round_trip
from flowmusic.generate.generator import Generator
from flowmusic.metrics.report import CODEC
from flowmusic.types import Controls, FrameGrid

VERSION = 1
"""Of what a take depends on: raised when the same settings are to give another take."""
Tell = Callable[[int], None]
"""Called with the number of recordings that are done."""


@dataclass(frozen=True)
class TakeGenerator:
    """Makes and keeps recordings.

    Args:
        generator: the model, and its codec.
        weights: hash of the model's weights, and of its codec's.
        clips: the test set.
        grid: length of every take.
        seed: clip i starts from noise of seed + i.
        batch: clips generated at once.
        precision: of the field's products.
    """

    generator: Generator
    weights: Sequence[str]
    clips: Sequence[LabelledClip]
    grid: FrameGrid
    seed: int
    batch: int
    precision: str
    store: Store

    def record(self, system: Condition, rows: Sequence[int], tell: Tell) -> dict[int, Take]:
        """A take per clip to which the system applies, by row.

        Raises: NotFinite if a solve diverges.
        """
        rows = [row for row in rows if system.applies(self.clips, row)]
        found: dict[int, Take] = {}
        missing = []
        for row in rows:
            take = self.store.take(system.name, self.clips[row].id, self._key(system, row))
            if take is None:
                missing.append(row)
            else:
                found[row] = take
        tell(len(found))
        # Item b of a batch starts from noise of seed + b, so a batch is a run of neighbouring clips.
        for batch in neighbours(missing, self.batch):
            for row, audio, facts in self._make(system, batch):
                key = self._key(system, row)
                found[row] = self.store.put(audio, facts, system.name, self.clips[row].id, key)
            tell(len(batch))
        return found

    def _make(self, system: Condition, rows: Sequence[int]) -> Iterator[tuple[int, Audio, dict[str, Any]]]:
        sampling = system.sampling
        if sampling is None:
            for row in rows:
                audio = self.clips[row].audio
                yield (
                    row,
                    round_trip(self.generator.codec, audio, self.generator.device) if (system.row == CODEC) else audio,
                    {},
                )
            return
        began = time.perf_counter()
        take = self.generator.generate(
            Controls.stack([system.controls(self.clips, row) for row in rows]),
            grid=self.grid,
            guidance=sampling.guide(),
            solver=sampling.solver,
            steps=sampling.steps,
            time_grid=sampling.time_grid,
            seed=self.seed + rows[0],
        )
        seconds = (time.perf_counter() - began) / len(rows)
        for place, row in enumerate(rows):
            facts = {"num_evals": take.num_evals, "seconds_per_clip": round(seconds, 4), "seed": self.seed + row}
            yield row, Audio(take.audio.samples[place], take.audio.rate), facts

    def _key(self, system: Condition, row: int) -> str:
        clip = self.clips[row]
        source = [VERSION, clip.digest, str(self.grid.frame_rate), self.grid.length]
        if system.keep is None or system.sampling is None:
            return key_of(*source, system.row, *(self.weights if system.row == CODEC else ()))
        donor = system.donor(self.clips, row)
        asked = [sorted(system.keep), system.swapped, None if donor is None else donor.digest]
        return key_of(*source, *self.weights, self.precision, self.seed + row, asdict(system.sampling), asked)


def neighbours(rows: Sequence[int], most: int) -> list[list[int]]:
    """Ascending numbers as runs of consecutive ones, none longer than ``most``.

    >>> neighbours([0, 1, 2, 5, 6], 2)
    [[0, 1], [2], [5, 6]]
    """
    runs: list[list[int]] = []
    for row in rows:
        if runs and row == runs[-1][-1] + 1 and len(runs[-1]) < most:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs
