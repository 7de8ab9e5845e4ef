"""Drum onsets in a mix, any and by class, by a small convolutional network of ours: no separation, no licence to mind.

Median-filter separation lets the attacks of every instrument through, so an onset detector on its drum stem reports
them too.  This network (log-mel frames in, four probabilities a frame out, after Schlueter & Bock 2014; classes as in
Vogl et al. 2017) was trained on the composed corpus, whose drum hits are exact, to tell drums from the rest and kick,
snare and hi-hat from each other.

Two trained networks of this kind come with the package (Apache-2.0; sound fonts FluidR3 and MuseScore General
Lite, both MIT), and docs/drums.md compares them with other detectors:

- for any drum, with one output: an earlier form of ``flowmusic train experiment=drum_net``, 2500 steps, 800 clips of
  ``flowmusic corpus --hours 8 --seed 1``.  The metrics listen with it.  Onset F1 at 50 ms in mixes: 0.96 with those
  fonts, 0.93 with a font it never heard.
- for classes: ``experiment=drum_class_net`` in an earlier form, on that corpus and one of 3000 clips of 12 s, seed 0,
  13 minutes on a shared CPU core.  Its own "any" output is not used: the other network hears any drum a little better.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_extractors import flux, signals
from feature_extractors.rows import Rows, Scaled, power
from flowmusic.tensors import read as read_tensors

RATE = 32_000
HOP = 320
FPS = RATE // HOP
SIZE = 1024
BANDS = 64
LEVEL = 0.1
"""RMS that every recording is brought to first, so that its level does not matter."""
WEIGHTS = Path(__file__).with_name("drum_net.safetensors")
"""Of the network for any drum, which the metrics listen with."""
CLASS_WEIGHTS = Path(__file__).with_name("drum_class_net.safetensors")
"""Of the network for classes."""
CLASSES = ("kick", "snare", "hat")
OUTPUTS = ("any", *CLASSES)
"""Probabilities of a frame: any drum (toms, cymbals and percussion too), then the classes."""
THRESHOLD = 0.6
"""Of any drum's probability, chosen on clips that it was not trained on."""
CLASS_THRESHOLDS = {"kick": 0.65, "snare": 0.6, "hat": 0.55}
"""The same by class, the best on the validation split, as a training logs them (``validation/threshold_NAME``)."""
_WINDOW_FRAMES, _CONTEXT_FRAMES = 3000, 20


