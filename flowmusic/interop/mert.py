"""MERT (Li et al. 2023, arXiv 2306.00107): what MusicGen-Style (arXiv 2407.12563) hears an excerpt with.

MERT-v1-95M is HuBERT's base architecture on audio at 24 kHz; the constant-Q transform of its training plays no part
afterwards.  So transformers' own ``HubertModel`` runs it, and none of the repository's code.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic import plain, tensors
from flowmusic.audio import Audio
from flowmusic.interop import hub, hub_config
from flowmusic.interop.fitting import ModelError, differences
from flowmusic.interop.pickles import read_pickle, tensors_of

KIND = "mert"
"""The kind of style features under which configurations name it."""

HUB_NAME = "m-a-p/MERT-v1-95M"
RATE = 24_000
"""Hz; 320 samples make a frame, so frames come at 75 Hz."""

CHUNK_SECONDS = 5.0
"""Longer audio is heard in parts of at most this length, which is what MERT was trained on."""

FIELD = 400
"""Samples that one frame sees before the transformer: audio must be as long."""

FILES: hub.Wanted = ("config.json", "preprocessor_config.json", ("model.safetensors", "pytorch_model.bin"))
UNUSED = "feature_extractor_cqt."
"""Prefix of tensors that only training needs."""

_RENAMED = {
    "encoder.pos_conv_embed.conv.weight_g": "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    "encoder.pos_conv_embed.conv.weight_v": "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
}
"""Weight norm as it was stored when the weights were published, and as it is stored now."""

_LOG = logging.getLogger(__name__)
_LICENCE = (
    "the MERT weights are licensed CC BY-NC 4.0 by M-A-P (non-commercial): fine for research and evaluation; "
    "models whose style reads latents, such as nano, need none of them"
)


class Mert:
    """Frozen features of audio on a codec's frames; the weights are loaded when they are first needed.

    Args:
        source: folder in the hub's layout (config.json, preprocessor_config.json, weights), or a hub id; one that is
            not in the cache is downloaded.
        layer: whose output is taken: 0 is what enters the transformer, n the output of its n-th layer; None: the last.
        dim: width that the features must have; None: any.
        device: a torch device.
        quiet: do not say the licence, for worker processes of one that has said it.
    """

    def __init__(
        self,
        source: str | Path = HUB_NAME,
        layer: int | None = None,
        dim: int | None = None,
        device: str | torch.device = "cpu",
        quiet: bool = False,
    ) -> None:
        self.source, self.layer, self.dim, self.device, self.quiet = (
            str(source),
            layer,
            dim,
            torch.device(device),
            quiet,
        )
        self._loaded: tuple[Any, bool] | None = None

    def load(self) -> tuple[Any, bool]:
        """The ``HubertModel``, and whether its input is normalised; read once.

        Raises: ModelError for weights that are not there or not MERT's, and for a layer that there is not.
        """
        if self._loaded is None:
            try:
                folder = hub.locate(self.source, FILES)
            except ModelError as error:
                remedy = f"; put them there with `hf download {HUB_NAME} --local-dir {self.source}`"
                remedy = "" if hub.is_repository(self.source) else remedy
                raise ModelError(
                    f"the style features need the MERT weights of {self.source}: {error}{remedy}"
                ) from error
            normalise = _normalises(folder)
            model = _model(folder).to(self.device)
            layers, width = model.config.num_hidden_layers, model.config.hidden_size
            if self.layer is not None and not 0 <= self.layer <= layers:
                raise ModelError(f"{self.source} has the layers 0 to {layers}, got layer={self.layer}")
            if self.dim is not None and width != self.dim:
                raise ModelError(f"{self.source} has features of width {width}, this model's style reads {self.dim}")
            if not self.quiet:
                _say_licence()
            self._loaded = model, normalise
        return self._loaded

    @torch.no_grad()
    def __call__(self, audio: Audio, frames: int) -> Tensor:
        """Features of one recording, averaged from 75 Hz onto ``frames`` frames of equal length.

        Shape: samples ``[C, N]`` at any rate -> ``[frames, D]`` fp32 on the CPU.
        Raises: ModelError as :meth:`load`; ValueError for audio without a whole frame of MERT, 1/60 s.
        """
        model, normalise = self.load()
        samples = audio_tools.resample(audio_tools.mono(audio), RATE).samples[0].float()
        if len(samples) < FIELD:
            raise ValueError(
                f"{audio.seconds:.3f} s of audio are too short for MERT; give {FIELD / RATE:.3f} s or more"
            )
        parts = samples.tensor_split(math.ceil(len(samples) / (CHUNK_SECONDS * RATE)))
        hidden = torch.cat([self._hidden(model, unit_variance(p) if normalise else p) for p in parts])
        pooled: Tensor = torch.nn.functional.adaptive_avg_pool1d(hidden.T, frames)
        return pooled.T.contiguous()

    def _hidden(self, model: Any, samples: Tensor) -> Tensor:
        """Shape: ``[N] -> [about N / 320, D]``."""
        # In full precision, as the stored features were made.
        with torch.autocast(self.device.type, enabled=False):
            found = model(samples[None].to(self.device), output_hidden_states=self.layer is not None)
        states = found.last_hidden_state if self.layer is None else found.hidden_states[self.layer]
        return states[0].cpu()  # type: ignore[no-any-return]


def unit_variance(samples: Tensor) -> Tensor:
    """Zero mean and unit variance, as MERT's processor hands audio over; silence stays silent.  Shape: ``[N]``."""
    return (samples - samples.mean()) / (samples.var(correction=0) + 1e-7).sqrt()


