"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685): W + (alpha / r) B A beside a frozen W.

``peft`` wraps linear layers that are called as layers.  Where it does not fit, the weight itself is parametrised:
convolutions, and the packed query-key-value matrix of JASCO's cross-attention, which is sliced and never called.
``merge`` adds trained matrices to a model's own weights, so that running it costs nothing.

A layer ``NAME`` has the tensors ``NAME.lora_A`` ``[r, in]`` and ``NAME.lora_B`` ``[out, r]``; a convolution's ``in`` is
channels of a group times kernel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from flowmusic.model.jasco.field import CrossAttention
from flowmusic.model.jasco.layers import weight_of
from flowmusic.model.rvq import ResidualVQ
from flowmusic.model.text import FrozenText

A, B = ".lora_A", ".lora_B"
_PEFT = "default"


@dataclass(frozen=True)
class LoraSettings:
    """What of a model is adapted, and how.

    Args:
        targets: patterns of layer names, ``field.blocks.*.attention.*``; each must fit a layer.
        rank: r of every layer.
        alpha: the change is scaled by alpha / r, so that another rank needs no other learning rate.
        dropout: of the inputs of A in training; parametrised weights have none.
    """

    targets: Sequence[str]
    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"model.lora.rank must be at least 1, got {self.rank}")
        if not self.alpha > 0:
            raise ValueError(f"model.lora.alpha must be above 0, got {self.alpha}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"model.lora.dropout must be in [0, 1), got {self.dropout}")
        if not self.targets or isinstance(self.targets, str):
            raise ValueError("model.lora.targets must be a list of patterns, such as [field.blocks.*.attention.*]")

    @property
    def factor(self) -> float:
        """What B A is multiplied with."""
        return self.alpha / self.rank


class LowRank(nn.Module):
    """A parametrisation: the weight plus ``factor`` times B A.  Shape: ``[out, *] -> same``."""

    def __init__(self, weight: Tensor, rank: int, factor: float) -> None:
        super().__init__()
        rows = weight.flatten(1)
        self.factor = factor
        self.lora_A = nn.Parameter(rows.new_empty(rank, rows.shape[1]))
        self.lora_B = nn.Parameter(rows.new_zeros(rows.shape[0], rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.factor * (self.lora_B @ self.lora_A).view_as(weight)


def adaptable(root: nn.Module) -> dict[str, nn.Module]:
    """Layers that can be adapted, by name: linear ones and convolutions outside text encoders and quantisers."""
    closed = tuple(f"{name}." for name, part in root.named_modules() if isinstance(part, FrozenText | ResidualVQ))
    return {
        name: part
        for name, part in root.named_modules()
        if isinstance(part, nn.Linear | nn.Conv1d) and not f"{name}.".startswith(closed)
    }


def chosen(root: nn.Module, targets: Sequence[str]) -> dict[str, nn.Module]:
    """The layers that the patterns fit.  Raises: ValueError for a pattern that fits none."""
    layers = adaptable(root)
    idle = [pattern for pattern in targets if not any(fnmatchcase(name, pattern) for name in layers)]
    if idle:
        raise ValueError(
            f"model.lora.targets: no layer fits {', '.join(map(repr, idle))}; layers: {', '.join(families(layers))}"
        )
    return {name: layer for name, layer in layers.items() if any(fnmatchcase(name, p) for p in targets)}


def families(names: Mapping[str, object]) -> list[str]:
    """Layer names with their numbers replaced by stars, each once.

    >>> families({"field.blocks.0.expand": 0, "field.blocks.1.expand": 0})
    ['field.blocks.*.expand']
    """
    return list(dict.fromkeys(re.sub(r"\.\d+(?=\.|$)", ".*", name) for name in names))


def inject(root: nn.Module, settings: LoraSettings) -> dict[str, nn.Module]:
    """Freeze a model and give it adapters that change nothing yet (B is zero); only they can be trained.

    Returns: the adapted layers as they were, by name.
    Raises: ValueError for a pattern that fits no layer.
    """
    from peft import LoraConfig, inject_adapter_in_model

    root.requires_grad_(False)
    layers = chosen(root, settings.targets)
    direct = {name: layer for name, layer in layers.items() if _direct(root, name)}
    called = [name for name in layers if name not in direct]
    if called:
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]
            lora_dropout=settings.dropout,
            # A pattern, for peft takes names in a list as ends of names.
            target_modules="|".join(map(re.escape, called)),
        )
        inject_adapter_in_model(config, root)
    for layer in direct.values():
        part = LowRank(weight_of(layer), settings.rank, settings.factor)
        parametrize.register_parametrization(layer, "weight", part)
        layer.parametrizations.weight.original.requires_grad_(False)  # type: ignore[union-attr, operator]
    return layers


def _direct(root: nn.Module, name: str) -> bool:
    """Whether a layer's weight is to be parametrised: a convolution, or a matrix that others read."""
    parent, _, child = name.rpartition(".")
    read = isinstance(root.get_submodule(parent), CrossAttention) and child == "query_key_value"
    return read or isinstance(root.get_submodule(name), nn.Conv1d)


def tensors_of(root: nn.Module) -> dict[str, Tensor]:
    """The matrices of an injected model, by the names of the uninjected one.  They are the parameters themselves."""
    found: dict[str, Tensor] = {}
    for name, part in root.named_modules():
        if isinstance(part, LowRank):
            layer = name.removesuffix(".parametrizations.weight.0")
            found |= {layer + A: part.lora_A, layer + B: part.lora_B}
        elif _PEFT in (matrices := getattr(part, "lora_A", None) or ()) and isinstance(matrices, nn.ModuleDict):
            found |= {name + A: weight_of(part.lora_A[_PEFT]), name + B: weight_of(part.lora_B[_PEFT])}  # type: ignore
    return found


def pairs(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """``(layer, A, B)`` of an adapter's tensors.  Raises: ValueError if they are no such pairs."""
    layers = sorted({name.rpartition(".")[0] for name in tensors})
    if not layers or {f"{layer}{end}" for layer in layers for end in (A, B)} != tensors.keys():
        raise ValueError("its tensors are not pairs NAME.lora_A, NAME.lora_B")
    for layer in layers:
        low, high = tensors[layer + A], tensors[layer + B]
        if low.ndim != 2 or high.ndim != 2 or high.shape[1] != low.shape[0]:
            raise ValueError(f"{layer} has matrices of shapes {tuple(low.shape)} and {tuple(high.shape)}")
        yield layer, low, high


def unfit(root: nn.Module, tensors: Mapping[str, Tensor]) -> tuple[list[str], list[str]]:
    """Layers of an adapter that the model has not, and those of another shape in it."""
    layers = adaptable(root)
    missing, other = [], []
    for name, low, high in pairs(tensors):
        if name not in layers:
            missing.append(name)
        elif weight_of(layers[name]).flatten(1).shape != (high.shape[0], low.shape[1]):
            other.append(name)
    return missing, other


@torch.no_grad()
def merge(root: nn.Module, tensors: Mapping[str, Tensor], factor: float) -> None:
    """Add ``factor`` times B A to the model's own weights; a factor of 0 touches nothing."""
    if factor == 0.0:
        return
    layers = adaptable(root)
    for name, low, high in pairs(tensors):
        weight = weight_of(layers[name])
        change = high.to(weight.device, torch.float32) @ low.to(weight.device, torch.float32)
        weight.add_((factor * change).view_as(weight).to(weight.dtype))