class DrumOnsetNet(nn.Module):
    """Shape: log-mel ``[B, F, 64] -> [B, F, outputs]`` logits.  Each frame sees 130 ms to either side.

    Args:
        outputs: the first of :data:`OUTPUTS`.
    """

    def __init__(
        self, channels: tuple[int, int, int] = (12, 24, 32), hidden: int = 64, outputs: int = len(OUTPUTS)
    ) -> None:
        super().__init__()
        self.outputs = outputs
        a, b, c = channels
        self.bands = nn.Sequential(
            nn.Conv2d(1, a, (3, 5), stride=(1, 2), padding=(1, 2)),
            nn.ReLU(),
            nn.MaxPool2d((1, 2)),
            nn.Conv2d(a, b, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d((1, 2)),
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d((1, 2)),
        )
        self.frames = nn.Sequential(
            nn.Conv1d(c * BANDS // 16, hidden, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(hidden, hidden, 5, padding=4, dilation=2),
            nn.ReLU(),
            nn.Conv1d(hidden, hidden, 5, padding=4, dilation=2),
            nn.ReLU(),
            nn.Conv1d(hidden, outputs, 1),
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.bands(log_mel[:, None])  # [B, c, F, 4]
        return self.frames(x.permute(0, 1, 3, 2).flatten(1, 2)).transpose(1, 2)


def peaks(probability: np.ndarray, threshold: float, combine_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Times [s] and probabilities, both ``[K]``, of maxima above a threshold; the earlier of two close ones wins."""
    if probability.size == 0:
        return np.zeros(0), np.zeros(0)
    highest = np.lib.stride_tricks.sliding_window_view(np.pad(probability, 2), 5).max(1)
    kept: list[int] = []
    for n in np.flatnonzero((probability >= highest) & (probability >= threshold)):
        if not kept or (n - kept[-1]) / FPS > combine_s:
            kept.append(int(n))
    return np.asarray(kept, float) / FPS, probability[kept]


def class_times(found: np.ndarray, onsets: Sequence[float], combine_s: float) -> dict[str, tuple[float, ...]]:
    """Hits by class, in ascending seconds.

    Args:
        found: ``[F, 4]``, of :func:`probabilities`.
        onsets: times of any drum; a hit within ``combine_s`` of one takes its time, so that what is struck together
            begins together.
    """
    times = np.sort(np.asarray(onsets, float))
    hits = {}
    for n, (name, threshold) in enumerate(CLASS_THRESHOLDS.items(), start=1):
        struck = peaks(found[:, n], threshold, combine_s)[0]
        if len(times) and len(struck):
            nearest = nearest_of(times, struck)
            struck = np.where(np.abs(nearest - struck) <= combine_s, nearest, struck)
        hits[name] = tuple(sorted({round(float(time), 4) for time in struck}))
    return hits


def nearest_of(times: np.ndarray, at: np.ndarray) -> np.ndarray:
    """For each place the nearest of ascending times, the earlier of two.  Shape: ``[K], [P] -> [P]``, K at least 1."""
    after = np.clip(np.searchsorted(times, at), 1, max(1, len(times) - 1))
    before, after = after - 1, np.minimum(after, len(times) - 1)
    return np.asarray(np.where(at - times[before] <= times[after] - at, times[before], times[after]))


def mel_magnitude(samples: Tensor) -> Tensor:
    """Mel magnitudes of ``[N]`` at 32 kHz, frame k centred at sample ``320 k``.  Shape: ``[ceil(N / 320), 64]``."""
    frames = -(-len(samples) // HOP)
    padded = F.pad(samples, (SIZE // 2, SIZE // 2 + HOP))
    spectrum = torch.stft(padded, SIZE, HOP, window=torch.hann_window(SIZE), center=False, return_complex=True)
    return (flux.mel_filters(RATE, SIZE, BANDS, 30.0, 15_000.0) @ spectrum.abs()[:, :frames]).T


def compress(magnitude: Tensor) -> Tensor:
    """What the network reads: ``log10(1 + 10 m)``."""
    return torch.log10(1.0 + 10.0 * magnitude)


def probability(samples: Rows) -> np.ndarray:
    """Probability that any drum is struck in each frame.  Shape: ``[N] at 32 kHz -> [ceil(N / 320)]`` at 100 Hz."""
    return probabilities(samples, load())[:, 0]


def probabilities(samples: Rows, net: DrumOnsetNet | None = None) -> np.ndarray:
    """Probabilities of :data:`OUTPUTS` in each frame.  Shape: ``[N] at 32 kHz -> [ceil(N / 320), outputs]`` at 100 Hz.

    Args:
        net: None takes the network for classes.
    """
    scaled = Scaled(samples, LEVEL / max(power(samples) ** 0.5, 1e-6))
    net = load(CLASS_WEIGHTS) if net is None else net

    def run(part: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return torch.sigmoid(net(compress(mel_magnitude(torch.from_numpy(part)))[None]))[0].numpy()

    return signals.frames_by_window(run, scaled, HOP, _WINDOW_FRAMES * HOP, _CONTEXT_FRAMES * HOP)


@functools.cache
def load(path: Path = WEIGHTS) -> DrumOnsetNet:
    """A trained network, of the size that its file has, ready to run."""
    weights = {name: value.float() for name, value in read_tensors(path)[0].items()}
    outputs, hidden = weights["frames.6.weight"].shape[:2]
    net = DrumOnsetNet(hidden=hidden, outputs=outputs)
    net.load_state_dict(weights)
    return net.eval()
