"""Chords by madmom: a convolutional feature extractor and a conditional random field (Korzeniowski & Widmer 2016).

Recognises the 24 major and minor triads and no chord; sevenths and richer chords come out as their triad.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_extractors import signals
from feature_extractors.madmom import compat
from feature_extractors.networks import chord_decode
from feature_extractors.rows import Joined, Rows
from flowmusic.controls import vocabulary

FPS = 10
LATENCY_S = 0.1
"""Changes are recognised so much late: half a frame because frames are centred, the rest measured on exact labels
(maj/min agreement 0.876 with, 0.855 without, on two families of soundfonts alike)."""
_EDGE_FRAMES = 5
"""Mirrored at both ends, because the silence beyond a recording would be heard as no chord."""
_CONTEXT_FRAMES = 20
"""Frames that the network's convolutions reach in total; two more are lost to the final average."""

Changes = tuple[tuple[float, float, str], ...]


def recognise(samples: Rows, seconds: float) -> tuple[Changes, np.ndarray]:
    """Gapless chords of a recording that is not empty, and how sure they are.  Shape: ``[N]`` at 44.1 kHz.

    The second is ``[F]`` in 0..1 at 10 Hz: the probability of the chosen label by a frame's own potentials, without
    those of the transitions, as :func:`chord_decode.over_spans` has it.

    Raises: MissingMadmom, which tells what to install.
    """
    compat.require("the chord detector 'madmom'", "choose detector='ours'")
    hop = compat.RATE // FPS
    edge = _EDGE_FRAMES * hop
    mirrored: Rows
    if len(samples) < edge:
        mirrored = np.pad(samples[:], edge, mode="symmetric")
    else:
        mirrored = Joined([samples[:edge][::-1], samples, samples[-edge:][::-1]])
    features = signals.frames_by_window(_features, mirrored, hop, window=600 * hop, context=20 * hop)
    crf, kept = _models().crf, slice(_EDGE_FRAMES, -(-len(samples) // hop) + _EDGE_FRAMES)
    ids = crf.process(features)[kept].astype(np.int64)
    potentials = (features @ crf.W + crf.c)[kept]
    odds = np.exp(potentials - potentials.max(1, keepdims=True))
    sure = odds[np.arange(len(ids)), ids] / odds.sum(1)
    return _join([_label(int(i)) for i in ids], seconds), chord_decode.over_spans(sure, ids)


@dataclass(frozen=True)
class _Models:
    spectrogram: Any
    network: Any
    crf: Any


@functools.cache
def _models() -> _Models:
    from feature_extractors.madmom.cnn import to_torch

    features = compat.module("features.chords").CNNChordFeatureProcessor()
    crf = compat.module("features.chords").CRFChordRecognitionProcessor().processors[0]
    # signal, frames, stft, filtered spectrogram | padding, network, super-frames, average
    return _Models(features.processors[:4], to_torch(features.processors[5], _CONTEXT_FRAMES), crf)


def _features(samples: np.ndarray) -> np.ndarray:
    """``[N] at 44.1 kHz -> [frames, 128]``."""
    models = _models()
    x: Any = compat.signal(samples)
    for process in models.spectrogram:
        x = process(x)
    edge = _CONTEXT_FRAMES // 2 + 1
    pooled = models.network(np.pad(np.asarray(x), ((edge, edge), (0, 0)))).mean(1)
    return (pooled[:-2] + pooled[1:-1] + pooled[2:]) / 3.0


def _label(number: int) -> str:
    """madmom's class id (major then minor, from A upwards, then no chord) -> label of our vocabulary."""
    if number == 24:
        return vocabulary.NO_CHORD
    return vocabulary.ROOTS[(number + 9) % 12] + ("" if number < 12 else "m")


def _join(labels: list[str], seconds: float) -> Changes:
    firsts = [n for n, label in enumerate(labels) if n == 0 or label != labels[n - 1]]
    starts = [min(seconds, max(0.0, round(n / FPS - LATENCY_S, 4))) for n in firsts]
    spans = zip(starts, [*starts[1:], seconds], (labels[n] for n in firsts), strict=True)
    return tuple((start, end, label) for start, end, label in spans if end > start)
