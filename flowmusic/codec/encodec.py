"""Everything that comes from the ``encodec`` package: its modules, its quantiser, its models as a ``Codec``.

EnCodec: Defossez et al. 2022, arXiv 2210.13438.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic import audio as audio_tools
from flowmusic import lazily
from flowmusic.audio import Audio
from flowmusic.codec.latent import LatentCodec
from flowmusic.plain import shown


class ResidualQuantizer(nn.Module):
    """EnCodec's residual vector quantiser with a plain call.

    Shape: ``[B, D, T]`` latents; codes ``[B, Q, T]``.
    """

    def __init__(self, dim: int = 64, levels: int = 4, bins: int = 512, decay: float = 0.98) -> None:
        super().__init__()
        with lazily.loaded("torchaudio"):
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
        with lazily.loaded("torchaudio"):
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


NORMALIZED_LEVEL = 0.1
"""RMS (-20 dB full scale) that a decoded take has where the model itself knows no level; see ``EncodecCodec``."""

_NORMS = ("none", "weight_norm", "time_group_norm")
_PADDINGS = ("reflect", "constant", "replicate", "circular")
_ACTIVATIONS = ("ELU", "ReLU", "LeakyReLU", "GELU", "SiLU")


@dataclass(frozen=True)
class EncodecSettings:
    """The shape of an EnCodec network; plain data, as a bundle stores it.

    The defaults are the 32 kHz mono model of MusicGen and JASCO (58 990 022 numbers in 116 tensors, 50 frames/s).
    ``ratios`` are in the decoder's order.  ``pad_mode`` belongs to the weights: that model's published configuration
    says ``reflect``, codecs trained with audiocraft's own recipe say ``constant``.

    Raises: ValueError for settings that no network can have.
    """

    rate: int = 32_000
    channels: int = 1
    dimension: int = 128
    n_filters: int = 64
    ratios: tuple[int, ...] = (8, 5, 4, 4)
    n_residual_layers: int = 1
    kernel_size: int = 7
    last_kernel_size: int = 7
    residual_kernel_size: int = 3
    dilation_base: int = 2
    compress: int = 2
    lstm: int = 2
    true_skip: bool = True
    causal: bool = False
    norm: str = "weight_norm"
    activation: str = "ELU"
    activation_params: Mapping[str, float] = field(default_factory=lambda: {"alpha": 1.0})
    pad_mode: str = "reflect"
    n_q: int = 4
    bins: int = 2048
    normalize: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratios", tuple(self.ratios))
        counts = "rate channels dimension n_filters n_residual_layers kernel_size last_kernel_size".split()
        counts += "residual_kernel_size dilation_base compress n_q bins".split()
        for name, value in [*((name, getattr(self, name)) for name in counts), *(("ratios", r) for r in self.ratios)]:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"EnCodec's {name} must be a whole number of at least 1, got {value!r}")
        if not self.ratios:
            raise ValueError("EnCodec's ratios must name at least one stride, got none")
        if isinstance(self.lstm, bool) or not isinstance(self.lstm, int) or self.lstm < 0:
            raise ValueError(f"EnCodec's lstm must be a number of layers, 0 for none, got {self.lstm!r}")
        if self.n_filters < self.compress:
            raise ValueError(f"EnCodec's compress must be at most n_filters={self.n_filters}, got {self.compress}")
        choices = {"norm": _NORMS, "pad_mode": _PADDINGS, "activation": _ACTIVATIONS}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"EnCodec's {name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if self.causal and self.norm == "time_group_norm":
            raise ValueError("EnCodec's norm time_group_norm averages over all times, so it cannot be causal")

    @property
    def hop(self) -> int:
        """Samples per latent frame."""
        return prod(self.ratios)


class EncodecNetwork(nn.Module):
    """``encoder``, ``decoder`` and ``quantizer`` of the package under one roof, without its bandwidth book-keeping.

    The package's own ``EncodecModel`` derives the number of codebooks from a bandwidth in kbit/s, which the 32 kHz
    model does not have.  Tensors are called as in audiocraft: ``encoder.model.0.conv.conv.weight_g``.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, quantizer: nn.Module, settings: EncodecSettings) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.quantizer = quantizer
        self.sample_rate = settings.rate
        self.channels = settings.channels
        self.normalize = settings.normalize


def build_encodec(settings: EncodecSettings) -> EncodecNetwork:
    """An EnCodec network with fresh weights, made of the package's modules."""
    with lazily.loaded("torchaudio"):
        from encodec.modules import SEANetDecoder, SEANetEncoder
        from encodec.quantization import ResidualVectorQuantizer

    shared = {**asdict(settings), "ratios": list(settings.ratios)}
    for name in ("rate", "n_q", "bins", "normalize"):
        del shared[name]
    with warnings.catch_warnings():
        # The package uses torch's older weight norm, and so do the names in every published file.
        warnings.filterwarnings("ignore", message=".*weight_norm.*deprecated", category=FutureWarning)
        encoder, decoder = SEANetEncoder(**shared), SEANetDecoder(**shared)
    quantizer = ResidualVectorQuantizer(dimension=settings.dimension, n_q=settings.n_q, bins=settings.bins)
    return EncodecNetwork(encoder, decoder, quantizer, settings)


