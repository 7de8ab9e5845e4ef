"""What every codec trained by us shares: normalised latents, residual vector quantiser, padding, rates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.codec.stereo import StereoHead


class LatentCodec(nn.Module):
    """An encoder and a decoder around a normalised, slightly noisy bottleneck.

    The bottleneck is a batch norm without affine part: latents have zero mean and unit variance per channel by
    construction, so that the noise added in training (``noise``, in units of that deviation) is a real limit on
    what a latent can carry, and the decoder learns to live with the small errors of a generative model.

    Subclasses give ``encode_wave`` ([B, N] -> [B, D, T]) and ``decode_wave`` ([B, D, T] -> [B, N]).
    """

    mono = False
    """Set to leave the stereo head out, where there is one."""

    def __init__(self, rate: int, hop: int, dim: int, noise: float, quantizer: nn.Module | None = None) -> None:
        super().__init__()
        self.rate = rate
        self.hop = hop
        self.dim = dim
        self.noise = noise
        self.frame_rate = Fraction(rate, hop)
        self.norm = nn.BatchNorm1d(dim, affine=False, momentum=0.02)
        self.quantizer = quantizer
        self.stereo: StereoHead | None = None

    @property
    def channels(self) -> int:
        """How many channels decoding gives."""
        return 1 if self.stereo is None or self.mono else 2

    def add_stereo_head(self, settings: Mapping[str, Any]) -> StereoHead:
        """Give this codec an untrained stereo head; latents, and the mean of both channels, stay as they are."""
        self.stereo = StereoHead(self.dim, self.hop, self.rate, **settings)
        return self.stereo

    def _quantizer(self) -> Any:
        if self.quantizer is None:
            raise ValueError("this codec was built without a quantiser")
        return self.quantizer

    def decoder_modules(self) -> list[nn.Module]:
        """The parts behind the bottleneck, which can be trained on while latents stay what they are."""
        raise NotImplementedError

    def encode_wave(self, wave: Tensor) -> Tensor:
        raise NotImplementedError

    def decode_wave(self, latents: Tensor) -> Tensor:
        raise NotImplementedError

    def latents(self, wave: Tensor) -> Tensor:
        """Normalised latents.  Shape: ``[B, N] -> [B, D, T]``; N a multiple of the hop."""
        return self.norm(self.encode_wave(wave).float())

    def noisy(self, wave: Tensor, generator: torch.Generator | None = None, most: float = 0.0) -> Tensor:
        """Latents with the training noise.  Shape: ``[B, N] -> [B, D, T]``.

        Args:
            most: with this above ``noise``, half of the items have noise of a deviation from U(noise, most).
        """
        latents = self.latents(wave)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        if most <= self.noise:
            return latents + self.noise * noise
        drawn = torch.rand(len(latents), 1, 1, generator=generator).to(latents)
        more = (torch.rand(len(latents), 1, 1, generator=generator) < 0.5).to(latents)
        return latents + (self.noise + more * drawn * (most - self.noise)) * noise

    def reconstruct(self, wave: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The training pass: encode, add noise, decode.  Shape: ``[B, N] -> [B, N]``."""
        return self.decode_wave(self.noisy(wave, generator))

    @torch.inference_mode()
    def encode(self, audio: Audio) -> Tensor:
        """Audio ``[B, C, N]`` or ``[C, N]`` at any rate -> latents ``[B, T, D]``, T = ceil(seconds * frame_rate)."""
        audio = audio_tools.mono(audio_tools.resample(audio, self.rate))
        wave = audio.samples.reshape(-1, audio.samples.shape[-1])
        # At least three hops, for the reflected edges of the analysis window need something to reflect.
        frames = max(-(-wave.shape[-1] // self.hop), 3)
        wave = nn.functional.pad(wave, (0, frames * self.hop - wave.shape[-1]))
        parameter = next(self.parameters())
        wanted = max(1, -(-audio.samples.shape[-1] // self.hop))
        return self.latents(wave.to(parameter)).transpose(1, 2)[:, :wanted]

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Audio:
        """Latents ``[B, T, D]`` -> Audio ``[B, channels, T * hop]``."""
        parameter = next(self.parameters())
        frames = latents.shape[1]
        # Short inputs are extended for the overlap-add and cut again.
        padded = nn.functional.pad(latents, (0, 0, 0, max(0, 3 - frames)))
        padded = padded.to(parameter).transpose(1, 2)
        wave = self.decode_wave(padded).float()
        waves = self.stereo.widen(wave, padded) if self.stereo is not None and not self.mono else wave[:, None]
        return Audio(waves[..., : frames * self.hop], self.rate)

    @property
    def context_frames(self) -> int:
        """How many latent frames before and after a frame its audio depends on, with the stereo head where it is used.

        A codec that does not know cannot be decoded in chunks.  Raises: NotImplementedError.
        """
        return self.decoder_reach + (self.stereo.reach if self.stereo is not None and not self.mono else 0)

    @property
    def decoder_reach(self) -> int:
        """The same of the decoder alone.  Raises: NotImplementedError."""
        raise NotImplementedError(f"{type(self).__name__} does not say how far its decoder looks")

    def decode_chunks(self, latents: Tensor, frames: int) -> Iterator[Audio]:
        """What :meth:`decode` gives, piece by piece: memory follows the piece, not the whole.

        Args:
            latents: ``[B, T, D]``.
            frames: latent frames of a piece, the last of which may be shorter.

        Yields: Audio ``[B, channels, frames * hop]``.  Raises: ValueError for pieces of no frame.
        """
        if frames < 1:
            raise ValueError(f"a piece must have at least 1 frame, got {frames}")
        around, total = self.context_frames, latents.shape[1]
        for start in range(0, total, frames):
            first, end = max(0, start - around), min(total, start + frames + around)
            piece = self.decode(latents[:, first:end]).samples
            cut = slice((start - first) * self.hop, (min(start + frames, total) - first) * self.hop)
            yield Audio(piece[..., cut], self.rate)

    @torch.inference_mode()
    def codes(self, latents: Tensor) -> Tensor:
        """Latents ``[B, T, D]`` -> residual codes ``[B, Q, T]`` int64."""
        codes: Tensor = self._quantizer().encode(latents.transpose(1, 2))
        return codes

    @torch.inference_mode()
    def from_codes(self, codes: Tensor) -> Tensor:
        """Residual codes ``[B, Q, T]`` -> latents ``[B, T, D]``."""
        latents: Tensor = self._quantizer().decode(codes).transpose(1, 2)
        return latents

    def first_codebook(self) -> Tensor:
        """The vectors of the first codebook, in units of the latents.  Shape: ``[bins, D]``."""
        vectors: Tensor = self._quantizer().rvq.layers[0].codebook
        return vectors

    @torch.inference_mode()
    def first_codes(self, audio: Audio) -> Tensor:
        """Audio -> the first codebook's ids ``[B, T]`` int64: drums as sound, without any detector (as in JASCO)."""
        return self.codes(self.encode(audio))[:, 0]

    @torch.no_grad()
    def calibrate(self, waves: Iterable[Tensor]) -> None:
        """Recompute the latent statistics exactly with the final (averaged) weights, then fit the quantiser.

        Training statistics belong to weights that have moved on; a field trained on latents that are not unit
        variance would see the wrong noise level.
        """
        batches = list(waves)
        was_training = self.training
        self.eval()
        # Without momentum torch keeps the plain mean over all batches.
        momentum, self.norm.momentum = self.norm.momentum, None
        self.norm.reset_running_stats()
        self.norm.train()
        for wave in batches:
            self.norm(self.encode_wave(wave).float())
        self.norm.momentum = momentum
        self.norm.eval()
        if self.quantizer is not None:
            self.quantizer.train()
            for wave in batches:
                self.quantizer(self.latents(wave))
        self.train(was_training)
