"""Lightning data modules.  All number their batches over processes and time, which makes resuming exact."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from flowmusic.corpus import reader as corpus
from flowmusic.data import clip_checks
from flowmusic.data.audio_prompts import ClipVectors, Prompts, read_prompts
from flowmusic.data.clip_checks import SAID
from flowmusic.data.crops import WaveCrops
from flowmusic.data.errors import WrongData
from flowmusic.data.latents import Batch, LatentCrops, LatentStore
from flowmusic.data.mels import MelStore, MelWindows
from flowmusic.data.steps import Steps, TimedLoader
from flowmusic.data.store_files import read_store

VALIDATION_SEED = 1_000_003
"""Validation batches never follow the training seed, so that runs with different seeds share them."""


class NumberedData(LightningDataModule):
    """A data module whose training batches are numbered, and which goes on where a checkpoint left off.

    Batch m of W processes is batch ``m // W`` of process ``m % W``.  So W processes see what one process sees that
    accumulates gradients over W batches, and after a change of either the count goes on, and no batch comes twice.
    """

    begun_at: tuple[int, int] = (0, 0)
    """The global step of the checkpoint that this sitting began with, and the batches that were made before it."""

    def numbered(self, make: Callable[[int], Any], workers: int = 0) -> DataLoader:
        """The training batches of this process, from where the run is."""
        if self.trainer is None:
            return TimedLoader(Steps(make), batch_size=None, num_workers=workers)
        world = self.trainer.world_size
        first = -(-self._batches() // world)
        steps = Steps(make, first, None, self.trainer.global_rank, world)
        return TimedLoader(steps, batch_size=None, num_workers=workers)

    def _batches(self) -> int:
        """Batches that all processes have made together, as counted by optimiser steps."""
        assert self.trainer is not None
        step, batches = self.begun_at
        each = self.trainer.accumulate_grad_batches * self.trainer.world_size
        return batches + (self.trainer.global_step - step) * each

    def state_dict(self) -> dict[str, Any]:
        assert self.trainer is not None
        return {"global_step": self.trainer.global_step, "batches": self._batches()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.begun_at = (state_dict["global_step"], state_dict["batches"])


class CodecData(NumberedData):
    """Waveform crops of a corpus folder for codec training.

    Args:
        folder: corpus folder.
        rate: Hz.
        crop_seconds: rounded down to a multiple of ``hop`` samples.
        batch, seed: training batch and its seed.
        validation_batches: how many batches a validation pass reads.
        limit: at most so many clips (None: all).
    """

    def __init__(
        self,
        folder: str,
        rate: int = 32_000,
        hop: int = 1280,
        crop_seconds: float = 1.28,
        batch: int = 12,
        seed: int = 0,
        validation_batches: int = 4,
        limit: int | None = None,
    ) -> None:
        super().__init__()
        self.folder, self.rate, self.batch, self.seed, self.limit = folder, rate, batch, seed, limit
        self.validation_batches = validation_batches
        self.crop_samples = int(crop_seconds * rate) // hop * hop
        if self.crop_samples < 4 * hop:
            raise ValueError(f"crop_seconds={crop_seconds} holds fewer than four latent frames of {hop} samples")

    def setup(self, stage: str) -> None:
        if hasattr(self, "train_crops"):
            return
        train = corpus.clips(self.folder, "train", self.limit)
        validation = corpus.clips(self.folder, "validation", self.limit)
        self.train_crops = WaveCrops(train, self.rate, self.crop_samples, self.batch, self.seed)
        self.validation_crops = WaveCrops(validation, self.rate, self.crop_samples, self.batch, VALIDATION_SEED)

    def train_dataloader(self) -> DataLoader:
        return self.numbered(self.train_crops)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Steps(self.validation_crops, 0, self.validation_batches), batch_size=None)


class FieldData(NumberedData):
    """What data modules of latents and controls have in common."""

    batch: int
    drums_as_onsets: float
    style_seconds: Sequence[float] | None
    pairs: int
    validation_batches: int
    validation_crop_seconds: float
    validation_store: LatentStore
    text_cache: int = 0
    """Encoded prompts to keep beside those of :meth:`captions`."""
    train_prompts: Prompts
    unpaired: Sequence[str]
    """Texts that belong to no clip."""

    def hearing(
        self,
        style_features: Mapping[str, Any] | None,
        text_from: str,
        audio_text: float,
        captioned: float,
        prompts: str | None,
    ) -> None:
        """Settle what style hears and what stands as text; for arguments see :class:`LatentData`."""
        self.style_features = None if style_features is None else {"layer": None, **style_features}
        self.train_prompts, self.captioned = Prompts(text_from, audio_text), captioned
        self.unpaired = [] if prompts is None else read_prompts(prompts)

    @property
    def validation_prompts(self) -> Prompts:
        """Captions wherever there are any, as at generation there will be."""
        return Prompts("mixed", 0.0) if self.train_prompts.listens else self.train_prompts

    def central(self) -> tuple[ClipVectors | None, list[str]]:
        """What training clips sound like, and texts: those that each side of a text-audio model is centred by."""
        raise NotImplementedError

    def check_heard(self, heard: object, where: str | Path) -> None:
        """Raises: WrongData if recordings are to stand in for words, and the shards do not say how they sound."""
        if heard is None and self.train_prompts.listens:
            raise WrongData(
                f"text_from={self.train_prompts.text_from} needs what clips sound like, which {where} does not hold; "
                "build it with text_audio=nano_text_audio (flowmusic build)"
            )

    def check_facts(self) -> None:
        """For a model that is told facts: say how many of the clips tell any, if not all.

        Of a stream, the clips of validation stand for all.  Raises: WrongData if none does.
        """
        clips = getattr(self, "train_store", self.validation_store).clips
        told = sum(SAID in clip for clip in clips)
        advice = "flowmusic build corpus=DIR out=DIR add_facts=true writes those of a corpus into shards that are there"
        if not told:
            raise WrongData(f"the model is told facts, and no clip of the data has any; {advice}")
        if told < len(clips):
            print(f"notice: {told} of {len(clips)} clips tell facts; {advice}", file=sys.stderr)

    @property
    def style_dim(self) -> int:
        """Channels of what style is heard with."""
        return self.validation_store.style_dim

    def captions(self) -> list[str]:
        """Prompts that are worth encoding before the first step."""
        raise NotImplementedError

    @property
    def text_folder(self) -> Path | None:
        """Where encoded prompts are kept, or None for nowhere."""
        return None

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Lightning cannot rebuild a frozen dataclass, so the batch moves itself."""
        return replace(
            batch,
            latents=batch.latents.to(device),
            controls=batch.controls.to(device),
            pairs=batch.pairs.to(device),
        )

    def val_dataloader(self) -> DataLoader:
        """The same batches in every process: figures need no averaging, and do not depend on how many there are."""
        seconds = self.validation_crop_seconds
        make = self._crops(self.validation_store, seconds, VALIDATION_SEED, self.validation_prompts)
        return DataLoader(Steps(make, 0, self.validation_batches), batch_size=None)

    def _crops(self, store: LatentStore, seconds: float, seed: int, prompts: Prompts) -> LatentCrops:
        given = (self.drums_as_onsets, self.style_seconds, self.pairs, prompts)
        return LatentCrops(store, seconds, self.batch, seed, *given)


