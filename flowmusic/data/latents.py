"""Precomputed latents and controls of shards in memory, and random crops of them as training batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flowmusic import plain, publishable
from flowmusic.controls import drums, instruments
from flowmusic.data import played
from flowmusic.data.audio_prompts import ClipVectors, Prompts
from flowmusic.data.clip_checks import FEATURES, KNOWN, LATENTS
from flowmusic.data.errors import NoClipLongEnough, WrongData
from flowmusic.facts import Facts
from flowmusic.types import AudioPrompt, Controls, FrameGrid, Prompt, Style, Track

MOST_LIST = 128 * plain.MIB
"""Bytes of the list of clips in the form from before shards."""


@dataclass(frozen=True)
class Batch:
    """A training batch: latents ``[B, T, D]``, what was asked for, and texts and styles of further clips (pairs).

    ``number`` counts batches over all processes and all time; whatever else is drawn for a batch is drawn from it.
    """

    latents: Tensor
    controls: Controls
    grid: FrameGrid
    pairs: Controls = field(default_factory=lambda: Controls(()))
    number: int | None = None


class LatentStore:
    """One split in memory.

    Args:
        frame_rate: of latents and tracks.
        clips: per clip ``{"id", "frames", "captions"}`` in the order of the tensors, and ``facts`` and ``players`` of
            those that tell them (:mod:`flowmusic.data.played`).
        tensors: ``latents [F, D]``, per control ``name`` and ``name.known``, and ``style [F, D']`` where style is heard
            with other features than latents; F is the sum of frames.
        style_features: which features ``style`` holds: plain data with ``kind``, ``source`` and ``layer``.
        heard: what a text-audio model makes of the clips, where that was stored.
    """

    def __init__(
        self,
        frame_rate: Fraction,
        clips: list[dict[str, Any]],
        tensors: dict[str, Tensor],
        style_features: Mapping[str, Any] | None = None,
        heard: ClipVectors | None = None,
    ) -> None:
        self.frame_rate, self.clips, self.tensors, self.style_features = frame_rate, clips, tensors, style_features
        self.heard = heard
        self.starts = np.concatenate([[0], np.cumsum([c["frames"] for c in clips])])
        self.names = sorted(k for k in tensors if k not in (LATENTS, FEATURES) and not k.endswith(KNOWN))
        for name, tensor in tensors.items():
            if len(tensor) != self.starts[-1]:
                raise WrongData(f"the clips have {self.starts[-1]} frames, and {name} has {len(tensor)}")

    @staticmethod
    def joined(stores: Sequence[LatentStore]) -> LatentStore:
        """The clips of several stores.  Raises: ValueError unless frame rate, latents and controls are of one kind."""
        first = stores[0]
        for store in stores[1:]:
            if store.frame_rate != first.frame_rate or kinds(store) != kinds(first):
                raise ValueError(
                    f"stores of {float(first.frame_rate):g} Hz with {kinds(first)} and of {float(store.frame_rate):g} "
                    f"Hz with {kinds(store)} do not go together; build both with one codec, one kind of drums and "
                    "one of style features"
                )
        tensors = {key: torch.cat([store.tensors[key] for store in stores]) for key in kinds(first)}
        clips = [clip for store in stores for clip in store.clips]
        tensors.update(played.tensors_of(clips, first.frame_rate))
        heard = ClipVectors.joined([store.heard for store in stores], [len(store.clips) for store in stores])
        return LatentStore(first.frame_rate, clips, tensors, first.style_features, heard)

    def with_style_features(self, wanted: Mapping[str, Any] | None, folder: str | Path) -> LatentStore:
        """The store with the style features that a model wants; for None, latents, stored ones are left out.

        Args:
            wanted: as ``style_features``.
            folder: where the store lies, for the message.

        Raises: ValueError if it has none or others; the message says how to build it.
        """
        if wanted is None:
            tensors = {key: tensor for key, tensor in self.tensors.items() if key != FEATURES}
            return LatentStore(self.frame_rate, self.clips, tensors, heard=self.heard)
        if not same_features(self.style_features, wanted):
            flags = f"style_features={wanted.get('kind')}:{wanted.get('source')}"
            if wanted.get("layer") is not None:
                flags += f" style_layer={wanted['layer']}"
            raise ValueError(
                f"the style is to hear {_named(wanted)}, and the store {folder} has {_named(self.style_features)}; "
                f"build another with: flowmusic build corpus=DIR out={folder} {flags}"
            )
        return self

    @property
    def style_dim(self) -> int:
        """Channels of what style is heard with."""
        return int(self._heard.shape[1])

    @property
    def _heard(self) -> Tensor:
        return self.tensors.get(FEATURES, self.tensors[LATENTS])

    def excerpt(self, clip: int, first: int, length: int) -> Style:
        """What is heard of an excerpt that lies inside the clip: stored features, or latents where there are none."""
        begin = int(self.starts[clip]) + first
        return Style(self._heard[begin : begin + length].float())

    def captions(self) -> list[str]:
        return sorted({caption for clip in self.clips for caption in clip["captions"]})

    def crop(self, clip: int, first: int, length: int) -> tuple[Tensor, dict[str, Track]]:
        """Latents ``[T, D]`` and tracks of a window that lies inside the clip."""
        latents, tracks = self.windows([clip], [first], length)
        return latents[0], {name: Track(t.values[0], t.known[0], t.grid) for name, t in tracks.items()}

    def to(self, device: torch.device) -> LatentStore:
        """The store with its tensors on a device, where windows are then cut."""
        tensors = {key: tensor.to(device) for key, tensor in self.tensors.items()}
        return LatentStore(self.frame_rate, self.clips, tensors, self.style_features, self.heard)

    def captioned(self, share: float) -> LatentStore:
        """The store with the captions of a share of its clips, evenly spread, and none of the others'.

        Raises: ValueError for what is no share.
        """
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"captioned is a share of the clips, from 0 to 1, got {share}")
        kept = [int((n + 1) * share) > int(n * share) for n in range(len(self.clips))]
        clips = [clip if keep else {**clip, "captions": []} for clip, keep in zip(self.clips, kept, strict=True)]
        return LatentStore(self.frame_rate, clips, self.tensors, self.style_features, self.heard)

    def audio_prompt_at(self, clip: int, middle: float) -> AudioPrompt | None:
        """The clip around frame ``middle`` as a text-audio model hears it, or None where nothing is stored."""
        if self.heard is None:
            return None
        return self.heard.window(clip, self.clips[clip]["frames"], middle, float(self.frame_rate))

    def facts(self, clips: Sequence[int], firsts: Sequence[int], length: int) -> tuple[Facts | None, ...]:
        """The facts of windows, see :mod:`flowmusic.data.played`; empty where none has any."""
        found = tuple(
            played.of_window(self.clips[clip], self.frame_rate, first, length)
            for clip, first in zip(clips, firsts, strict=True)
        )
        return found if any(each is not None for each in found) else ()

    def windows(self, clips: Sequence[int], firsts: Sequence[int], length: int) -> tuple[Tensor, dict[str, Track]]:
        """Latents ``[B, T, D]`` and tracks of windows that lie inside their clips: one gather per tensor."""
        grid = FrameGrid(self.frame_rate, length)
        begin = torch.as_tensor(self.starts[list(clips)] + np.asarray(firsts))
        index = (begin[:, None] + torch.arange(length)).to(self.tensors[LATENTS].device)
        tracks = {}
        for name in self.names:
            values = self.tensors[name][index]
            # Ids are one number a frame; what is more are features, whatever they are stored as.
            values = values.long() if values.ndim == 2 and not values.is_floating_point() else values.float()
            tracks[name] = Track(values, self.tensors[name + KNOWN][index], grid)
        return self.tensors[LATENTS][index].float(), tracks


def same_features(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Whether stored style features are those that are wanted; of a folder elsewhere the store knows the name alone."""
    if found is None:
        return False
    told, asked = ({"layer": None, **features} for features in (found, wanted))
    return told == asked or told == {**asked, "source": publishable.place(str(asked.get("source")))}


def _named(features: Mapping[str, Any] | None) -> str:
    if features is None:
        return "latents only"
    layer = "the last layer" if features.get("layer") is None else f"layer {features['layer']}"
    return f"{layer} of {features.get('kind')}:{features.get('source')}"


def kinds(store: LatentStore) -> dict[str, list[int]]:
    """Shape of one frame per tensor, but for who plays: that is made of the clips' descriptions, which not all tell."""
    stored = {key: tensor for key, tensor in store.tensors.items() if key.removesuffix(KNOWN) != instruments.NAME}
    return {key: list(tensor.shape[1:]) for key, tensor in sorted(stored.items())}


class LatentCrops:
    """Random windows as batches; batch k is a pure function of (seed, k).

    Args:
        store: where windows come from; shorter clips are left out.
        crop_seconds, batch, seed: as named.
        style_seconds: shortest and longest excerpt that stands for the style of a window; one length is drawn per
            batch, and the excerpt lies in the same clip outside the window.  None gives no style.
        pairs: how many further clips come along with a text and an excerpt each, for ``style_seconds`` only; clips
            without captions are none of them.
        drums_as_onsets: share of windows whose drum control loses its bands and levels, as when a person gives
            onset times only.
        prompts: what stands as text for a window.
    """

    def __init__(
        self,
        store: LatentStore,
        crop_seconds: float,
        batch: int,
        seed: int,
        drums_as_onsets: float = 0.15,
        style_seconds: Sequence[float] | None = None,
        pairs: int = 0,
        prompts: Prompts | None = None,
    ) -> None:
        self.store, self.batch, self.seed, self.drums_as_onsets = store, batch, seed, drums_as_onsets
        self.pairs, self.prompts = pairs, prompts or Prompts()
        if pairs and style_seconds is None:
            raise ValueError(f"pairs={pairs} of text and style need style_seconds")
        self.style_frames: tuple[int, int] | None = None
        if style_seconds is not None:
            shortest, longest = (round(seconds * float(store.frame_rate)) for seconds in style_seconds)
            if not 1 <= shortest <= longest:
                raise ValueError(f"style_seconds must be two ascending positive lengths, got {list(style_seconds)}")
            self.style_frames = (shortest, longest)
        self.grid = FrameGrid(store.frame_rate, round(crop_seconds * float(store.frame_rate)))
        self.usable = [i for i, clip in enumerate(store.clips) if clip["frames"] >= self.grid.length]
        if not self.usable:
            raise NoClipLongEnough(f"no clip of the store is as long as the window of {crop_seconds} s")

    def __call__(self, step: int, chosen: Sequence[int] | None = None) -> Batch:
        """Batch ``step``, of clips that are drawn here, or of those whose numbers in the store are given."""
        rng = np.random.default_rng((self.seed, step))
        clips, firsts, bandless = [], [], []
        texts: list[Prompt] = []
        styles: list[Style | None] = []
        # Streams of their own, so that windows are the same with and without style, and with audio as text.
        style_rng, prompt_rng = (np.random.default_rng((self.seed, step, stream)) for stream in (1, 3))
        excerpt = 0 if self.style_frames is None else int(style_rng.integers(*self.style_frames, endpoint=True))
        for row in range(self.batch):
            clip = self.usable[rng.integers(len(self.usable))] if chosen is None else chosen[row]
            info = self.store.clips[clip]
            first = int(rng.integers(info["frames"] - self.grid.length + 1))
            if "drums" in self.store.names and rng.random() < self.drums_as_onsets:
                bandless.append(row)
            if excerpt:
                begin = outside(info["frames"], first, self.grid.length, excerpt, style_rng)
                styles.append(None if begin is None else self.store.excerpt(clip, begin, excerpt))
            clips.append(clip)
            firsts.append(first)
            texts.append(self._prompt(clip, first + self.grid.length / 2, rng, prompt_rng))
        latents, tracks = self.store.windows(clips, firsts, self.grid.length)
        for row in bandless:
            track = Track(tracks["drums"].values[row], tracks["drums"].known[row], self.grid)
            tracks["drums"].values[row] = as_onsets(track).values
        facts = self.store.facts(clips, firsts, self.grid.length)
        controls = Controls(tuple(texts), tracks, tuple(styles), facts)
        return Batch(latents, controls, self.grid, self._pairs(excerpt, step), step)

    def _pairs(self, excerpt: int, step: int) -> Controls:
        """Texts and styles of different clips, each excerpt from anywhere in its clip, the whole of a shorter one."""
        rng, prompt_rng = (np.random.default_rng((self.seed, step, stream)) for stream in (2, 4))
        texts: list[Prompt] = []
        styles: list[Style | None] = []
        for index in rng.permutation(self.usable) if self.pairs else ():
            info = self.store.clips[index]
            length = min(excerpt, info["frames"])
            first = int(rng.integers(info["frames"] - length + 1))
            text = self._prompt(index, first + length / 2, rng, prompt_rng)
            # A clip that nothing is said of makes no pair.
            if text is not None:
                styles.append(self.store.excerpt(index, first, length))
                texts.append(text)
            if len(texts) == self.pairs:
                break
        return Controls(tuple(texts), {}, tuple(styles))

    def _prompt(self, clip: int, middle: float, rng: np.random.Generator, prompt_rng: np.random.Generator) -> Prompt:
        captions = self.store.clips[clip]["captions"]
        caption = captions[rng.integers(len(captions))] if captions else None
        heard = self.store.audio_prompt_at(clip, middle) if self.prompts.listens else None
        return self.prompts(caption, heard, prompt_rng)


def outside(frames: int, first: int, length: int, excerpt: int, rng: np.random.Generator) -> int | None:
    """Where an excerpt may begin so that it shares no frame with the window, or None where it fits nowhere."""
    before, after = max(0, first - excerpt + 1), max(0, frames - (first + length) - excerpt + 1)
    if before + after == 0:
        return None
    place = int(rng.integers(before + after))
    return place if place < before else first + length + place - before


def as_onsets(track: Track) -> Track:
    """The drum control as if only onset times were known: every band at the default level where any has a hit."""
    drawing = drums.to_drawing(track)
    hit = (drawing.amax(0, keepdim=True) > 0).expand_as(drawing)
    return drums.from_drawing(hit.to(drawing.dtype) * drums.DEFAULT_LEVEL, track.grid, track.known)
