"""The energy head: brings each band of a decoded waveform to the energy that a small network reads from the decoder.

A decoder that is trained on waveform or complex-spectrum losses regresses to the mean: where it cannot predict the
phase, above some 2 kHz, its spectrum has the right lines but too little energy.  How much energy a band has can be
predicted without its phase.  So the head predicts log energies, the decoder's own spectrum keeps its lines and phases,
and each band of it is multiplied by the root of the ratio.

Letters: S frames of the head (``hop`` samples each), K bands.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from flowmusic.codec.stft import istft, stft

FLOOR = 1e-7
"""Mean power of a bin that counts as silence: rounding to 16 bits gives 3e-8 at a Hann window of 1024."""
LEAST, MOST = 1e-3, 31.6
"""Smallest and largest gain: -60 and +30 dB."""


def band_edges(rate: int, n_fft: int, from_hz: float, bands: int) -> list[int]:
    """First bins of ``bands`` bands of equal width on the mel scale, from ``from_hz`` up to half the rate; and the end.

    Raises: ValueError where a band would have no bin.
    """

    def mel(hz: float) -> float:
        # O'Shaughnessy (1987): 1000 mel at 1000 Hz, and evenly spaced in pitch as it is heard.
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    low, high = mel(from_hz), mel(rate / 2)
    hz = [700.0 * (10.0 ** ((low + (high - low) * band / bands) / 2595.0) - 1.0) for band in range(bands + 1)]
    edges = [round(each * n_fft / rate) for each in hz]
    # Ends are exclusive, and the bin at half the rate belongs to the last band.
    edges[-1] = n_fft // 2 + 1
    if any(after <= before for before, after in zip(edges, edges[1:], strict=False)):
        raise ValueError(f"{bands} bands from {from_hz:g} Hz are too narrow for a window of {n_fft} samples")
    return edges


class EnergyHead(nn.Module):
    """Two layers from the decoder's last hidden state to log band energies, and the gains that follow from them.

    Args:
        features: channels of the hidden state.
        spectral_hop: samples between hidden states.
        rate: Hz.
        bands: K.
        width: of the layer in between.
        from_hz: where the lowest band begins; what lies below stays as it is.
        n_fft, hop: window and step in samples of the spectrum whose energies are meant; ``hop`` divides
            ``spectral_hop``.
    """

    member: Tensor
    untouched: Tensor

    def __init__(
        self,
        features: int,
        spectral_hop: int,
        rate: int,
        bands: int = 40,
        width: int = 320,
        from_hz: float = 1500.0,
        n_fft: int = 1024,
        hop: int = 320,
    ) -> None:
        super().__init__()
        if spectral_hop % hop:
            raise ValueError(f"the energy head's hop {hop} must divide the decoder's {spectral_hop}")
        self.n_fft, self.hop, self.bands, self.each = n_fft, hop, bands, spectral_hop // hop
        edges = band_edges(rate, n_fft, from_hz, bands)
        member, untouched = torch.zeros(bands, n_fft // 2 + 1), torch.ones(n_fft // 2 + 1)
        for band, (first, end) in enumerate(zip(edges, edges[1:], strict=False)):
            member[band, first:end] = 1.0
            untouched[first:end] = 0.0
        self.register_buffer("member", member, persistent=False)
        self.register_buffer("untouched", untouched, persistent=False)
        self.net = nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, self.each * bands))

    def forward(self, hidden: Tensor) -> Tensor:
        """Log energies that the audio is to have.  Shape: ``[B, T, C] -> [B, S, K]``, S = T * spectral_hop / hop."""
        predicted: Tensor = self.net(hidden)
        return predicted.float().unflatten(-1, (self.each, self.bands)).flatten(1, 2)

    def _energies(self, spectrum: Tensor) -> Tensor:
        power = spectrum.real.square() + spectrum.imag.square()
        width = self.member.sum(1)
        return torch.log(torch.einsum("kf,bfs->bsk", self.member, power) / width + FLOOR)

    def measure(self, wave: Tensor) -> Tensor:
        """Natural logarithms of the mean power of the bins of each band.  Shape: ``[B, N] -> [B, N / hop, K]``."""
        return self._energies(stft(wave.float(), self.n_fft, self.hop))

    def apply_to(self, wave: Tensor, energies: Tensor) -> Tensor:
        """The waveform with these log energies in its bands.  Shape: ``[B, N], [B, N / hop, K] -> [B, N]``.

        Gains are limited to -60 and +30 dB.  Neighbouring frames overlap, so what comes out has the energies that
        were asked for exactly where their ratio to what came in is the same in those frames.
        """
        spectrum = stft(wave.float(), self.n_fft, self.hop)
        # No gradient through what is measured: it would reward a decoder for being quiet.
        # Half, for energies are of powers and gains of amplitudes.
        gains = torch.exp(0.5 * (energies - self._energies(spectrum).detach())).clamp(LEAST, MOST)
        whole = torch.einsum("bsk,kf->bfs", gains, self.member) + self.untouched[:, None]
        return istft(spectrum * whole, self.n_fft, self.hop)
