"""Notes of a mix by a small convolutional network of ours: beginnings, duration and part of every piano key's pitch.

Onset and frame heads after Hawthorne et al. 2018 (Onsets and Frames), a light network over stacked harmonics after
Bittner et al. 2022 (Basic Pitch): every key sees its own partials at the same place, so all keys share their weights.
What is peculiar to a part needs the other keys as well: whether anything sounds below (a bass is the lowest) and above
(a lead mostly is the highest), a running maximum over pitch, and what the whole mix does within half a second.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_extractors import signals
from feature_extractors.networks import note_features
from feature_extractors.networks.chord_features import BINS_PER_SEMITONE
from feature_extractors.rows import Rows, Scaled
from flowmusic import eight_bit
from flowmusic.tensors import read as read_tensors

RATE = note_features.RATE
WEIGHTS = Path(__file__).with_name("note_net.safetensors")
PARTS = ("bass", "lead", "chords")
"""``chords`` is every pitched part beside the other two."""
OUTPUTS = (
    "onset", "frame", *(f"{kind} of {part}" for kind in ("onset", "frame") for part in PARTS), "velocity",
)  # fmt: skip
"""Logits of every frame and key: of any part, of each, and how hard it is struck (where it is)."""
HARMONICS = (0.5, 1, 2, 3, 4, 5, 6, 7)
"""Partials of a key that it sees, and the octave below, of which it may be one itself."""
_SHIFTS = tuple(round(12 * BINS_PER_SEMITONE * math.log2(h)) for h in HARMONICS)
_KEY_BINS = BINS_PER_SEMITONE * note_features.PITCHES
CONTEXT_FRAMES = 60
"""How many frames to either side an output depends on, with some to spare for the windows of the spectra."""
_WINDOW_FRAMES = 1500


def _layer(inside: int, outside: int, kernel: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> nn.Sequential:
    """A convolution over frames and keys that keeps their numbers, and its normalisation."""
    padding = ((kernel[0] - 1) // 2 * dilation[0], (kernel[1] - 1) // 2 * dilation[1])
    conv = nn.Conv2d(inside, outside, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside))


class Block(nn.Module):
    """Residual: nearby keys (or octaves), then frames.  Shape: ``[B, c, F, 88]``, unchanged."""

    def __init__(self, width: int, keys: tuple[int, int], octave: bool, dilation: int) -> None:
        super().__init__()
        self.keys = _layer(width, width, keys, (1, 12 if octave else 1))
        self.frames = _layer(width, width, (5, 1), (dilation, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.frames(F.relu(self.keys(x))))


class Surroundings(nn.Module):
    """What else sounds: the strongest below and above each key, and the whole frame with its neighbours in time.

    Shape: ``[B, c, F, 88]``, unchanged.
    """

    def __init__(self, width: int, clues: int = 6, hidden: int = 48) -> None:
        super().__init__()
        self.clues = nn.Conv2d(width, clues, 1)
        self.spread = nn.Conv2d(2 * clues + 1, width, 1)
        self.whole = nn.Sequential(
            nn.Conv1d(2 * width, hidden, 5, padding=4, dilation=2),
            nn.ReLU(),
            nn.Conv1d(hidden, hidden, 5, padding=16, dilation=8),
            nn.ReLU(),
            nn.Conv1d(hidden, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        clues = torch.sigmoid(self.clues(x).float())
        # Exclusive of the key itself: shifted by one.
        below = F.pad(clues.cummax(-1).values[..., :-1], (1, 0))
        above = F.pad(clues.flip(-1).cummax(-1).values.flip(-1)[..., 1:], (0, 1))
        height = torch.linspace(-1.0, 1.0, x.shape[-1], device=x.device).expand(len(x), 1, *x.shape[2:])
        spread = self.spread(torch.cat([below, above, height], 1))
        whole = self.whole(torch.cat([x.mean(-1), x.amax(-1)], 1))
        return F.relu(x + spread + whole[..., None])


class NoteNet(nn.Module):
    """Shape: compressed magnitudes ``[B, F, 2, 297] -> [B, F, 88, 9]`` logits of :data:`OUTPUTS`."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.partials = nn.Conv2d(2 * len(HARMONICS), width, (3, 5), (1, BINS_PER_SEMITONE), (1, 1), bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.body = nn.Sequential(
            Block(width, (3, 3), False, 1),
            Block(width, (1, 3), True, 2),
            Surroundings(width),
            Block(width, (3, 3), False, 4),
        )
        self.heads = nn.Conv2d(width, len(OUTPUTS), 1)
        # Few keys are struck in a frame: a bias that says so spares the first hundred steps.
        assert self.heads.bias is not None
        nn.init.constant_(self.heads.bias, -4.0)

    def forward(self, compressed: Tensor) -> Tensor:
        x = F.relu(self.norm(self.partials(_stacked(compressed.transpose(1, 2)))))
        return self.heads(self.body(x)).permute(0, 2, 3, 1)


def _stacked(maps: Tensor) -> Tensor:
    """Every key's partials at the key's own place.  Shape: ``[B, 2, F, 297] -> [B, 2 * harmonics, F, 264]``."""
    low, high = -min(_SHIFTS), max(0, max(_SHIFTS) + _KEY_BINS - note_features.BINS)
    padded = F.pad(maps, (low, high))
    return torch.cat([padded[..., low + shift : low + shift + _KEY_BINS] for shift in _SHIFTS], 1)


def probabilities(samples: Rows, net: NoteNet | None = None) -> np.ndarray:
    """Sigmoid of every output.  Shape: ``[N] at 16 kHz -> [ceil(N / 320), 88, 9]`` at 50 Hz, half precision.

    Args:
        samples: of any level.
        net: None takes the trained one.
    """
    net = load() if net is None else net

    def run(part: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            compressed = note_features.compress(note_features.magnitude(torch.from_numpy(part)))
            return torch.sigmoid(net(compressed[None]))[0].half().numpy()

    scaled = Scaled(samples, note_features.gain(samples))
    hop = note_features.HOP
    return signals.frames_by_window(run, scaled, hop, _WINDOW_FRAMES * hop, CONTEXT_FRAMES * hop)


@functools.cache
def load(path: Path = WEIGHTS) -> NoteNet:
    """A trained network, ready to run.  Raises: ValueError if the file is missing or holds another network."""
    if not path.is_file():
        raise ValueError(
            f"no weights of the note network in {path}; train some with `flowmusic train experiment=note_net`"
        )
    net = NoteNet()
    try:
        stored = eight_bit.unpack(read_tensors(path)[0])
        net.load_state_dict({n: v.float() if v.is_floating_point() else v for n, v in stored.items()})
    except RuntimeError as error:
        raise ValueError(f"{path} holds no weights of this note network: {error}") from None
    return net.eval()
