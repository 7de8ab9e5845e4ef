"""Labelled clips of a corpus as controls for a model and as requests for the metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from flowmusic import audio as audio_tools
from flowmusic.annotations import players
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.controls import TRACKS, instruments
from flowmusic.controls.tracks import batched
from flowmusic.corpus import reader
from flowmusic.evaluate.cache import key_of
from flowmusic.facts import Facts
from flowmusic.types import FACTS, TEXT, Codec, Controls, FrameGrid, Track

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator

TOLD = (instruments.NAME, FACTS)
"""Controls that no score of their own tells about; what they do to the others is seen where they are left out."""
DrumControl = Callable[[Audio, FrameGrid], Track]
"""A drum stem as a model's drum control."""


@dataclass(frozen=True)
class LabelledClip:
    """The beginning of a corpus clip: mono audio ``[1, N]``, controls (a batch of one) and what they ask for.

    ``attributes`` are the clip's tags that are one word each; ``digest`` is a hash of the files that it was read from.
    """

    id: str
    audio: Audio
    controls: Controls
    requested: Annotations
    attributes: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""

    @property
    def text(self) -> str | None:
        """The prompt."""
        return self.controls.words[0]

    @property
    def requested_names(self) -> frozenset[str]:
        """Controls with something to score."""
        return frozenset(name for name in TRACKS if self.requested.events(name))

    def asking_only(self, *names: str) -> LabelledClip:
        """The same clip, scored on these controls alone."""
        return replace(self, requested=self.requested.only(*names))

    def has(self, name: str) -> bool:
        """Whether there is something to ask for under this name, ``text`` and what nobody scores included."""
        if name == TEXT:
            return self.text is not None
        return name in (self.controls.names() if name in TOLD else self.requested_names)


def read_clips(
    folder: Path,
    split: str,
    count: int | None,
    grid: FrameGrid,
    rate: int,
    tracks: Iterable[str] = TRACKS,
    drums: DrumControl | None = None,
) -> list[LabelledClip]:
    """The first ``count`` clips of a split (None: all), cut to the grid; see :func:`read_clip`.

    Raises: FileNotFoundError for a folder that is no corpus, or without drum stems; ValueError for too few clips, and
    for clips that are shorter than the grid.
    """
    found = reader.clips(folder, split, count)
    if count is not None and len(found) < count:
        raise ValueError(f"the {split} split of {folder} has {len(found)} clips, {count} are asked for")
    return [read_clip(clip, grid, rate, tracks, drums) for clip in found]


def read_clip(
    clip: reader.Clip,
    grid: FrameGrid,
    rate: int,
    tracks: Iterable[str] = TRACKS,
    drums: DrumControl | None = None,
) -> LabelledClip:
    """One clip from its beginning.

    Args:
        tracks: the controls that are read, :data:`TOLD` among them; without ``drums``, no drum stem is needed.
        drums: what makes the drum control of a drum stem; None takes onset strength.  The rest is from the labels.
    """
    from feature_extractors.drums import Drums

    annotations = clip.annotations
    end_s, lasts = grid.seconds, annotations.seconds or 0.0
    if lasts < end_s - 1.0 / float(grid.frame_rate):
        raise ValueError(f"{clip.audio} lasts {lasts:g} s, {end_s:g} s are asked for; give fewer seconds")
    audio = audio_tools.mono(audio_tools.read(clip.audio, rate=rate))
    wanted = [name for name in TRACKS if name in frozenset(tracks)]
    made = to_tracks(annotations, grid, frozenset(wanted) - {"drums"}, seconds=end_s)
    if "drums" in wanted:
        made["drums"] = (drums or Drums(separate=False))(_stem(clip, end_s), grid)
    missing = [name for name in wanted if name not in made]
    if missing:
        raise ValueError(f"{clip.audio.with_suffix('.json')} tells no {missing[0]}; make the corpus again")
    labels = clip.labels
    facts, who = told(labels, grid, end_s, tracks)
    controls = Controls((annotations.text,), {name: batched(made[name]) for name in wanted} | who, facts=facts)
    files = [clip.audio, clip.audio.with_suffix(".json")] + ([clip.stem("drums")] if "drums" in wanted else [])
    whole = LabelledClip(
        clip.id,
        audio_tools.fit(audio, round(end_s * rate)),
        controls,
        annotations.part(0.0, end_s),
        attributes_of(labels.get("tags", {})),
        digest_with(digest_of(files), facts, who),
    )
    return whole.asking_only(*wanted)


