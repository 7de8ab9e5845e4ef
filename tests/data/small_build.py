"""A build with a codec that only reshapes and labels that are exact: shards in no time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import torch

from flowmusic import audio as audio_tools
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.labels_file import labels_of
from flowmusic.annotations.tracks import to_tracks
from flowmusic.controls import drums
from flowmusic.data.clip_checks import KNOWN, LATENTS
from flowmusic.data.shards import CONFIDENCE, ClipSample
from flowmusic.datasets import plan as plans
from flowmusic.datasets.build import Built, build_shard, finish, unfinished
from flowmusic.datasets.manifest import Entry
from flowmusic.datasets.sets import corpus
from flowmusic.types import FrameGrid

RATE, HOP = 8000, 320
WANTED = ("chords", "melody", "drums", "beats")


class FoldedClips:
    """The per-clip function: latents are the samples themselves; a file whose name holds ``broken`` fails."""

    frame_rate = Fraction(RATE, HOP)

    def __call__(self, piece: Entry) -> ClipSample:
        if "broken" in piece.path:
            raise ValueError(f"{piece.path} is broken")
        audio = audio_tools.mono(audio_tools.read(piece.path, RATE, start=piece.start, seconds=piece.duration))
        samples = audio.samples[0]
        latents = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
        grid = FrameGrid(self.frame_rate, len(latents))
        told = Annotations() if piece.labels is None else labels_of(piece.labels)
        tracks = to_tracks(told, grid, WANTED, piece.start, audio.seconds)
        if "drums" in piece.stems:
            stem = audio_tools.read(piece.stems["drums"], start=piece.start, seconds=piece.duration)
            tracks["drums"] = drums.strength_to_track(drums.onset_strength(stem.samples.mean(0), stem.rate), grid)
        tensors = {LATENTS: latents.half()}
        for name, track in tracks.items():
            values = track.values
            tensors[name] = values.half() if values.is_floating_point() else values.to(torch.int16)
            tensors[name + KNOWN] = track.known
            tensors[name + CONFIDENCE] = track.known.half()
        info = {"captions": list(piece.text), "seconds": audio.seconds, "licence": piece.licence, "dataset": ""}
        return ClipSample(piece.key, tensors, info)


def build(folder: Path, out: Path, clips_per_shard: int = 64) -> Built:
    """The corpus of a folder as shards."""
    plan = plans.make(corpus.manifest_entries(folder), folder, clips_per_shard=clips_per_shard)
    return build_plan(plan, out)


def build_plan(plan: plans.Plan, out: Path, retry: bool = False) -> Built:
    out.mkdir(exist_ok=True)
    plans.agree(plan, {"codec": "folded"}, out)
    for shard in unfinished(plan, out, retry):
        build_shard(shard, out, FoldedClips())
    return finish(plan, out, FoldedClips.frame_rate, {"codec": "folded"})
