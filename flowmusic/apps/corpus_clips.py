"""Labelled clips of a corpus as controls for a model and as requests for the metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from flowmusic import audio as audio_tools
from flowmusic.apps.adherence import spans_until, times_until
from flowmusic.controls import beats, chords, melody
from flowmusic.controls.tracks import batched
from flowmusic.data import corpus
from flowmusic.metrics.adherence import Requested
from flowmusic.types import Audio, Codec, Controls, FrameGrid, Track

FIELD_OF = {"chords": "chords", "drums": "onsets", "melody": "melody", "beats": "beats"}
"""Control name -> field of :class:`Requested`."""


@dataclass(frozen=True)
class LabelledClip:
    """The beginning of a corpus clip: mono audio ``[1, N]``, controls (a batch of one) and what they ask for."""

    id: str
    audio: Audio
    controls: Controls
    requested: Requested

    @property
    def requested_names(self) -> frozenset[str]:
        """Controls with something to score."""
        return frozenset(name for name, field in FIELD_OF.items() if getattr(self.requested, field))

    def asking_only(self, name: str) -> LabelledClip:
        """The same clip, scored on one control."""
        field = FIELD_OF[name]
        return replace(self, requested=Requested(**{field: getattr(self.requested, field)}))


def read_clips(folder: Path, split: str, count: int, grid: FrameGrid, rate: int) -> list[LabelledClip]:
    """The first ``count`` clips of a split, cut to the grid.

    Raises: FileNotFoundError for a folder that is no corpus, or without drum stems; ValueError for too few clips.
    """
    found = corpus.clips(folder, split, count)
    if len(found) < count:
        raise ValueError(f"the {split} split of {folder} has {len(found)} clips, --clips asks for {count}")
    return [read_clip(clip, grid, rate) for clip in found]


def read_clip(clip: corpus.Clip, grid: FrameGrid, rate: int) -> LabelledClip:
    """One clip from its beginning; the drum control comes from the drum stem, everything else from the labels."""
    from feature_extractors.drums import Drums

    labels = clip.labels
    end_s = grid.seconds
    samples = round(end_s * rate)
    audio = audio_tools.fit(audio_tools.mono(audio_tools.read(clip.audio, rate=rate)), samples)
    stem = audio_tools.read(clip.stem("drums"))
    stem = audio_tools.fit(stem, round(end_s * stem.rate))
    tracks: dict[str, Track] = {
        "chords": chords.to_track(labels["chords"], grid),
        "drums": Drums(separate=False)(stem, grid),
        "melody": melody.to_track(labels["melody"], grid, end_s=labels["seconds"]),
        "beats": beats.to_track(labels["beats"], labels["downbeats"], grid),
    }
    captions = labels["captions"]
    controls = Controls((captions[0] if captions else None,), {name: batched(t) for name, t in tracks.items()})
    requested = Requested(
        chords=spans_until(labels["chords"], end_s),
        onsets=times_until(labels["drums"]["onsets"], end_s),
        melody=spans_until(labels["melody"], end_s),
        beats=times_until(labels["beats"], end_s),
    )
    return LabelledClip(clip.id, audio, controls, requested)


@torch.no_grad()
def round_trip(codec: Codec, audio: Audio, device: torch.device | str = "cpu") -> Audio:
    """What the codec alone does to a recording.  Shape: ``[C, N] -> [C, N]``."""
    batch = Audio(audio.samples[None].to(device), audio.rate)
    decoded = codec.decode(codec.encode(batch))
    return audio_tools.fit(Audio(decoded.samples[0].float().cpu(), decoded.rate), audio.samples.shape[-1])
