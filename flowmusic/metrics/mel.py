"""The mel filters that more than one metric hears through."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from flowmusic import caches

RATE, SIZE, HOP, BANDS = 32_000, 2048, 512, 64
"""Hz, samples of a frame and between frames, and mel bands from 30 Hz to 14 kHz."""


@functools.cache
def filters() -> Tensor:
    """Shape: ``[BANDS, SIZE / 2 + 1]``.

    >>> filters().shape
    torch.Size([64, 1025])
    """
    librosa = caches.librosa()

    return torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=SIZE, n_mels=BANDS, fmin=30.0, fmax=14_000.0)).float()