class LatentData(FieldData):
    """Precomputed latents and controls for field training (written by ``flowmusic build``).

    Args:
        folder: folder of the store.
        crop_seconds: window in seconds; shorter windows mean more different clips per second of compute.
        batch, seed: training batch and its seed.
        validation_batches: how many batches a validation pass reads.
        validation_crop_seconds: window in validation, usually the generator's.
        drums_as_onsets, style_seconds, pairs: see :class:`LatentCrops`.
        more: folders of further stores whose training clips join those of ``folder``.
        style_features: what style is heard with, see :class:`LatentStore`; None: latents.
        resident: keep the training store on the trainer's device and cut windows there.  18 hours of 128 channels at
            25 Hz are 0.6 GB with their controls, and a GPU then waits neither for slices nor for copies.
        text_from, audio_text: what stands as text for a training window, see
            :class:`flowmusic.data.audio_prompts.Prompts`.  In validation it is a caption wherever there is one, as at
            generation it will be.
        captioned: share of the training clips whose captions are used; for experiments on how few will do.
        prompts: file with a text per line, which need not belong to any clip: what the text side is centred by where
            captions are few or missing.
    """

    def __init__(
        self,
        folder: str,
        crop_seconds: float = 10.0,
        batch: int = 16,
        seed: int = 0,
        validation_batches: int = 4,
        validation_crop_seconds: float = 10.0,
        drums_as_onsets: float = 0.15,
        style_seconds: Sequence[float] | None = None,
        pairs: int = 0,
        more: Sequence[str] = (),
        style_features: Mapping[str, Any] | None = None,
        resident: bool = False,
        text_from: str = "captions",
        audio_text: float = 0.5,
        captioned: float = 1.0,
        prompts: str | None = None,
    ) -> None:
        super().__init__()
        self.hearing(style_features, text_from, audio_text, captioned, prompts)
        self.folder, self.batch, self.seed, self.resident = Path(folder), batch, seed, resident
        self.pairs, self.more = pairs, tuple(more)
        self.crop_seconds, self.validation_crop_seconds = crop_seconds, validation_crop_seconds
        self.validation_batches = validation_batches
        self.drums_as_onsets, self.style_seconds = drums_as_onsets, style_seconds

    def setup(self, stage: str) -> None:
        if hasattr(self, "train_store"):
            return
        stores = [self._read(f, "train") for f in [str(self.folder), *self.more]]
        self.train_store = LatentStore.joined(stores).captioned(self.captioned)
        self.validation_store = self._read(self.folder, "validation")
        other = clip_checks.other_kind(self.train_store.tensors, self.validation_store.tensors)
        if other is not None:
            raise WrongData(f"the validation split of {self.folder} {other}; build both splits with one command")

    def _read(self, folder: str | Path, split: str) -> LatentStore:
        store = read_store(folder, split).with_style_features(self.style_features, folder)
        self.check_heard(store.heard, folder)
        return store

    @property
    def frame_rate(self) -> Fraction:
        return self.train_store.frame_rate

    def captions(self) -> list[str]:
        own = [*self.train_store.captions(), *self.validation_store.captions()]
        return list(dict.fromkeys([*own, *self.unpaired]))

    def central(self) -> tuple[ClipVectors | None, list[str]]:
        return self.train_store.heard, list(dict.fromkeys([*self.train_store.captions(), *self.unpaired]))

    @property
    def text_folder(self) -> Path | None:
        return self.folder

    def train_dataloader(self) -> DataLoader:
        store = self.train_store
        if self.trainer is not None and self.resident:
            store = store.to(self.trainer.strategy.root_device)
        return self.numbered(self._crops(store, self.crop_seconds, self.seed, self.train_prompts))


