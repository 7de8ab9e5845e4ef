"""HTDemucs as a separator, from weights that are already on this machine; nothing is downloaded here."""

from __future__ import annotations

import functools
import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from feature_extractors.stems import Stems
from flowmusic import audio as audio_io
from flowmusic import beside, limits, plain, tensors
from flowmusic.audio import Audio

SOURCES = ("drums", "bass", "other", "vocals")
_CLASSES = ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs")
"""What a file may ask to be built, by its whole name: the package has classes beside its networks that open files."""
_MOST = 200_000, 100
"""Of a number in a network's settings (the largest is its rate in Hz), and of one that counts layers."""
_HUB = {"htdemucs": "adefossez/HTDemucs", "htdemucs_ft": "adefossez/HTDemucs-ft"}


@dataclass(frozen=True)
class Demucs:
    """HTDemucs (Rouard, Massa & Defossez 2023, arXiv 2211.08553): drums, bass, other, vocals.

    Args:
        folder: holds ``MODEL.yaml`` and its ``.safetensors``, as the model's hub page does; None takes the local hub
            cache.  Older ``.th`` files are pickles, which can run code when loaded, and are refused.
        model: name of the model.
        shifts: random shifts averaged; 0 is deterministic.
        device: where to run.
    """

    folder: Path | None = None
    model: str = "htdemucs"
    shifts: int = 0
    device: str = "cpu"
    name: ClassVar[str] = "stems-demucs"
    version: ClassVar[str] = "1"

    def available(self) -> bool:
        """Whether the weights are on this machine."""
        return self._bag() is not None

    def analyse(self, audio: Audio) -> Stems:
        """Stems at the rate and with the channels of the input.

        Raises: ValueError, naming where the weights were looked for, if they are absent.
        """
        bag = self._bag()
        if bag is None:
            where = str(self.folder) if self.folder else "the local hub cache"
            raise ValueError(
                f"no weights of {self.model!r} (a {self.model}.yaml with its .safetensors) in {where}; fetch "
                f"{_HUB.get(self.model, self.model)} from the Hugging Face hub once, or use HarmonicPercussive()"
            )
        samples = audio.samples.detach().float().cpu()
        if samples.shape[:-2].numel() != 1:
            raise ValueError(f"separate one recording at a time, got samples of shape {tuple(samples.shape)}")
        if not bool(samples.any()):
            return Stems({source: Audio(torch.zeros_like(samples), audio.rate) for source in SOURCES})
        parts = _separate(_load(bag), Audio(samples.reshape(samples.shape[-2:]), audio.rate), self.shifts, self.device)
        return Stems({source: _like(part, audio) for source, part in parts.items()})

    def _bag(self) -> Path | None:
        """The file that lists the model's parts, or None."""
        if self.folder is not None:
            path = Path(self.folder) / f"{self.model}.yaml"
            return path if path.is_file() and any(path.parent.glob("*.safetensors")) else None
        if self.model not in _HUB:
            raise ValueError(f"unknown model {self.model!r}; known: {', '.join(_HUB)}; or give folder=...")
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(_HUB[self.model], f"{self.model}.yaml")
        return Path(found) if isinstance(found, str) else None


@functools.cache
def _load(bag: Path) -> Any:
    """The models named by a bag file.

    Raises: ValueError if a part is missing, lies elsewhere, or is not one of demucs' own networks; PlainError,
        TensorsError for files that cannot be read.
    """
    from demucs.apply import BagOfModels

    described = plain.read_yaml(bag)
    names = described.get("models") if isinstance(described, dict) else None
    if not isinstance(names, list) or not names or len(names) > 16:
        raise ValueError(f"{bag} lists no models; fetch it again")
    wrong = next(
        limits.oversized([described.get("weights"), described.get("segment")], *_MOST, "weights or segment"), None
    )
    if wrong is not None:
        raise ValueError(f"{bag} asks for {wrong}; refused")
    models = [_network(bag.parent / f"{beside.file_name(name, bag)}.safetensors", bag) for name in names]
    try:
        return BagOfModels(models, described.get("weights"), described.get("segment")).eval()
    except (AssertionError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{bag} does not fit its models ({plain.reason(error)}); fetch it again") from None


def _network(path: Path, bag: Path) -> Any:
    """One part of a bag.  Raises: as :func:`_load`."""
    from demucs.hf import _decode_json, load_safetensors_model

    if not path.is_file():
        raise ValueError(f"{bag} names {path.name}, which is not beside it; fetch that file too")
    found, metadata = tensors.read(path)
    klass = metadata.get("klass")
    # The file names the class to build, and may name others inside: the first is one of three, the rest is refused.
    if klass not in _CLASSES or "structure" in metadata or "__quantized" in found:
        raise ValueError(f"{path} is no plain demucs model (class {plain.shown(klass)!r}); refused")
    tensors.check_finite(found, path)
    settings = [plain.json_of(metadata.get(key, ""), f"{path}, {key}") for key in ("args", "kwargs")]
    if not isinstance(settings[0], list) or not isinstance(settings[1], dict):
        raise ValueError(f"{path} describes no network (args or kwargs); fetch it again")
    wrong = next(limits.oversized(settings, *_MOST), None)
    if wrong is not None:
        raise ValueError(f"{path} asks for {wrong}, which no demucs model has; refused")
    module, _, name = klass.rpartition(".")
    build = getattr(importlib.import_module(module), name)
    try:
        args, kwargs = _decode_json(settings)
        known = inspect.signature(build).parameters
        # First without memory: what it describes is as large as the tensors, or it is not built at all.
        with torch.device("meta"):
            own = build(*args, **{key: value for key, value in kwargs.items() if key in known}).state_dict()
        other = sorted(own.keys() ^ found.keys()) or [key for key in own if own[key].shape != found[key].shape]
        if other:
            raise ValueError(f"{other[0]} is missing, unknown or of another shape")
        return load_safetensors_model(path)
    except Exception as error:
        # Constructors of another package, with arguments out of a file.
        raise ValueError(f"{path} does not fit the network that it describes ({plain.reason(error)})") from None


def _separate(model: Any, audio: Audio, shifts: int, device: str) -> dict[str, Audio]:
    """Run the model on ``[C, N]`` at any rate.  Returns its sources, stereo, at the model's rate."""
    from demucs.apply import apply_model

    mix = audio_io.resample(audio, model.samplerate).samples
    mix = mix.mean(0, keepdim=True).expand(model.audio_channels, -1) if len(mix) != model.audio_channels else mix
    centre, scale = mix.mean(0).mean(), mix.mean(0).std() + 1e-8
    with torch.inference_mode():
        out = apply_model(
            model, ((mix - centre) / scale)[None], shifts=shifts, split=True, device=device, progress=False
        )
    return {source: Audio(part.cpu() * scale + centre, model.samplerate) for source, part in zip(model.sources, out[0])}


def _like(part: Audio, audio: Audio) -> Audio:
    """A part at the rate, channels and length of the input."""
    out = audio_io.resample(part, audio.rate).samples
    channels = audio.samples.shape[-2]
    out = out if channels == len(out) else out.mean(0, keepdim=True).expand(channels, -1)
    fitted: Tensor = audio_io.fit(Audio(out, audio.rate), audio.samples.shape[-1]).samples
    return Audio(fitted.reshape(audio.samples.shape).clone(), audio.rate)
