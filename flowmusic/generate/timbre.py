"""The timbre that is asked for: statistics of the excerpts of styles, or of music before (flowmusic.flow.timbre).

>>> from flowmusic.types import Controls, Guidance
>>> defaults = GenerationDefaults(timbre_channels=((1, 0.0, 0.0), (2, 1.0, 0.5)), style_timbre=0.5)
>>> excerpt = Style(torch.tensor([[0.0, 1.0, 2.0], [0.0, 3.0, 6.0]]))
>>> (target,) = targets([Passage(Controls((None,), {}, (excerpt,)), Guidance.plain(2.0))], defaults, 3)
>>> target.mean.tolist(), target.deviation.tolist()
([[0.0, 2.0, 4.0]], [[0.0, 1.0, 2.0]])
>>> target.shift.tolist(), target.scale.tolist()
([[0.0, 0.5, 0.5]], [[0.0, 0.25, 0.25]])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from flowmusic.flow.timbre import Target, statistics
from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.passages import Passage, weights_of
from flowmusic.types import STYLE, Style


def targets(passages: Sequence[Passage], defaults: GenerationDefaults, dim: int) -> list[Target]:
    """One for every passage of which a style is asked and heard, in channels that the model has for it.

    Args:
        passages: of a window; styles are latents ``[T', dim]``.
        defaults: of the model.
        dim: D of the latents.
    """
    channels = defaults.timbre(dim)
    if channels is None:
        return []
    found = []
    for passage in passages:
        styles = passage.controls.style
        amounts = torch.tensor([_amount(each, defaults) for each in styles])
        if bool(amounts.any()) and any(STYLE in keep for keep in weights_of(passage)):
            silent = next(each.features for each in styles if each is not None).new_zeros(1, dim)
            mean, deviation = _measured(silent if each is None else each.features for each in styles)
            shift, scale = (amounts[:, None] * each for each in channels)
            found.append(Target(mean, deviation, shift, scale, passage.share))
    return found


def timbre_of(latents: Tensor, defaults: GenerationDefaults) -> list[Target]:
    """The timbre of latents ``[B, T, D]`` themselves, as far as the model's channels go; none for one without."""
    channels = defaults.timbre(latents.shape[-1])
    if channels is None:
        return []
    mean, deviation = _measured(latents)
    shift, scale = (each.to(mean).expand_as(mean) for each in channels)
    return [Target(mean, deviation, shift, scale)]


def _measured(excerpts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each.  Shape: ``[T', D]`` each -> ``[B, D], [B, D]``."""
    mean, deviation = zip(*map(statistics, excerpts), strict=True)
    return torch.stack(mean), torch.stack(deviation)


def _amount(style: Style | None, defaults: GenerationDefaults) -> float:
    """How far an item goes: 0 without a style."""
    if style is None:
        return 0.0
    return defaults.style_timbre if style.timbre is None else style.timbre
