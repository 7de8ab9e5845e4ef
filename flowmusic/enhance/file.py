"""A file with a treble beside one without, in flat memory, and the record of what was added."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flowmusic import audio as audio_io
from flowmusic import hashes
from flowmusic.audio_files import AudioError, Damaged, opened
from flowmusic.enhance.bands import RATE
from flowmusic.enhance.cut import LongTerm
from flowmusic.enhance.net import WEIGHTS
from flowmusic.enhance.stream import Plan, Tally, blocks, plan

FINE = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAC_24", "ALAC_32")
"""Kinds of samples whose files get 24 bits; all others get 16."""


@dataclass
class Job:
    """One file on its way: what was found of it, and what came out."""

    source: Path
    rate: int
    channels: int
    bits: int
    plan: Plan
    keep_rate: bool
    notices: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    @property
    def out_rate(self) -> int:
        return max(self.rate, RATE) if self.keep_rate else RATE

    def record(self) -> dict[str, Any]:
        """What was done, as plain data."""
        cut = self.plan.cut_hz
        to = RATE / 2000
        told = "nothing: " + self.plan.why
        if cut is not None:
            told = f"{cut / 1000:.2f} to {to:g} kHz, painted from what lies below; the cut is {self.plan.why}"
        return {
            "source": self.source.name,
            "source_sha256": hashes.of_file(self.source),
            "source_rate": self.rate,
            "sample_rate": self.out_rate,
            "cut_hz": None if cut is None else round(cut, 1),
            "added": told,
            "network_sha256": None if cut is None else hashes.of_unchanged(WEIGHTS),
            "limited_samples": self.tally.limited,
            "notices": self.notices,
        }


def study(path: Path, cut_hz: float | None = None, keep_rate: bool = False) -> Job:
    """Hear a file through once, and decide.

    Raises: AudioError if it is not usable audio; ValueError naming it for a cut or a rate that cannot be.
    """
    import soundfile

    heard = LongTerm()
    with opened(path) as file:
        rate, channels = file.rate, file.channels
        try:
            for part in _resampled(_finite(file.blocks(), path), rate, RATE, channels):
                heard.add(part)
        except Damaged as error:
            raise AudioError(f"cannot read {path}: {error}; get a whole copy of it") from None
    if not heard.samples:
        raise AudioError(f"audio file holds no samples: {path}")
    try:
        what = plan(heard, rate, cut_hz)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        fine = soundfile.info(os.fsencode(path)).subtype in FINE
    except soundfile.LibsndfileError:
        fine = False  # what ffmpeg has decoded was compressed
    return Job(path, rate, channels, 24 if fine else 16, what, keep_rate)


def write(job: Job, out: Path, progress: Callable[[float], None] | None = None) -> Path:
    """Write the file with its treble, whole or not at all.  Raises: AudioError; OSError that names what cannot be."""
    with opened(job.source) as file:
        made = _made(job, file.blocks())
        done = audio_io.write_blocks(_told(made, job.out_rate, progress), job.out_rate, job.channels, out, job.bits)
    share = job.tally.limited / max(1, job.tally.samples)
    if job.tally.limited:
        job.notices.append(f"what was added is turned down in {100 * share:.2g} % of it, where the sum would clip")
    if job.tally.beyond:
        job.notices.append(f"{job.tally.beyond} samples of its own lie beyond full scale and are cut off there")
    return done


def _made(job: Job, parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Blocks at the rate of the result."""
    if job.out_rate == RATE:
        at_rate = _resampled(parts, job.rate, RATE, job.channels)
        for was, more in blocks(at_rate, job.plan, tally=job.tally):
            yield was + more
        return
    # Its own samples stay as they are; only what is added is brought to their rate.
    own: deque[np.ndarray] = deque()

    def kept() -> Iterator[np.ndarray]:
        for part in parts:
            own.append(part)
            yield part

    added = (more for _, more in blocks(_resampled(kept(), job.rate, RATE, job.channels), job.plan, tally=job.tally))
    for more in _resampled(added, RATE, job.out_rate, job.channels):
        yield from _summed(own, more)
    yield from own  # a resampler may end a sample early


def _summed(own: deque[np.ndarray], more: np.ndarray) -> Iterator[np.ndarray]:
    """What was held back and what is added to it, as far as both go."""
    while len(more) and own:
        first = own.popleft()
        count = min(len(first), len(more))
        total = first[:count] + more[:count]
        # Resampling may lift a peak that was within full scale; its own samples are the bound where they lie beyond.
        bound = np.maximum(1.0, np.abs(first[:count]))
        yield np.clip(total, -bound, bound)
        more = more[count:]
        if count < len(first):
            own.appendleft(first[count:])


def _resampled(parts: Iterator[np.ndarray], rate: int, wanted: int, channels: int) -> Iterator[np.ndarray]:
    """Band-limited resampling of blocks ``[n, C]``."""
    if rate == wanted:
        yield from parts
        return
    import soxr

    stream = soxr.ResampleStream(rate, wanted, channels, dtype="float32")
    for part in parts:
        yield _wide(stream.resample_chunk(np.ascontiguousarray(part)), channels)
    yield _wide(stream.resample_chunk(np.zeros((0, channels), np.float32), last=True), channels)


def _wide(samples: np.ndarray, channels: int) -> np.ndarray:
    return samples.reshape(-1, channels)


def _finite(parts: Iterator[np.ndarray], path: Path) -> Iterator[np.ndarray]:
    for part in parts:
        if not np.isfinite(part).all():
            raise AudioError(f"audio file holds NaN or infinite samples: {path}; export it again")
        yield part


def _told(parts: Iterator[np.ndarray], rate: int, progress: Callable[[float], None] | None) -> Iterator[np.ndarray]:
    """Say after each block how many seconds are done."""
    done = 0
    for part in parts:
        done += len(part)
        if progress is not None:
            progress(done / rate)
        yield part
