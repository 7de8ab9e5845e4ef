"""Log-mel spectrograms of corpora beside their captions: the store on disk, and random windows as training batches.

A store is a folder with ``NNNNN.safetensors`` shards (the spectrograms of 64 clips end to end, fp16) and as many
``NNNNN.json`` (id, frames, captions), each written after its shard.  A build that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic import disk, plain
from flowmusic.corpus import reader
from flowmusic.corpus.reader import Clip
from flowmusic.files import replacing, write_json
from flowmusic.progress import over
from flowmusic.tensors import read as read_tensors

SHARD = 64
Batch = tuple[Tensor, list[list[str]]]
"""Windows ``[B, F, K]``, and so many captions of each."""


class MelStore:
    """One split of some corpora.

    Args:
        shards: spectrograms end to end, ``[frames, K]`` each.
        clips: per shard, in its order, ``{"id", "frames", "captions"}``.
        frame_rate: frames a second.
    """

    def __init__(self, shards: Sequence[Tensor], clips: Sequence[Sequence[dict[str, Any]]], frame_rate: float) -> None:
        self.frame_rate = frame_rate
        self.clips: list[dict[str, Any]] = []
        self._parts: list[Tensor] = []
        for shard, listed in zip(shards, clips, strict=True):
            lengths = [clip["frames"] for clip in listed]
            if sum(lengths) != len(shard):
                raise ValueError(f"the clips of a shard have {sum(lengths)} frames, its tensor {len(shard)}")
            self.clips += listed
            self._parts += shard.split(lengths)

    @staticmethod
    def of_corpora(
        folders: Sequence[str | Path],
        split: str,
        out: str | Path,
        features: Callable[[Tensor], Tensor],
        rate: int,
        frame_rate: float,
        limit: int | None = None,
    ) -> MelStore:
        """Read the store of a split, after making what is missing of it.

        Args:
            folders: corpora, of which some may have no clip in this split.
            out: folder of all stores; each corpus has one in it, named after its manifest and the features.
            features: mono samples ``[N]`` at ``rate`` to ``[frames, K]``; its ``repr`` tells it from others.
            rate: Hz.
            frame_rate: frames a second.
            limit: at most so many clips of each corpus (None: all).

        Raises: FileNotFoundError for a folder that is no finished corpus; ValueError if there is no clip at all.
        """
        shards, clips = [], []
        for folder in folders:
            found = reader.clips(folder, split, limit)
            manifest = (Path(folder) / "manifest.jsonl").read_bytes()
            key = hashlib.sha256(manifest + repr(features).encode()).hexdigest()[:12]
            store = Path(out) / f"{split}-{key}"
            begins = range(0, len(found), SHARD)
            for number, begin in enumerate(over(begins, f"log-mel of {split}", "part")):
                part = found[begin : begin + SHARD]
                # The number of clips is in the name: a limit cuts a shard short.
                base = store / f"{number:05d}-{len(part)}"
                mel, listed = disk.remembered(base.with_suffix(".json"), _read) or _make(part, base, features, rate)
                shards.append(mel)
                clips.append(listed)
        if not shards:
            raise ValueError(f"no clips in the {split} split of {', '.join(map(str, folders))}")
        return MelStore(shards, clips, frame_rate)

    def __len__(self) -> int:
        return len(self.clips)

    def captions(self) -> list[str]:
        """Every caption once."""
        return sorted({caption for clip in self.clips for caption in clip["captions"]})

    def window(self, clip: int, first: int, length: int) -> Tensor:
        """Frames of a clip, fewer at its end.  Shape: ``[length, K]``."""
        return self._parts[clip][first : first + length].float()


def _read(listed: Path) -> tuple[Tensor, list[dict[str, Any]]]:
    """A shard by its list of clips.  Raises: whatever a damaged one makes its readers raise."""
    clips: list[dict[str, Any]] = plain.read_json(listed, 256 * plain.MIB)
    mel = read_tensors(listed.with_suffix(".safetensors"))[0]["mel"]
    if sum(clip["frames"] for clip in clips) != len(mel):
        raise ValueError("its clips and its frames do not go together")
    return mel, clips


def _make(
    clips: Sequence[Clip], base: Path, features: Callable[[Tensor], Tensor], rate: int
) -> tuple[Tensor, list[dict[str, Any]]]:
    """One shard, kept where it can be; its list of clips comes last and says that it is complete."""
    from safetensors.torch import save_file

    parts, listed = [], []
    for clip in clips:
        samples = audio_tools.mono(audio_tools.read(clip.audio, rate=rate)).samples[0]
        parts.append(features(samples).half())
        listed.append({"id": clip.id, "frames": len(parts[-1]), "captions": clip.labels["captions"]})
    mel = torch.cat(parts)
    with disk.spared(base.with_suffix(".safetensors"), "it is made again by the next run"):
        base.parent.mkdir(parents=True, exist_ok=True)
        with replacing(base.with_suffix(".safetensors")) as temporary:
            save_file({"mel": mel}, temporary)
        write_json(base.with_suffix(".json"), listed)
    return mel, listed


class MelWindows:
    """Random windows of different clips as batches; batch k is a pure function of (seed, k).

    Args:
        store: where windows come from; clips that are shorter than the shortest window are left out.
        seconds: shortest and longest window; one length is drawn per batch, and no longer than its shortest clip.
        batch: clips of a batch.
        captions: how many captions of each clip come along.
        seed: as named.

    Raises: ValueError for lengths that do not ascend, or fewer clips than a batch needs.
    """

    def __init__(self, store: MelStore, seconds: Sequence[float], batch: int, captions: int, seed: int) -> None:
        shortest, longest = (round(s * store.frame_rate) for s in seconds)
        if not 1 <= shortest <= longest:
            raise ValueError(f"seconds must be two ascending positive lengths, got {list(seconds)}")
        self.store, self.batch, self.captions, self.seed = store, batch, captions, seed
        self.frames = (shortest, longest)
        self.usable = np.array([n for n, clip in enumerate(store.clips) if clip["frames"] >= shortest])
        if len(self.usable) < batch:
            raise ValueError(f"{len(self.usable)} clips last {seconds[0]} s or more, a batch needs {batch}")

    def __call__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        picked = rng.choice(self.usable, self.batch, replace=False)
        lengths = [self.store.clips[n]["frames"] for n in picked]
        frames = min(int(rng.integers(*self.frames, endpoint=True)), *lengths)
        windows, texts = [], []
        for clip, length in zip(picked, lengths, strict=True):
            windows.append(self.store.window(clip, int(rng.integers(length - frames + 1)), frames))
            captions = self.store.clips[clip]["captions"]
            texts.append([captions[n] for n in rng.integers(len(captions), size=self.captions)])
        return torch.stack(windows), texts
