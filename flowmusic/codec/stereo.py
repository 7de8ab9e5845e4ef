"""The stereo head: two channels from a mono codec, by level differences and coherence that its latents tell.

Parametric stereo (Breebaart, van de Par, Kohlrausch and Schuijers, "Parametric coding of stereo audio", EURASIP JASP
2005:9) sends, beside a mono sum, for each band and frame the level difference of the channels and their coherence; the
decoder makes the rest from the sum and a decorrelated copy of it.  Here both are predicted from the latents.

The sum stays what it is: side s is made from the middle m, and L = m + s, R = m - s.  The decorrelator is a short burst
of velvet noise (Alary, Politis and Valimaki, "Velvet-noise decorrelator", DAFx 2017), whose spectrum is made flat.

Letters: S frames of the head (``hop`` samples each), K bands.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from flowmusic.codec.energy import band_edges
from flowmusic.codec.stft import istft, stft

FLOOR = 1e-5
"""Mean power of a bin below which a band has no direction: 25 dB above the rounding to 16 bits."""
MOST_DB, LEAST_COHERENCE = 24.0, -0.5
"""Bounds of what is measured and made: beyond them the side outgrows the middle."""
STEADY = 5
"""Frames over which powers are averaged before they are compared, 100 ms: quicker movements are hardly heard (Grantham,
"Discrimination of dynamic interaural intensity differences", JASA 76(1), 1984), and are mostly chance in a room."""
LOUDNESS = 0.3
"""Loudness grows with this power of the energy (Stevens 1957)."""
BURST_S, IMPULSES = 0.03, 48
"""Length of the decorrelator, and how many impulses it has."""


class Cues(NamedTuple):
    """Level difference L over R in dB, and coherence Re<L, R> / |L| |R|.  Both of shape ``[B, S, K]``."""

    level_db: Tensor
    coherence: Tensor


def burst(rate: int, seed: int = 7) -> Tensor:
    """The decorrelator: velvet noise that fades by 30 dB, its spectrum divided by its magnitude.  Shape: ``[2 n]``."""
    length = round(BURST_S * rate)
    cell = length // IMPULSES
    random = np.random.default_rng(seed)
    at = np.arange(IMPULSES) * cell + random.integers(cell, size=IMPULSES)
    noise = np.zeros(2 * length)
    noise[at] = random.choice((-1.0, 1.0), size=IMPULSES) * 10.0 ** (-1.5 * at / length)
    spectrum = np.fft.rfft(noise)
    # An all-pass: every frequency keeps its level, only its phase is stirred.
    flat = np.fft.irfft(spectrum / np.maximum(np.abs(spectrum), 1e-6), 2 * length)
    return torch.from_numpy(flat.astype(np.float32))


def _steady(power: Tensor) -> Tensor:
    """Means over :data:`STEADY` frames, fewer at the ends.  Shape: ``[B, S, K]``."""
    means = nn.functional.avg_pool1d(power.transpose(1, 2), STEADY, 1, STEADY // 2, count_include_pad=False)
    return means.transpose(1, 2)


class StereoHead(nn.Module):
    """Three convolutions over latents to the cues of each band, and the side that follows from them.

    Args:
        dim: channels of the latents.
        latent_hop: samples of a latent frame.
        rate: Hz.
        bands: K, of equal width on the mel scale.
        width: of the layers in between.
        n_fft, hop: window and step in samples of the spectrum whose bands are meant; ``hop`` divides ``latent_hop``.
        dropout: share of the layers' channels that is left out in training.
    """

    member: Tensor
    decorrelator: Tensor

    def __init__(
        self,
        dim: int,
        latent_hop: int,
        rate: int,
        bands: int = 24,
        width: int = 64,
        n_fft: int = 2048,
        hop: int = 640,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if latent_hop % hop:
            raise ValueError(f"the stereo head's hop {hop} must divide the codec's {latent_hop}")
        self.n_fft, self.hop, self.bands, self.each, self.latent_hop = n_fft, hop, bands, latent_hop // hop, latent_hop
        edges = band_edges(rate, n_fft, 0.0, bands)
        member = torch.zeros(bands, n_fft // 2 + 1)
        for band, (first, end) in enumerate(zip(edges, edges[1:], strict=False)):
            member[band, first:end] = 1.0
        self.register_buffer("member", member, persistent=False)
        self.register_buffer("decorrelator", burst(rate), persistent=False)
        self.net = nn.Sequential(
            nn.Conv1d(dim, width, 3, padding=1), nn.GELU(), nn.Dropout(dropout),
            nn.Conv1d(width, width, 3, padding=1), nn.GELU(), nn.Dropout(dropout),
            nn.Conv1d(width, self.each * bands * 2, 1),
        )  # fmt: skip

    @property
    def reach(self) -> int:
        """Latent frames before and after a frame on which its stereo depends."""
        samples = self.n_fft + self.decorrelator.shape[0]
        return 2 + math.ceil(samples / self.latent_hop)

    def forward(self, latents: Tensor) -> Cues:
        """Shape: ``[B, D, T] -> 2 x [B, S, K]``, S = T * latent_hop / hop."""
        out = self.net(latents).transpose(1, 2).float().unflatten(-1, (self.each, 2, self.bands)).flatten(1, 2)
        # Near zero tanh is a line: cues within the bounds, whatever the weights.
        level = MOST_DB * torch.tanh(out[:, :, 0])
        middle, half = (1.0 + LEAST_COHERENCE) / 2, (1.0 - LEAST_COHERENCE) / 2
        return Cues(level, middle + half * torch.tanh(out[:, :, 1]))

    def _power(self, one: Tensor, other: Tensor) -> Tensor:
        product = one.real * other.real + one.imag * other.imag
        return torch.einsum("kf,bfs->bsk", self.member, product) / self.member.sum(1)

    def measure(self, waves: Tensor) -> tuple[Cues, Tensor]:
        """The cues of a recording, and how loud each band is, 0 where it has no direction.

        Shape: ``[B, 2, N] -> Cues, [B, S, K]``.
        """
        left, right = (stft(waves[:, channel].float(), self.n_fft, self.hop) for channel in (0, 1))
        powers = _steady(self._power(left, left)), _steady(self._power(right, right))
        level = 10.0 * torch.log10((powers[0] + FLOOR) / (powers[1] + FLOOR))
        coherence = _steady(self._power(left, right)) / (powers[0] * powers[1]).sqrt().clamp_min(1e-12)
        both = powers[0] + powers[1]
        loud = torch.where(both > 2 * FLOOR, both.pow(LOUDNESS), 0.0)
        return Cues(level.clamp(-MOST_DB, MOST_DB), coherence.clamp(LEAST_COHERENCE, 1.0)), loud

    def side(self, middle: Tensor, cues: Cues) -> Tensor:
        """The side signal.  Shape: ``[B, N], Cues -> [B, N]``."""
        ratio = 10.0 ** (cues.level_db / 10.0)
        root = ratio.sqrt()
        # With P_R = 1 and P_L = r: 4 P_M = r + 1 + 2 c sqrt r, 4 P_S = r + 1 - 2 c sqrt r, 4 <M, S> = r - 1.
        total = (ratio + 1.0 + 2.0 * cues.coherence * root).clamp_min(1e-3)
        like = (ratio - 1.0) / total
        power = (ratio + 1.0 - 2.0 * cues.coherence * root) / total
        unlike = (power - like.square()).clamp_min(0.0).sqrt()
        size = middle.shape[-1] + self.decorrelator.shape[0]
        stirred = torch.fft.irfft(torch.fft.rfft(middle, size) * torch.fft.rfft(self.decorrelator, size), size)
        stirred = stirred[:, : middle.shape[-1]]
        spread = [torch.einsum("bsk,kf->bfs", gain, self.member) for gain in (like, unlike)]
        spectra = [stft(each.float(), self.n_fft, self.hop) for each in (middle, stirred)]
        return istft(spread[0] * spectra[0] + spread[1] * spectra[1], self.n_fft, self.hop)

    def widen(self, middle: Tensor, latents: Tensor) -> Tensor:
        """Two channels whose mean is the middle.  Shape: ``[B, N], [B, D, T] -> [B, 2, N]``."""
        side = self.side(middle, self(latents))
        return torch.stack([middle + side, middle - side], dim=1)
