"""What is asked of a window, as weighted branches: one passage, or several that take turns over its frames.

A passage is one request (words, style, controls) with its guidance, and the share of each frame that it has.  At a
frame with shares s_p the velocity is sum_p s_p sum_k w_pk v(controls_p.only(keep_pk)): changes of words cross-fade in
velocity, so a frame between two requests is one music on the way from one to the other, not two heard at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flowmusic.generate.branches import merge, present
from flowmusic.guidance import WHOLE
from flowmusic.types import FACTS, STYLE, TEXT, Controls, Guidance


@dataclass(frozen=True)
class Passage:
    """One request and the frames that it holds for.

    Args:
        controls: words, style and tracks, the tracks on the window's grid.
        guidance: its weights; one Guidance per frame of the window where they change (curves over time).
        share: ``[T]`` in 0..1, how much of each frame is this passage's; None: all of it.
        negative: a request to lead away from, and how strongly: w (v(nothing) - v(negative)) is added.

    Raises: ValueError for frames that disagree, and for guidance whose interval or projection changes over time.
    """

    controls: Controls
    guidance: Guidance | Sequence[Guidance]
    share: Tensor | None = None
    negative: tuple[Controls, float] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.guidance, Guidance):
            if not self.guidance:
                raise ValueError("guidance over time needs one Guidance for every frame, got none")
            if len({(each.interval, each.projection) for each in self.guidance}) > 1:
                raise ValueError("a guidance interval or projection cannot change over time; give one for all frames")
        if self.share is not None and self.share.ndim != 1:
            raise ValueError(f"the share of a passage must be [T], got shape {tuple(self.share.shape)}")

    @property
    def first(self) -> Guidance:
        """The guidance of the first frame, whose interval and projection are those of all."""
        return self.guidance if isinstance(self.guidance, Guidance) else self.guidance[0]


@dataclass(frozen=True)
class Branch:
    """What the field is asked under, and its weight: a number, or one per frame ``[T]``; ``plain`` likewise, its share
    of the velocity without guidance.

    ``controls`` and ``keep`` are apart, because an encoder may depend on what is dropped.
    """

    controls: Controls
    keep: frozenset[str]
    weight: float | Tensor
    plain: float | Tensor = 0.0


NOWHERE = frozenset[str]()


def branches(passages: Sequence[Passage], length: int, *, compared: bool = False) -> list[Branch]:
    """The distinct branches of some passages over ``length`` frames, their weights added up.

    Passages that share their tracks share every branch that keeps neither words, facts nor style: a change of words
    costs one branch, not all of them.  Where no guidance interval and no projection is asked for, ``plain`` is 0, but
    for those that want to be ``compared`` with it.

    >>> from flowmusic.types import Guidance
    >>> shares = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    >>> calm, loud = (
    ...     Passage(Controls((text,)), Guidance.plain(3.0), share) for text, share in zip(("calm", "loud"), shares)
    ... )
    >>> [(sorted(each.keep), each.weight.tolist()) for each in branches([calm, loud], 2)]
    [(['text'], [3.0, 0.0]), ([], [-2.0, -2.0]), (['text'], [0.0, 3.0])]

    Raises: ValueError for no passage, and for passages of another length, batch, interval or projection.
    """
    _check(passages, length)
    tracks = passages[0].controls.tracks
    found: dict[tuple[int, frozenset[str]], Branch] = {}

    def add(
        owner: int, controls: Controls, keep: frozenset[str], weight: float | Tensor, plain: float | Tensor
    ) -> None:
        shared = not keep & {TEXT, STYLE, FACTS} and (not keep or controls.tracks is tracks)
        key = (-1 if shared else owner, keep)
        old = found.get(key)
        if old is None:
            found[key] = Branch(controls, keep, weight, plain)
        else:
            found[key] = replace(old, weight=old.weight + weight, plain=old.plain + plain)

    first = passages[0].first
    compared = compared or first.interval != WHOLE or first.projection is not None
    for number, passage in enumerate(passages):
        share: float | Tensor = 1.0 if passage.share is None else passage.share
        for keep, weight in weights_of(passage).items():
            add(number, passage.controls, keep, share * weight, 0.0)
        if passage.negative is not None:
            unwanted, strength = passage.negative
            # The negative of passage n is a request of its own, numbered behind all passages.
            add(len(passages) + number, unwanted, present(unwanted), share * -strength, 0.0)
            add(number, passage.controls, NOWHERE, share * strength, 0.0)
        if compared:
            add(number, passage.controls, present(passage.controls), 0.0, share)
    return list(found.values())


def weights_of(passage: Passage) -> dict[frozenset[str], float | Tensor]:
    """Weight by what is kept, none of them zero on all frames: numbers where they hold for all frames."""
    if isinstance(passage.guidance, Guidance):
        return {term.keep: term.weight for term in merge(passage.guidance, passage.controls)}
    frames = [{term.keep: term.weight for term in merge(each, passage.controls)} for each in passage.guidance]
    kept = dict.fromkeys(keep for frame in frames for keep in frame)
    found: dict[frozenset[str], float | Tensor] = {}
    for keep in kept:
        values = [frame.get(keep, 0.0) for frame in frames]
        found[keep] = values[0] if len(set(values)) == 1 else torch.tensor(values)
    return found


def _check(passages: Sequence[Passage], length: int) -> None:
    if not passages:
        raise ValueError("a window needs at least one passage")
    first = passages[0]
    total: float | Tensor = 0.0
    for passage in passages:
        if passage.controls.batch != first.controls.batch:
            raise ValueError(
                f"all passages must have one batch, got {first.controls.batch} and {passage.controls.batch} items"
            )
        if (passage.first.interval, passage.first.projection) != (first.first.interval, first.first.projection):
            raise ValueError("all passages of a window must have one guidance interval and one projection")
        frames = [] if passage.share is None else [len(passage.share)]
        frames += [] if isinstance(passage.guidance, Guidance) else [len(passage.guidance)]
        if any(each != length for each in frames):
            raise ValueError(f"a passage has {frames} frames, the window has {length}")
        total = total + (1.0 if passage.share is None else passage.share)
    if not bool(torch.allclose(torch.as_tensor(total, dtype=torch.float32), torch.ones(()), atol=1e-5)):
        raise ValueError("the shares of the passages must sum to 1 on every frame")