class TextAudioData(NumberedData):
    """Log-mel windows and captions of corpora, for contrastive training.

    Args:
        corpus, more: corpus folders; the training clips of all of them join, and so do the validation clips.
        folder: where spectrograms and text states are kept; made when they are first needed.
        features: mono samples ``[N]`` at ``rate`` to log-mel ``[frames, K]``.
        rate, hop: Hz, and samples between frames.
        seconds: shortest and longest window.
        batch, captions, seed: clips of a training batch, captions of each, and its seed.
        validation_batch, validation_batches: clips of a validation batch (fewer if there are not so many, for the
            figures depend on their number), and batches of a pass.
        limit: at most so many clips of each corpus (None: all).
    """

    def __init__(
        self,
        corpus: str,
        folder: str,
        features: Callable[[Tensor], Tensor],
        rate: int = 32_000,
        hop: int = 1024,
        seconds: Sequence[float] = (5.0, 10.0),
        batch: int = 64,
        captions: int = 3,
        seed: int = 0,
        validation_batch: int = 64,
        validation_batches: int = 2,
        more: Sequence[str] = (),
        limit: int | None = None,
    ) -> None:
        super().__init__()
        self.folders, self.folder, self.features = (corpus, *more), Path(folder), features
        self.rate, self.frame_rate, self.seconds, self.limit = rate, rate / hop, tuple(seconds), limit
        self.batch, self.captions, self.seed = batch, captions, seed
        self.validation_batch, self.validation_batches = validation_batch, validation_batches

    def setup(self, stage: str) -> None:
        if hasattr(self, "train_store"):
            return
        self.train_store = self._store("train")
        self.validation_store = self._store("validation")

    def _store(self, split: str) -> MelStore:
        return MelStore.of_corpora(
            self.folders, split, self.folder, self.features, self.rate, self.frame_rate, self.limit
        )

    def train_dataloader(self) -> DataLoader:
        return self.numbered(MelWindows(self.train_store, self.seconds, self.batch, self.captions, self.seed))

    def val_dataloader(self) -> DataLoader:
        longest, batch = self.seconds[-1], min(self.validation_batch, len(self.validation_store))
        windows = MelWindows(self.validation_store, (longest, longest), batch, self.captions, VALIDATION_SEED)
        return DataLoader(Steps(windows, 0, self.validation_batches), batch_size=None)