class EncodecCodec(nn.Module):
    """An EnCodec model as a ``Codec``: continuous latents before the quantiser, normalised.

    JASCO normalises with two scalars (mean -0.0074, deviation 4.0102 for the 32 kHz model); other models may
    pass per-channel values.

    The 48 kHz model hears every item at unit RMS and carries the level beside its codes.  Latents have no place for
    it, so ``encode`` divides each item by the RMS of its mono mix and ``decode`` multiplies by
    :data:`NORMALIZED_LEVEL`: level does not survive a round trip, and every take comes out at the same one.  An item
    is one piece here, where the package cuts it into seconds with a level each.

    Args:
        model: :func:`build_encodec`'s or the package's model, e.g. ``EncodecModel.encodec_model_24khz(...)``, with
            weights loaded.
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
        self.normalize = bool(model.normalize)
        self.frame_rate = Fraction(self.rate, self.hop)
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))

    def _channels(self, audio: Audio) -> Tensor:
        samples = audio_tools.resample(audio, self.rate).samples
        samples = samples if samples.ndim == 3 else samples[None]
        if samples.shape[1] == self.channels:
            return samples
        return samples.mean(1, keepdim=True).expand(-1, self.channels, -1)

    def _raw(self, audio: Audio) -> Tensor:
        """What the encoder says, un-normalised.  Shape: ``[B, D, T]``."""
        samples = self._channels(audio).to(self.mean.device)
        if self.normalize:
            # The small number keeps silence silent.
            samples = samples / (samples.mean(1, keepdim=True).square().mean(-1, keepdim=True).sqrt() + 1e-8)
        latents: Tensor = self.model.encoder(samples)  # type: ignore[operator]
        return latents

    def _rvq(self) -> Any:
        # Not quantizer.encode: it counts codebooks by bandwidth.
        return self.model.quantizer.vq  # type: ignore[union-attr]

    @torch.inference_mode()
    def encode(self, audio: Audio) -> Tensor:
        """Audio ``[B, C, N]`` or ``[C, N]`` at any rate -> latents ``[B, ceil(N / hop), D]``.

        N counts samples at the model's rate; the last frame is filled by the package's own padding.
        """
        return (self._raw(audio).transpose(1, 2) - self.mean) / self.std

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Audio:
        """Latents ``[B, T, D]`` -> Audio ``[B, C, T * hop]``."""
        raw = latents * self.std + self.mean
        samples = self.model.decoder(raw.transpose(1, 2))  # type: ignore[operator]
        return Audio(samples * NORMALIZED_LEVEL if self.normalize else samples, self.rate)

    @torch.inference_mode()
    def codes(self, latents: Tensor) -> Tensor:
        """Latents ``[B, T, D]`` -> residual codes of all codebooks ``[B, Q, T]`` int64."""
        raw = latents * self.std + self.mean
        codes: Tensor = self._rvq().encode(raw.transpose(1, 2))
        return codes.transpose(0, 1)

    @torch.inference_mode()
    def from_codes(self, codes: Tensor) -> Tensor:
        """Residual codes ``[B, Q, T]``, of the first Q codebooks -> latents ``[B, T, D]``."""
        raw: Tensor = self._rvq().decode(codes.transpose(0, 1)).transpose(1, 2)
        return (raw - self.mean) / self.std

    def codebook(self, level: int) -> Tensor:
        """The vectors of one codebook, counted from 0, in the encoder's own (un-normalised) units.

        Shape: ``[bins, D]``.  Raises: ValueError for a level that there is not.
        """
        layers = self._rvq().layers
        if not 0 <= level < len(layers):
            raise ValueError(f"this codec has the codebooks 0 to {len(layers) - 1}, got {level}")
        vectors: Tensor = layers[level].codebook
        return vectors

    @torch.inference_mode()
    def first_codes(self, audio: Audio) -> Tensor:
        """Audio -> the first codebook's ids ``[B, T]`` int64: the form in which JASCO is given drums."""
        ids: Tensor = self._rvq().layers[0].encode(self._raw(audio))
        return ids


def pretrained(name: str) -> EncodecCodec:
    """``24khz`` (mono) or ``48khz`` (stereo) with the package's own weights, which are downloaded on first use.

    They are pickles in a folder that other programs write to as well: the checksum in their name is compared each time,
    and they are read as tensors only.

    Raises: ValueError for another name; OSError with advice when the weights are neither cached nor reachable, or when
        what is cached is something else.
    """
    from encodec import EncodecModel
    from encodec.model import ROOT_URL
    from encodec.utils import _get_checkpoint_url

    builders = {
        "24khz": (EncodecModel.encodec_model_24khz, "encodec_24khz-d7cc33bc.th"),
        "48khz": (EncodecModel.encodec_model_48khz, "encodec_48khz-7e698e3e.th"),
    }
    if name not in builders:
        raise ValueError(f"unknown EnCodec model {name!r}; there are: {', '.join(builders)}")
    build, checkpoint = builders[name]
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        if not (folder / checkpoint).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            digest = checkpoint.removesuffix(".th").partition("-")[2]
            torch.hub.download_url_to_file(_get_checkpoint_url(ROOT_URL, checkpoint), str(folder / checkpoint), digest)
        # With a folder given, the package checks the sum; torch reads tensors alone, which is its default.
        return EncodecCodec(build(repository=folder))
    except OSError as error:
        raise OSError(
            f"the EnCodec {name} weights are not in the torch hub cache and cannot be downloaded ({error}); "
            "connect once, or use the embedded codec of the nano model"
        ) from error
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise OSError(
            f"{folder / checkpoint} is not what EnCodec's authors published ({shown(error)}); remove it, and it is "
            "fetched again"
        ) from None
