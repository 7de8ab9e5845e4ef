"""Mono samples at a rate, and features of their frames in windows of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from feature_extractors.rows import Rows, peak
from flowmusic import audio as audio_io
from flowmusic.audio import Audio

SILENT_DB = -70.0
"""dBFS; a peak below this is silence."""


def samples_of(audio: Audio, rate: int) -> np.ndarray:
    """One recording as mono float32, at its own level (extractors hear it as :mod:`feature_extractors.recording` says).

    Shape: samples ``[*, C, N]``, where every leading dimension is 1, -> ``[N * rate / audio.rate]``.
    Raises: ValueError for a batch, or for samples that are not finite.
    """
    samples = audio.samples
    if samples.shape[:-2].numel() != 1:
        raise ValueError(
            f"extractors take one recording at a time, got samples of shape {tuple(samples.shape)}; loop over the batch"
        )
    flat = audio_io.mono(Audio(samples.detach().float().cpu().reshape(samples.shape[-2:]), audio.rate)).samples
    if not bool(flat.isfinite().all()):
        raise ValueError("audio holds NaN or infinite samples; repair or export it again")
    if flat.shape[-1] == 0:
        return np.zeros(0, np.float32)
    return audio_io.resample(Audio(flat, audio.rate), rate).samples[0].numpy()


def is_silent(samples: Rows, below_db: float = SILENT_DB) -> bool:
    """Whether nothing can be heard: no samples, or a peak below ``below_db`` dBFS."""
    return peak(samples) < 10.0 ** (below_db / 20.0)


def windows(length: int, size: int, context: int) -> Iterator[tuple[slice, slice, slice]]:
    """Cut ``length`` into pieces of ``size``, each read with ``context`` more on both sides.

    Yields: (what to read, which part of the reading is kept, where it belongs), all in the unit of ``length``.
    """
    for start in range(0, length, size):
        stop = min(length, start + size)
        first, last = max(0, start - context), min(length, stop + context)
        yield slice(first, last), slice(start - first, stop - first), slice(start, stop)


def frames_by_window(
    analyse: Callable[[np.ndarray], np.ndarray], samples: Rows, hop: int, window: int, context: int
) -> np.ndarray:
    """Frame-wise features of a recording of any length, in bounded memory.

    Args:
        analyse: ``[n] -> [ceil(n / hop), ...]``; features must not depend on samples further than the context.
        samples: ``[N]``.
        hop: samples per frame.
        window, context: samples; both are multiples of the hop.

    Returns: ``[ceil(N / hop), ...]``.
    """
    if window % hop or context % hop:
        raise ValueError(f"window {window} and context {context} must be multiples of the hop {hop}")
    parts = []
    for read, keep, _ in windows(len(samples), window, context):
        frames = analyse(samples[read])
        parts.append(frames[keep.start // hop : -(-keep.stop // hop)])
    return np.concatenate(parts)
