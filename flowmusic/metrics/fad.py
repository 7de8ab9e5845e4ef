"""Frechet audio distance (Kilgour et al. 2019, arXiv 1812.08466) over a named embedding.

Two sets of recordings are summarised by the Gaussians of their embeddings; the distance between those is the figure.
It depends on the embedding, on the reference and on how many recordings there are (fewer give more, Chong & Forsyth
2020), so it is read beside what two halves of the reference give, and never compared across embeddings.

The embedding here, :func:`mfcc_patches`, needs no weights: it hears timbre, spectral balance and how both move within
a second, and neither harmony nor form.  It does not replace VGGish or CLAP in a comparison with published figures.

Letters: P patches, E channels of the embedding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.metrics.mel import BANDS, HOP, RATE, SIZE, filters
from flowmusic.metrics.normalise import Interval

EMBEDDING = "mfcc_patches"
COEFFICIENTS = 20
PATCH_SECONDS, PATCH_HOP_SECONDS = 0.96, 0.48
FLOOR_DB = 60.0
Z_95 = 1.959964
"""Half the width of a 95 % interval in standard errors."""


@dataclass(frozen=True)
class Gaussian:
    """Moments of a set of embeddings: mean ``[E]``, covariance ``[E, E]``."""

    mean: np.ndarray
    covariance: np.ndarray

    @staticmethod
    def of(embeddings: np.ndarray) -> Gaussian:
        """Of rows ``[P, E]``.  Raises: ValueError for fewer than two rows, or values that are not finite."""
        rows = np.asarray(embeddings, float)
        if rows.ndim != 2 or len(rows) < 2:
            raise ValueError(f"a covariance needs at least 2 embeddings [P, E], got shape {rows.shape}")
        if not np.isfinite(rows).all():
            raise ValueError("embeddings must be finite")
        return Gaussian(rows.mean(0), np.atleast_2d(np.cov(rows, rowvar=False)))


def frechet(one: Gaussian, other: Gaussian) -> float:
    """Squared Frechet distance of two Gaussians (Dowson & Landau 1982), at least 0.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``.  The trace of the root is that of the symmetric
    ``(R C2 R)^(1/2)`` with ``R = C1^(1/2)``, whose eigenvalues stay real where few embeddings make the covariances
    singular and a general matrix root fails.

    >>> one, other = Gaussian(np.zeros(1), np.eye(1)), Gaussian(np.array([3.0]), 4.0 * np.eye(1))
    >>> frechet(one, other)  # 3^2 between the means, (2 - 1)^2 between the deviations
    10.0
    """
    if one.mean.shape != other.mean.shape:
        raise ValueError(f"the embeddings have {len(one.mean)} and {len(other.mean)} channels; use one embedding")
    values, vectors = np.linalg.eigh(one.covariance)
    root = (vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ other.covariance @ root).clip(min=0.0)
    apart = float(((one.mean - other.mean) ** 2).sum())
    spread = float(np.trace(one.covariance) + np.trace(other.covariance) - 2.0 * np.sqrt(cross).sum())
    return max(0.0, apart + spread)


def fad(clips: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> Interval:
    """Distance of a set of clips from a reference set, with a 95 % interval.

    Args:
        clips, reference: embeddings ``[P, E]`` of every clip.

    The interval is the jackknife's over the clips (Quenouille; Efron 1982), the reference held fixed.  A bootstrap
    would repeat clips, and repeated clips are further from anything: its interval would lie above the figure.
    One clip alone has no interval (nan).  Raises: ValueError for too few embeddings.
    """
    target = Gaussian.of(np.concatenate(reference))
    value = frechet(target, Gaussian.of(np.concatenate(clips)))
    count = len(clips)
    if count < 2:
        return Interval(value, math.nan, math.nan, count)
    without = np.array(
        [frechet(target, Gaussian.of(np.concatenate([*clips[:n], *clips[n + 1 :]]))) for n in range(count)]
    )
    # Means without one clip lie n - 1 times closer together than single clips do; the factor makes up for it.
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return Interval(value, max(0.0, value - Z_95 * error), value + Z_95 * error, count)


def halves(clips: Sequence[np.ndarray], seed: int = 0, draws: int = 10) -> Interval:
    """What this many recordings of one kind give: the distance of two random halves of a set.

    Mean, least and greatest of ``draws`` splits.  Raises: ValueError for fewer than two clips.
    """
    if len(clips) < 2:
        raise ValueError(f"two halves need at least 2 clips, got {len(clips)}")
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        order = rng.permutation(len(clips))
        first, second = order[: len(clips) // 2], order[len(clips) // 2 :]
        values.append(
            frechet(
                Gaussian.of(np.concatenate([clips[n] for n in first])),
                Gaussian.of(np.concatenate([clips[n] for n in second])),
            )
        )
    return Interval(float(np.mean(values)), min(values), max(values), len(clips))


def mfcc_patches(audio: Audio) -> np.ndarray:
    """Mean and deviation of 20 mel-frequency cepstral coefficients over patches of 0.96 s, every 0.48 s.

    Log-mel levels are dB over the recording's mean power, at least 60 dB below its loudest band.  The cosine transform
    is orthonormal up to 1/sqrt(bands), so the distance of two embeddings is a difference of smoothed spectra in dB
    (root mean square over bands), and a Frechet distance has the unit dB^2.

    Args: one recording, ``[C, N]`` at any rate.  Returns: ``[P, 40]``, P at least 1; zeros for silence.
    """
    samples = audio_tools.mono(audio_tools.resample(audio, RATE)).samples.reshape(-1).float().cpu()
    samples = torch.nn.functional.pad(samples, (0, max(0, round(PATCH_SECONDS * RATE) - len(samples))))
    power = torch.stft(samples, SIZE, HOP, window=torch.hann_window(SIZE), return_complex=True).abs() ** 2
    mel = (filters() @ power).numpy().astype(float)
    loudest = float(mel.max())
    frames, step = round(PATCH_SECONDS * RATE / HOP), round(PATCH_HOP_SECONDS * RATE / HOP)
    starts = range(0, mel.shape[1] - frames + 1, step)
    if loudest < 1e-10:
        return np.zeros((len(starts), 2 * COEFFICIENTS))
    level = 10.0 * np.log10(mel.clip(min=loudest * 10.0 ** (-FLOOR_DB / 10.0)) / mel.mean())
    cepstrum = _cosines() @ level
    patches = [cepstrum[:, start : start + frames] for start in starts]
    return np.stack([np.concatenate([patch.mean(1), patch.std(1)]) for patch in patches])


@functools.cache
def _cosines() -> np.ndarray:
    import scipy.fft

    basis: np.ndarray = scipy.fft.dct(np.eye(BANDS), type=2, norm="ortho", axis=0)[:COEFFICIENTS]
    return basis / math.sqrt(BANDS)
