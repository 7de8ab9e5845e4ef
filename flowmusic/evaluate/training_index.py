"""What a model was trained on, to be searched for the nearest clip: a corpus by sound, or a store by its latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic import audio as audio_tools
from flowmusic import disk, progress
from flowmusic.audio import Audio
from flowmusic.corpus import reader
from flowmusic.data.store_files import index_of, read_store
from flowmusic.evaluate.cache import key_of
from flowmusic.evaluate.test_set import digest_of
from flowmusic.files import replacing
from flowmusic.metrics.copying import nearest, token_agreement
from flowmusic.metrics.style import CHUNK_SECONDS, EMBEDDING, Reference, chunks, mel_stats
from flowmusic.tensors import read as read_tensors
from flowmusic.types import Codec

TRAIN = "train"
PART = 256
"""Clips per file of the index of a corpus."""


@dataclass(frozen=True)
class Found:
    """The nearest training clip: similarity of the embedding (cosine), and agreement of codec tokens or None."""

    song: str
    similarity: float
    tokens: float | None


@dataclass(frozen=True)
class TrainingIndex:
    """The training clips.

    Args:
        reference: embeddings of their chunks.
        embed: recording ``[C, N]`` -> embeddings of its chunks ``[C', E]``.
        latents_of: a training clip's latents ``[T, D]`` by its name.
        codec: the model's; without a quantiser there are no tokens to compare.
        fingerprint: changes with the clips and the embedding.
        described: in words, for the report.
    """

    reference: Reference
    embed: Callable[[Audio], Tensor]
    latents_of: Callable[[str], Tensor]
    codec: Codec
    fingerprint: str
    described: str

    def look_up(self, audio: Audio) -> Found:
        """The clip nearest to a recording."""
        best = nearest(self.reference, self.embed(audio))
        ours = first_codebook(self.codec, encode(self.codec, audio))
        theirs = first_codebook(self.codec, self.latents_of(best.song))
        if ours is None or theirs is None:
            return Found(best.song, best.similarity, None)
        window = round(CHUNK_SECONDS * float(self.codec.frame_rate))
        return Found(best.song, best.similarity, token_agreement(ours, theirs, window))


def of_corpus(folder: Path, codec: Codec, cache: Path) -> TrainingIndex:
    """The training split of a corpus, embedded once into ``cache``.

    Raises: FileNotFoundError for a folder that is no corpus; ValueError for fewer than two training clips.
    """
    clips = reader.clips(folder, TRAIN)
    if len(clips) < 2:
        raise ValueError(f"the train split of {folder} has {len(clips)} clips; at least 2 are needed")
    fingerprint = key_of(EMBEDDING, CHUNK_SECONDS, codec.rate, digest_of([folder / "manifest.jsonl"]), len(clips))
    by_name = {clip.id: clip for clip in clips}

    def latents_of(song: str) -> Tensor:
        return encode(codec, audio_tools.mono(audio_tools.read(by_name[song].audio, rate=codec.rate)))

    return TrainingIndex(
        _indexed(clips, codec.rate, cache, fingerprint),
        lambda audio: torch.stack([mel_stats(part) for part in chunks(audio)]),
        latents_of,
        codec,
        fingerprint,
        f"{EMBEDDING} of chunks of {CHUNK_SECONDS:g} s, {len(clips)} training clips",
    )


def of_latents(folder: Path, codec: Codec) -> TrainingIndex:
    """The training split of a store of latents; a chunk is the mean and deviation of its latents.

    Raises: FileNotFoundError for a folder that is no store; ValueError for one that another codec made.
    """
    store = read_store(folder, TRAIN)
    dim = store.tensors["latents"].shape[1]
    if store.frame_rate != codec.frame_rate or dim != codec.dim:
        raise ValueError(
            f"{folder} holds latents of {dim} channels at {float(store.frame_rate):g} Hz, the model's codec has "
            f"{codec.dim} at {float(codec.frame_rate):g} Hz; give the store that the model was trained on"
        )
    places = {str(clip["id"]): number for number, clip in enumerate(store.clips)}

    def latents_of(song: str) -> Tensor:
        return store.crop(places[song], 0, store.clips[places[song]]["frames"])[0]

    window = round(CHUNK_SECONDS * float(codec.frame_rate))
    rows, songs = [], []
    for song in places:
        moments = _moments(latents_of(song), window)
        rows.append(moments)
        songs += [song] * len(moments)
    return TrainingIndex(
        Reference.of(torch.cat(rows), songs),
        lambda audio: _moments(encode(codec, audio), window),
        latents_of,
        codec,
        key_of("latents", CHUNK_SECONDS, digest_of([index_of(folder, TRAIN)])),
        f"mean and deviation of latents over {CHUNK_SECONDS:g} s, {len(places)} training clips",
    )


@torch.no_grad()
def encode(codec: Codec, audio: Audio) -> Tensor:
    """Latents of one recording on the CPU.  Shape: ``[C, N] -> [T, D]``."""
    batch = Audio(audio.samples[None].to(_device(codec)), audio.rate)
    return codec.encode(batch)[0].float().cpu()


def first_codebook(codec: Any, latents: Tensor) -> Tensor | None:
    """Codes of the first codebook, or None for a codec without.  Shape: ``[T, D] -> [T]``."""
    if not hasattr(codec, "codes") or getattr(codec, "quantizer", codec) is None:
        return None
    codes: Tensor = codec.codes(latents[None].to(_device(codec)))[0, 0]
    return codes.cpu()


def _device(codec: object) -> torch.device:
    """Where a codec computes."""
    weight = next(codec.parameters(), None) if isinstance(codec, nn.Module) else None
    return torch.device("cpu") if weight is None else weight.device


def _moments(latents: Tensor, window: int) -> Tensor:
    """Mean and deviation of whole windows; what is shorter is one.  Shape: ``[T, D] -> [C, 2 D]``."""
    count = max(1, len(latents) // window)
    parts = latents[: count * window].reshape(count, -1, latents.shape[1])
    return torch.cat([parts.mean(1), parts.std(1, correction=0)], 1)


def _indexed(clips: Sequence[reader.Clip], rate: int, cache: Path, fingerprint: str) -> Reference:
    """Embeddings of every chunk, in files of :data:`PART` clips, so that a run that was killed goes on."""
    cache.mkdir(parents=True, exist_ok=True)
    rows, songs = [], []
    with progress.Bar("training clips", "clip", len(clips)) as bar:
        for first in range(0, len(clips), PART):
            part = clips[first : first + PART]
            embeddings, counts = _part(cache / f"{fingerprint}-{first // PART:05d}.safetensors", part, rate, bar.update)
            rows.append(embeddings)
            songs += [clip.id for clip, count in zip(part, counts, strict=True) for _ in range(count)]
    return Reference.of(torch.cat(rows), songs)


def _part(path: Path, clips: Sequence[reader.Clip], rate: int, tell: Callable[[int], Any]) -> tuple[Tensor, list[int]]:
    from safetensors.torch import save_file

    found = disk.remembered(path, lambda kept: read_tensors(kept)[0])
    if found is not None:
        tell(len(clips))
        return found["embeddings"], found["counts"].tolist()
    rows: list[Tensor] = []
    counts = []
    for clip in clips:
        # At the rate of the takes: another bandwidth is another sound.
        parts = [mel_stats(part) for part in chunks(audio_tools.mono(audio_tools.read(clip.audio, rate=rate)))]
        rows += parts
        counts.append(len(parts))
        tell(1)
    tensors = {"embeddings": torch.stack(rows), "counts": torch.tensor(counts)}
    with disk.spared(path, "it is made again by the next run"), replacing(path) as temporary:
        save_file(tensors, temporary)
    return tensors["embeddings"], counts
