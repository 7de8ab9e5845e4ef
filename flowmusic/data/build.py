"""From a corpus to a store of latents and controls.  Parallel, resumable: finished shards are kept.

Codec, drum extractor and style features come in as objects, so this module depends on none of them.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from flowmusic import audio as audio_tools
from flowmusic.controls import beats, chords, melody
from flowmusic.data import corpus
from flowmusic.data.latents import FEATURES, KNOWN, LATENTS
from flowmusic.types import Audio, Codec, FrameGrid, StyleFeatures, Track

DrumExtractor = Callable[[Audio, FrameGrid], Track]
Maker = Callable[[], tuple[Codec, DrumExtractor]]
"""Builds codec and drum extractor inside a worker process; must be picklable."""


@dataclass(frozen=True)
class StyleSource:
    """Features that style is to be heard with.

    Attributes:
        settings: which they are: plain data, kept in the store.
        make: builds them inside a worker process; must be picklable.
    """

    settings: Mapping[str, Any]
    make: Callable[[], StyleFeatures]


def clip_tensors(
    clip: corpus.Clip, codec: Codec, drum_extractor: DrumExtractor, style: StyleFeatures | None = None
) -> dict[str, Tensor]:
    """Latents ``[T, D]``, every control and, where asked for, style features of one clip on the codec's frames.

    Chords, melody and beats come from the exact labels; drums come from the drum stem through the extractor that
    also serves recorded loops, so that training and use see the same kind of control.
    """
    audio = audio_tools.mono(audio_tools.read(clip.audio, rate=codec.rate))
    labels = clip.labels
    latents = codec.encode(Audio(audio.samples[None], audio.rate))[0]
    grid = FrameGrid(Fraction(codec.frame_rate), latents.shape[0])
    tracks = {
        "chords": chords.to_track([(a, b, label) for a, b, label in labels["chords"]], grid),
        "melody": melody.to_track(labels["melody"], grid),
        "drums": drum_extractor(audio_tools.read(clip.stem("drums")), grid),
        "beats": beats.to_track(labels["beats"], labels["downbeats"], grid),
    }
    tensors = {LATENTS: latents.half()}
    if style is not None:
        # From the file itself, as a style is taken of a recording: the codec's rate may be lower.
        tensors[FEATURES] = style(audio_tools.read(clip.audio), len(latents)).half()
    for name, track in tracks.items():
        tensors[name] = track.values.half() if track.values.is_floating_point() else track.values.to(torch.int16)
        tensors[name + KNOWN] = track.known
    return tensors


_worker: tuple[Codec, DrumExtractor, StyleFeatures | None] | None = None


def _start(make: Maker, style: StyleSource | None) -> None:
    global _worker
    torch.set_num_threads(1)  # one process per core is faster than threads inside one
    _worker = (*make(), None if style is None else style.make())


def _shard(clips: Sequence[corpus.Clip], path: Path, style: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    from safetensors import safe_open
    from safetensors.torch import save_file

    index_path = path.with_suffix(".clips.json")
    if path.exists() and index_path.exists():
        known: list[dict[str, Any]] = json.loads(index_path.read_text())
        with safe_open(path, "pt") as file:
            heard = json.loads((file.metadata() or {}).get(FEATURES, "null"))
        if [c["id"] for c in known] == [c.id for c in clips] and heard == style:
            return known
    assert _worker is not None
    rows = [clip_tensors(clip, *_worker) for clip in clips]
    tensors = {key: torch.cat([row[key] for row in rows]).contiguous() for key in rows[0]}
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, {} if style is None else {FEATURES: json.dumps(style)})
    os.replace(temporary, path)
    index = [
        {"id": clip.id, "frames": len(row["latents"]), "captions": clip.labels["captions"]}
        for clip, row in zip(clips, rows, strict=True)
    ]
    write_json(index_path, index)
    return index


def write_json(path: Path, value: Any) -> None:
    """Write plain data, whole or not at all; one writer a path at a time."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value))
    os.replace(temporary, path)


def build(
    corpus_folder: str | Path,
    out: str | Path,
    make: Maker,
    splits: Sequence[str] = ("train", "validation"),
    clips_per_shard: int = 64,
    workers: int = 2,
    style: StyleSource | None = None,
) -> None:
    """Write the store; a second call only makes what is missing, or has other style features.

    A split without clips is left out.  ``style`` adds features to hear style with; by default that is latents.

    Raises: FileNotFoundError if the corpus is unfinished or was written without drum stems; ValueError if it has no
        clips in any of the splits.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    found = {split: corpus.clips(corpus_folder, split) for split in splits}
    if not any(found.values()):
        raise ValueError(f"the corpus {corpus_folder} has no clips in {', '.join(splits)}; make it longer")
    settings = None if style is None else dict(style.settings)
    for split, clips in found.items():
        if not clips:
            continue
        groups = [clips[i : i + clips_per_shard] for i in range(0, len(clips), clips_per_shard)]
        paths = [out / f"{split}-{i:05d}.safetensors" for i in range(len(groups))]
        with ProcessPoolExecutor(workers, initializer=_start, initargs=(make, style)) as pool:
            shards = pool.map(_shard, groups, paths, itertools.repeat(settings))
            done = list(tqdm(shards, total=len(groups), desc=f"{split} latents"))
        codec, _ = make()
        index = {
            "frame_rate": str(Fraction(codec.frame_rate)),
            "shards": [p.name for p in paths],
            "clips": [clip for index in done for clip in index],
        }
        write_json(out / f"{split}.json", index if settings is None else {**index, "style_features": settings})
