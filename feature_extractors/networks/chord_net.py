"""Chords of a mix by a small network of ours, which treats all twelve roots alike.

Convolutions along pitch find what sounds, semitone by semitone; octaves are then folded, and from there on every layer
is applied to each of the 12 pitch classes with the same weights, seeing the others by their distance around the circle
(a transposed input gives transposed scores exactly), and to frames up to 6.3 s away.  Scores are of 12 roots x 16
chord types with their basses, and no chord, so that root, quality and bass are decided together (structured chord
spaces: McFee & Bello, ISMIR 2017).

Weights: ``flowmusic train experiment=chord_net`` on two composed corpora and codec round trips, 17 CPU minutes;
Apache-2.0; data, commands and figures in ``chord_net.md``, comparison with madmom in ``docs/chords.md``.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_extractors import signals
from feature_extractors.networks import chord_features, chord_labels
from feature_extractors.rows import Rows, Scaled
from flowmusic.tensors import read as read_tensors

WEIGHTS = Path(__file__).with_name("chord_net.safetensors")
TAPS = (-24, -19, -12, -7, -1, 0, 1, 7, 12, 19, 24, 28)
"""Semitones at which a note's neighbours, its partials and the notes that it may be a partial of are looked up."""
DILATIONS = (1, 2, 4, 8, 16)
_KERNEL = 5
CONTEXT_FRAMES = 1 + sum((_KERNEL - 1) // 2 * d for d in DILATIONS)
"""How many frames to either side a score depends on."""
_WINDOW_FRAMES = 3000


class RootMixing(nn.Module):
    """What a pitch class sees of all twelve, by distance.  Shape: ``[..., 12, c] -> [..., 12, out]``."""

    distance: Tensor

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        bound = (12 * channels) ** -0.5
        self.weight = nn.Parameter(torch.empty(12, channels, out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(out))
        away = (torch.arange(12)[:, None] - torch.arange(12)) % 12
        self.register_buffer("distance", away, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # One circulant matrix [12 c, 12 out], rather than twelve rolled copies of the input.
        matrix = self.weight[self.distance].permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
        return (x.flatten(-2) @ matrix).unflatten(-1, (12, -1)) + self.bias


class Block(nn.Module):
    """Residual: a dilated convolution over time for each pitch class, then mixing of the pitch classes.

    Shape: ``[B, 12, F, H]``, unchanged.
    """

    def __init__(self, width: int, narrow: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.frames = nn.Linear(_KERNEL * width, width)
        self.squeeze = nn.Linear(width, narrow)
        self.mix = RootMixing(narrow, width)

    def forward(self, x: Tensor) -> Tensor:
        frames, reach = x.shape[2], (_KERNEL - 1) // 2 * self.dilation
        padded = F.pad(self.norm(x), (0, 0, reach, reach))
        taps = [padded[:, :, n * self.dilation : n * self.dilation + frames] for n in range(_KERNEL)]
        x = x + F.gelu(self.frames(torch.cat(taps, -1)))
        return x + F.gelu(self.mix(self.squeeze(x).transpose(1, 2)).transpose(1, 2))


class ChordNet(nn.Module):
    """Shape: compressed magnitudes ``[B, F, 252] -> [B, F, 193]`` logits of :mod:`chord_labels`' classes.

    Args:
        fine, notes: channels for each semitone, before and after partials are told from notes.
        folded: channels for each pitch class and frame before the pitch classes see each other.
        width, narrow: of the blocks.
    """

    def __init__(self, fine: int = 16, notes: int = 24, folded: int = 32, width: int = 64, narrow: int = 16) -> None:
        super().__init__()
        self.bins = nn.Conv2d(1, fine, (3, 9), stride=(1, chord_features.BINS_PER_SEMITONE), padding=(1, 3))
        self.partials = nn.Linear(len(TAPS) * fine, notes)
        self.fold = nn.Linear(chord_features.OCTAVES * notes, folded)
        self.enter = RootMixing(folded, width)
        self.blocks = nn.ModuleList(Block(width, narrow, dilation) for dilation in DILATIONS)
        self.norm = nn.LayerNorm(width)
        self.types = nn.Linear(width, len(chord_labels.TYPES))
        self.none = nn.Linear(width, 1)

    def forward(self, compressed: Tensor) -> Tensor:
        return self.scores(self.pitch_classes(compressed))

    def pitch_classes(self, compressed: Tensor) -> Tensor:
        """What sounds, octaves folded.  Shape: ``[B, F, 252] -> [B, F, 12, folded]``."""
        x = F.gelu(self.bins(compressed[:, None])).permute(0, 2, 3, 1)  # [B, F, 84, fine]
        padded = F.pad(x, (0, 0, -min(TAPS), max(TAPS)))
        first = -min(TAPS)
        taps = [padded[:, :, first + tap : first + tap + chord_features.SEMITONES] for tap in TAPS]
        x = F.gelu(self.partials(torch.cat(taps, -1)))
        x = x.unflatten(2, (chord_features.OCTAVES, 12)).transpose(2, 3)  # [B, F, 12, octaves, notes]
        return F.gelu(self.fold(x.flatten(-2)))

    def scores(self, classes: Tensor) -> Tensor:
        """Shape: ``[B, F, 12, folded] -> [B, F, 193]``; rolling the pitch classes rolls the roots."""
        x = F.gelu(self.enter(classes)).transpose(1, 2)  # [B, 12, F, width]
        for block in self.blocks:
            x = block(x)
        x = self.norm(x).transpose(1, 2)
        return torch.cat([self.types(x).flatten(-2), self.none(x.mean(2))], -1)


def log_probabilities(samples: Rows) -> np.ndarray:
    """Log probability of every class in every frame of a recording.

    Shape: ``[N] at 16 kHz -> [ceil(N / 1600), 193]`` at 10 Hz.  Long recordings go through in windows.
    """
    net = load()

    def run(part: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            compressed = chord_features.compress(chord_features.magnitude(torch.from_numpy(part)))
            return net(compressed[None])[0].log_softmax(-1).numpy()

    # Three frames more than the network's reach, because a frame's longest spectrum reaches that far itself.
    context = (CONTEXT_FRAMES + 3) * chord_features.HOP
    window = _WINDOW_FRAMES * chord_features.HOP
    scaled = Scaled(samples, chord_features.gain(samples))
    return signals.frames_by_window(run, scaled, chord_features.HOP, window, context)


@functools.cache
def load(path: Path = WEIGHTS) -> ChordNet:
    """The trained network, ready to run."""
    net = ChordNet()
    net.load_state_dict({name: value.float() for name, value in read_tensors(path)[0].items()})
    return net.eval()