def _normalises(folder: Path) -> bool:
    described = hub_config.read(folder / "preprocessor_config.json")
    if described.get("sampling_rate") != RATE:  # a HuBERT of speech is otherwise the same
        raise ModelError(f"{folder} is no MERT: it wants audio at {described.get('sampling_rate')} Hz, not {RATE}")
    return bool(described.get("do_normalize", True))


def _model(folder: Path) -> Any:
    from transformers import HubertConfig, HubertModel

    described = hub_config.read(folder / "config.json")
    # The 330M model has these, which change what the same weights compute and which HubertModel does not know.
    relax = described.get("attention_relax", -1.0)
    if described.get("deepnorm") or not isinstance(relax, int | float) or relax > 0:
        raise ModelError(f"{folder} is a MERT with deepnorm or relaxed attention, which is not read; use {HUB_NAME}")
    try:
        config = HubertConfig.from_dict(described)
        with torch.device("meta"):  # the weights come right after
            model = HubertModel(config)
    except Exception as error:
        # Numbers out of a file, in constructors of another package.
        reason = plain.reason(error)
        raise ModelError(f"{folder / 'config.json'} does not describe a MERT ({reason}); use {HUB_NAME}") from error
    given = {_RENAMED.get(k, k): v.float() for k, v in _tensors(folder).items() if not k.startswith(UNUSED)}
    missing, surplus, shapes = differences(model.state_dict(), given)
    if missing or surplus or shapes:
        raise ModelError(
            f"the weights in {folder} are not those of a MERT: missing {missing[:3]}, unknown {surplus[:3]}, "
            f"wrong shape {shapes[:3]}; use {HUB_NAME}"
        )
    model.load_state_dict(given, assign=True)
    return model.eval().requires_grad_(False)


def _tensors(folder: Path) -> Mapping[str, Tensor]:
    """Raises: ModelError for files that are damaged, hold anything but tensors, or values that are not finite."""
    path = folder / "model.safetensors"
    try:
        if path.is_file():
            found = tensors.read(path)[0]
        else:
            path = folder / "pytorch_model.bin"
            found = tensors_of(read_pickle(path), path)
        tensors.check_finite(found, path)
    except (tensors.TensorsError, plain.PlainError) as error:
        raise ModelError(f"{error}; fetch it again") from None
    return found


@functools.cache
def _say_licence() -> None:
    _LOG.warning(_LICENCE)
