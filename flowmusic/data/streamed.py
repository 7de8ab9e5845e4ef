"""The Lightning data module of shards: field training on data that do not fit into memory."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from torch.utils.data import DataLoader

from flowmusic import publishable
from flowmusic.data.audio_prompts import ClipVectors
from flowmusic.data.errors import WrongData
from flowmusic.data.latents import LatentCrops, LatentStore, same_features
from flowmusic.data.module import FieldData
from flowmusic.data.shards import ShardIndex
from flowmusic.data.store_files import as_store, load_shard
from flowmusic.data.stream import Order, ShardCrops


class ShardData(FieldData):
    """Clips of a folder of shards, or of an address; the ``train`` split is streamed, ``validation`` is in memory.

    Args:
        location: folder, or address (``http://HOST/PATH``, ``pipe:gsutil cat gs://BUCKET/PATH``), that
            ``flowmusic build`` filled.
        crop_seconds, batch, seed, validation_batches, validation_crop_seconds, drums_as_onsets, style_seconds, pairs,
            style_features: as for :class:`flowmusic.data.module.LatentData`; ``batch`` is that of one process.
        group: shards that are in memory at once, and as many again that are being read; their clips are mixed.
        windows: windows of each clip while it is in memory.
        workers: processes that read and cut beside each training process, each with shards of its own; 0 reads in the
            background of the training process.
        lanes: in how many sequences the shards are dealt; None: one for each reading process.  A number that stays
            keeps the order of clips when the number of processes changes.
        min_confidence: per control, frames that were recognised with less are unknown.
        verify: compare the SHA-256 of every shard that is read with the index.
        validation_shards: so many of the ``validation`` split are read, evenly spread; None: all, which a large split
            makes too much for memory.
        text_cache: encoded prompts that are kept in memory.
        text_from, audio_text, captioned, prompts: as for :class:`flowmusic.data.module.LatentData`.
    """

    def __init__(
        self,
        location: str,
        crop_seconds: float = 10.0,
        batch: int = 16,
        seed: int = 0,
        validation_batches: int = 4,
        validation_crop_seconds: float = 10.0,
        drums_as_onsets: float = 0.15,
        style_seconds: Sequence[float] | None = None,
        pairs: int = 0,
        style_features: Mapping[str, Any] | None = None,
        group: int = 4,
        windows: int = 1,
        workers: int = 0,
        lanes: int | None = None,
        min_confidence: Mapping[str, float] | None = None,
        verify: bool = True,
        validation_shards: int | None = 16,
        text_cache: int = 10_000,
        text_from: str = "captions",
        audio_text: float = 0.5,
        captioned: float = 1.0,
        prompts: str | None = None,
    ) -> None:
        super().__init__()
        self.hearing(style_features, text_from, audio_text, captioned, prompts)
        self.location, self.batch, self.seed, self.pairs = str(location), batch, seed, pairs
        self.crop_seconds, self.validation_crop_seconds = crop_seconds, validation_crop_seconds
        self.validation_batches, self.drums_as_onsets = validation_batches, drums_as_onsets
        self.style_seconds = style_seconds
        self.group, self.windows, self.workers, self.lanes = group, windows, workers, lanes
        self.min_confidence = dict(min_confidence or {})
        self.verify, self.validation_shards, self.text_cache = verify, validation_shards, text_cache
        for name, least in self.min_confidence.items():
            if not 0.0 <= least <= 1.0:
                raise ValueError(f"data.min_confidence.{name} must be in [0, 1], got {least}")
        if validation_shards is not None and validation_shards < 1:
            raise ValueError(f"data.validation_shards must be 1 or more, or null for all, got {validation_shards}")
        if workers < 0 or (lanes is not None and lanes < 1):
            raise ValueError(f"data.workers must be 0 or more and data.lanes 1 or more, got {workers} and {lanes}")

    def setup(self, stage: str) -> None:
        if hasattr(self, "train_index"):
            return
        train, validation = (ShardIndex.read(self.location, split) for split in ("train", "validation"))
        for index in (train, validation):
            self._check_style(index)
        heard = self.style_features is not None
        every = max(1, -(-len(validation.shards) // (self.validation_shards or len(validation.shards) or 1)))
        samples = [s for info in validation.shards[::every] for s in load_shard(self.location, info, self.verify)]
        if not samples:
            raise WrongData(f"the validation split of {self.location} holds no clips; build it with some")
        self.validation_store = as_store(samples, validation, self.min_confidence, heard)
        strangers = sorted(set(self.min_confidence) - set(self.validation_store.names))
        if strangers:
            raise WrongData(
                f"data.min_confidence names {strangers[0]!r}; the controls of {self.location} are: "
                f"{', '.join(self.validation_store.names)}"
            )
        self.check_heard(self.validation_store.heard, self.location)
        self.train_index = train

    def _check_style(self, index: ShardIndex) -> None:
        wanted, found = self.style_features, index.style_features
        if wanted is not None and not same_features(found, wanted):
            raise WrongData(
                f"the style is to hear {dict(wanted)}, and the {index.split} shards of {self.location} hold "
                f"{'latents only' if found is None else dict(found)}; build shards with these features"
            )

    @property
    def frame_rate(self) -> Fraction:
        return self.train_index.frame_rate

    @property
    def description(self) -> str:
        """What was trained on, for a model's card."""
        index = self.train_index
        settings = publishable.cleaned(index.settings)  # shards of before were not
        built = ", ".join(f"{key} {value}" for key, value in sorted(settings.items()) if isinstance(value, str))
        return f"{index.clips} clips, {index.seconds / 3600:.2f} hours, from shards" + (f" ({built})" if built else "")

    def captions(self) -> list[str]:
        """Those of no clip: a stream has more than anyone would encode beforehand; they are encoded as they come."""
        return list(self.unpaired)

    def central(self) -> tuple[ClipVectors | None, list[str]]:
        """Of the first shards: means need no more."""
        infos = self.train_index.shards[: self.group]
        samples = [clip for info in infos for clip in load_shard(self.location, info, self.verify)]
        store = as_store(samples, self.train_index, {}, style=False).captioned(self.captioned)
        return store.heard, list(dict.fromkeys([*store.captions(), *self.unpaired]))

    def order(self) -> Order:
        """Which clips make which batch."""
        world = 1 if self.trainer is None else self.trainer.world_size
        lanes = self.lanes or world * max(1, self.workers)
        return Order(self.train_index, self.batch, self.seed, lanes, self.group, self.windows)

    def train_dataloader(self) -> DataLoader:
        heard = self.style_features is not None
        like = self.validation_store.tensors
        stream = ShardCrops(
            self.location, self.order(), self._train_crops, self.min_confidence, heard, self.verify, like
        )
        return self.numbered(stream, self.workers)

    def _train_crops(self, store: LatentStore) -> LatentCrops:
        return self._crops(store.captioned(self.captioned), self.crop_seconds, self.seed, self.train_prompts)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), **self._what_orders()}

    def _what_orders(self) -> dict[str, int]:
        return {"lanes": self.order().lanes, "batch": self.batch, "clips": self.train_index.clips}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        here = self._what_orders()
        changed = [f"{name} {state_dict[name]} -> {here[name]}" for name in here if state_dict[name] != here[name]]
        if changed and (self.trainer is None or self.trainer.is_global_zero):
            same = f" (data.lanes={state_dict['lanes']} keeps it)" if changed[0].startswith("lanes") else ""
            print(
                f"notice: {', '.join(changed)} since the checkpoint: from here on clips come in another order{same}",
                file=sys.stderr,
            )