def told(
    record: Mapping[str, Any], grid: FrameGrid, lasts: float, names: Iterable[str], start: float = 0.0
) -> tuple[tuple[Facts, ...], dict[str, Track]]:
    """What labels tell of :data:`TOLD` in a part: facts of one item, and who plays as a batch of one.

    Args:
        grid: of the part, which begins ``start`` seconds into the recording and lasts ``lasts`` of them.
        names: those that are wanted; each is left out where the labels do not tell it.
    """
    chosen = frozenset(names) & frozenset(TOLD)
    if not chosen:
        return (), {}
    spans = players.players(record)
    inside = None if spans is None else instruments.part(spans, start, lasts)
    facts = instruments.heard(players.facts(record), inside, grid.frame_rate, 0, grid.length)
    who = {} if inside is None else {instruments.NAME: batched(instruments.to_track(inside, grid, lasts))}
    return (facts,) if FACTS in chosen and facts.said() else (), {n: t for n, t in who.items() if n in chosen}


def digest_with(digest: str, facts: Sequence[Facts], who: Mapping[str, Track]) -> str:
    """The digest of a clip, and of what was made of its labels if that is told; else as it is."""
    if not facts and not who:
        return digest
    spans = [instruments.from_track(track) for track in who.values()]
    return key_of(digest, [each.said() for each in facts], spans)


def drum_control(generator: Generator) -> DrumControl | None:
    """What makes the drum control that a model reads; None for onset strength."""
    from feature_extractors.drum_codes import DrumCodes

    codec: Any = generator.codec
    return DrumCodes(codec) if generator.drums_as_codes else None


def attributes_of(tags: Mapping[str, Any]) -> dict[str, str]:
    """What a caption may say of a clip in one word each, from the tags of our corpus."""
    found = {name: tags[name] for name in ("genre", "tempo") if isinstance(tags.get(name), str)}
    return {**found, **dict(zip(("mood", "energy"), tags.get("mood", ()), strict=False))}


def digest_of(files: Sequence[Path]) -> str:
    """A hash of the content of some files."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def other(clips: Sequence[LabelledClip], row: int, name: str) -> int | None:
    """The next clip, cyclically, that asks for ``name``; None if no other does."""
    later = [(row + step) % len(clips) for step in range(1, len(clips))]
    return next((index for index in later if clips[index].has(name)), None)


def swap(clips: Sequence[LabelledClip], row: int, name: str) -> Controls:
    """The clip's controls with ``name`` from the next clip that has it; unchanged if there is none."""
    source = other(clips, row, name)
    return clips[row].controls if source is None else clips[row].controls.swap(name, clips[source].controls)


@torch.no_grad()
def round_trip(codec: Codec, audio: Audio, device: torch.device | str = "cpu") -> Audio:
    """What the codec alone does to a recording.  Shape: ``[C, N] -> [C, N]``."""
    batch = Audio(audio.samples[None].to(device), audio.rate)
    decoded = codec.decode(codec.encode(batch))
    return audio_tools.fit(Audio(decoded.samples[0].float().cpu(), decoded.rate), audio.samples.shape[-1])


def _stem(clip: reader.Clip, end_s: float) -> Audio:
    stem = audio_tools.read(clip.stem("drums"))
    return audio_tools.fit(stem, round(end_s * stem.rate))
