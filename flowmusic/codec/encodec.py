"""Everything that comes from the ``encodec`` package: its modules, its quantiser, its models as a ``Codec``.

EnCodec: Defossez et al. 2022, arXiv 2210.13438.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic import audio as audio_tools
from flowmusic.codec.latent import LatentCodec
from flowmusic.types import Audio


class ResidualQuantizer(nn.Module):
    """EnCodec's residual vector quantiser with a plain call.

    Shape: ``[B, D, T]`` latents; codes ``[B, Q, T]``.
    """

    def __init__(self, dim: int = 64, levels: int = 4, bins: int = 512, decay: float = 0.98) -> None:
        super().__init__()
        from encodec.quantization.core_vq import ResidualVectorQuantization

        self.levels = levels
        self.rvq = ResidualVectorQuantization(
            num_quantizers=levels,
            dim=dim,
            codebook_size=bins,
            decay=decay,
            kmeans_init=True,
            kmeans_iters=20,
            threshold_ema_dead_code=1,
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Quantised latents; in training mode the codebooks follow the batch."""
        quantized, _, _ = self.rvq(latents)
        return quantized

    def encode(self, latents: Tensor) -> Tensor:
        return self.rvq.encode(latents).transpose(0, 1)

    def decode(self, codes: Tensor) -> Tensor:
        return self.rvq.decode(codes.transpose(0, 1))


class SeanetCodec(LatentCodec):
    """SEANet encoder and decoder of EnCodec around our bottleneck, on the waveform.

    Kept for GPU-scale training and as the measured alternative to the spectral codec.
    """

    def __init__(
        self,
        rate: int = 32_000,
        ratios: tuple[int, ...] = (8, 8, 5, 4),
        filters: int = 16,
        dim: int = 64,
        lstm: int = 0,
        noise: float = 0.1,
        quantizer: nn.Module | None = None,
    ) -> None:
        from encodec.modules import SEANetDecoder, SEANetEncoder

        hop = 1
        for ratio in ratios:
            hop *= ratio
        super().__init__(rate, hop, dim, noise, quantizer)
        settings: dict[str, Any] = {"dimension": dim, "n_filters": filters, "ratios": list(ratios), "lstm": lstm}
        self.encoder = _parametrised(SEANetEncoder(**settings))
        self.decoder = _parametrised(SEANetDecoder(**settings))

    def decoder_modules(self) -> list[nn.Module]:
        return [self.decoder]

    def encode_wave(self, wave: Tensor) -> Tensor:
        return self.encoder(wave[:, None])

    def decode_wave(self, latents: Tensor) -> Tensor:
        return self.decoder(latents)[:, 0].float()


def _parametrised(module: nn.Module) -> nn.Module:
    """Weight norm as a parametrisation: the package's hooks leave tensors that cannot be copied (averaged weights)."""
    for part in module.modules():
        if hasattr(part, "weight_g"):
            nn.utils.remove_weight_norm(part)
            nn.utils.parametrizations.weight_norm(part)
    return module


class EncodecCodec(nn.Module):
    """An ``encodec.EncodecModel`` as a ``Codec``: continuous latents before the quantiser, normalised.

    JASCO normalises with two scalars (mean -0.0074, deviation 4.0102 for the 32 kHz model); other models may
    pass per-channel values.

    Args:
        model: the package's model, e.g. ``EncodecModel.encodec_model_24khz(pretrained=False)`` with weights loaded.
        mean, std: scalars or ``[D]``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: float | Tensor = 0.0, std: float | Tensor = 1.0) -> None:
        super().__init__()
        self.model = model.eval()
        self.rate = int(model.sample_rate)  # type: ignore[arg-type]
        self.channels = int(model.channels)  # type: ignore[arg-type]
        self.dim = int(model.encoder.dimension)  # type: ignore[union-attr, arg-type]
        self.hop = int(model.encoder.hop_length)  # type: ignore[union-attr, arg-type]
        self.frame_rate = Fraction(self.rate, self.hop)
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))

    def _channels(self, audio: Audio) -> Tensor:
        samples = audio_tools.resample(audio, self.rate).samples
        samples = samples if samples.ndim == 3 else samples[None]
        if samples.shape[1] == self.channels:
            return samples
        return samples.mean(1, keepdim=True).expand(-1, self.channels, -1)

    @torch.inference_mode()
    def encode(self, audio: Audio) -> Tensor:
        """Audio ``[B, C, N]`` -> latents ``[B, ceil(N / hop), D]``."""
        samples = self._channels(audio).to(self.mean.device)
        latents = self.model.encoder(samples).transpose(1, 2)  # type: ignore[operator]
        return (latents - self.mean) / self.std

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Audio:
        """Latents ``[B, T, D]`` -> Audio ``[B, C, T * hop]``."""
        raw = latents * self.std + self.mean
        return Audio(self.model.decoder(raw.transpose(1, 2)), self.rate)  # type: ignore[operator]


def pretrained(name: str) -> EncodecCodec:
    """``24khz`` or ``48khz`` from the package's own loader, which downloads on first use.

    Raises: ValueError for another name; OSError with advice when the weights are neither cached nor reachable.
    """
    from encodec import EncodecModel

    builders = {"24khz": EncodecModel.encodec_model_24khz, "48khz": EncodecModel.encodec_model_48khz}
    if name not in builders:
        raise ValueError(f"unknown EnCodec model {name!r}; there are: {', '.join(builders)}")
    try:
        return EncodecCodec(builders[name]())
    except OSError as error:
        raise OSError(
            f"the EnCodec {name} weights are not in the torch hub cache and cannot be downloaded ({error}); "
            "connect once, or use the embedded codec of the nano model"
        ) from error
