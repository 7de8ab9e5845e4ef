"""Weights into the network that a description describes: names, shapes and values, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from flowmusic import plain
from flowmusic.tensors import not_finite, without_memory

AVERAGES = ("embed_avg", "cluster_size")
"""Ends of the names of codebooks' running averages, which are training state and not shipped."""


class ModelError(ValueError):
    """There is no such model, or the folder is no bundle of ours; the message lists what there is."""


class CorruptWeights(RuntimeError):
    """The bundle is ours but its content is damaged."""


def differences(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[list[str], list[str], list[str]]:
    """Names that are missing in what is given, that are unknown, and whose shapes differ; each sorted."""
    shapes = sorted(k for k in own.keys() & given.keys() if own[k].shape != given[k].shape)
    return sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys()), shapes


def fill(module: nn.Module, tensors: Mapping[str, Tensor], folder: Path, *, assign: bool = False) -> nn.Module:
    """Strict load: every name and shape must fit, and every value be finite.

    ``assign`` hands the tensors over instead of copying them.  Raises: CorruptWeights naming the tensor.
    """
    _check_fit(module.state_dict(), tensors, folder)
    wrong = not_finite(tensors)
    if wrong is not None:
        raise CorruptWeights(
            f"weights of {folder}: the tensor {wrong} holds NaN or infinite values; train or fetch the model again"
        )
    module.load_state_dict(dict(tensors), strict=False, assign=assign)
    return module.eval()


def filled(make: Callable[[], nn.Module], tensors: Mapping[str, Tensor], folder: Path, kind: str) -> nn.Module:
    """The network that a description makes, with its weights; averages that were not stored are the network's own.

    The description is of whoever wrote the file, so the network is made without memory first: one that is larger than
    the tensors beside it is never made.

    Raises: ModelError for a description that makes no network; CorruptWeights as :func:`fill`.
    """
    try:
        with without_memory():
            empty = make()
        _check_fit(empty.state_dict(), with_averages(empty, tensors), folder)
        network = make()
    except CorruptWeights:
        raise
    except Exception as error:
        # Constructors fail in as many ways as there are wrong settings.
        raise ModelError(f"{folder}: the settings do not fit the kind {kind!r} ({plain.reason(error)})") from None
    return fill(network, with_averages(network, tensors), folder)


def with_averages(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with the module's own averages where they were not stored."""
    own = {key: value for key, value in module.state_dict().items() if key.endswith(AVERAGES)}
    return {**own, **tensors}


def _check_fit(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], folder: Path) -> None:
    missing, surplus, shapes = ([plain.shown(name) for name in names[:3]] for names in differences(own, tensors))
    if missing or surplus or shapes:
        raise CorruptWeights(
            f"weights of {folder} do not fit their description: "
            f"missing {missing}, unknown {surplus}, wrong shape {shapes}"
        )
