"""Note training data: features of a corpus on disk in 8 bits, and varied crops of them with exact notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from feature_extractors.networks import corpus_labels, note_features
from feature_extractors.networks.feature_cache import cached
from feature_extractors.networks.note_net import OUTPUTS, PARTS
from flowmusic import audio as audio_io
from flowmusic import plain
from flowmusic.audio import Audio

VERSION = "1"
"""Of the features and of the layout; part of the cached files' names."""
SCALE = 36.0
"""Steps of 8 bits for one unit of the compressed magnitude, whose greatest is about 7: a quarter of a decibel."""
SAME_S = 0.03
"""Notes of one pitch and part that begin closer together are one: nobody hears two."""
BATCH, CROP = 8, 150
_PARTS = {"bass": ("bass",), "lead": ("melody",), "chords": ("chords", "pad")}
"""What the corpus calls the parts of the network."""


class Row(NamedTuple):
    """A note: seconds, MIDI number, velocity 1-127."""

    start: float
    end: float
    pitch: int
    velocity: int


def notes_of(labels: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Exact notes of a clip by part of the network, ascending; two of one pitch never overlap within a part.

    Raises: ValueError for notes that are none.
    """
    played = labels["notes"]
    try:
        return {
            part: joined(Row(float(s), float(e), int(p), int(v)) for n in names for s, e, p, v in played.get(n, ()))
            for part, names in _PARTS.items()
        }
    except (TypeError, ValueError, AttributeError):
        raise ValueError("notes must be {part: [[start, end, pitch, velocity], ...]}; make the corpus again") from None


def joined(rows: Iterator[Row]) -> list[Row]:
    """One voice for every pitch: what begins together is one note, and a new beginning ends what still sounds."""
    last: dict[int, int] = {}
    out: list[Row] = []
    for row in sorted(rows):
        before = last.get(row.pitch)
        if before is not None and out[before].end > row.start:
            earlier = out[before]
            longer = max(earlier.end, row.end)
            if row.start - earlier.start < SAME_S:
                out[before] = earlier._replace(end=longer, velocity=max(earlier.velocity, row.velocity))
                continue
            out[before], row = earlier._replace(end=row.start), row._replace(end=longer)
        last[row.pitch] = len(out)
        out.append(row)
    return out


@dataclass(frozen=True)
class Recordings:
    """Features of many recordings and their notes.

    compressed: ``[frames, 2, 297]`` uint8, times :data:`SCALE`.
    spans: first frame and number of frames of each recording.
    notes: by part of each.
    """

    compressed: np.ndarray
    spans: tuple[tuple[int, int], ...]
    notes: tuple[Mapping[str, Sequence[Row]], ...]

    def features(self, index: int, start: int = 0, stop: int | None = None) -> Tensor:
        """Compressed magnitudes of some frames of a recording.  Shape: ``[F, 2, 297]`` float32."""
        first, frames = self.spans[index]
        last = first + (frames if stop is None else min(stop, frames))
        return torch.from_numpy(self.compressed[first + start : last].astype(np.float32) / SCALE)


def recordings(corpus: Path, split: str, cache: Path, limit: int | None = None) -> Recordings:
    """Features of a split of a corpus, from the cache or computed into it.

    Raises: ValueError if the split holds no clips, or one is broken.
    """
    paths = corpus_labels.paths(corpus, split, limit)

    def features(number: int, path: Path) -> Iterator[tuple[np.ndarray, Mapping[str, Any]]]:
        try:
            notes = notes_of(corpus_labels.read(path, "notes"))
        except ValueError as error:
            raise ValueError(f"{plain.shown(path)}: {error}") from None
        for samples, heard in _versions(path, number if split == "train" else -1):
            scaled = samples * note_features.gain(samples.numpy())
            found = note_features.compress(note_features.magnitude(scaled))
            kept = {part: rows if part in heard else [] for part, rows in notes.items()}
            yield (found * SCALE).round().clamp(0, 255).byte().numpy(), {"notes": kept}

    array, entries = cached(corpus, split, paths, cache, f"notes-v{VERSION}", features, told_every=100)
    return Recordings(
        array,
        tuple((entry["first"], entry["frames"]) for entry in entries),
        tuple({part: [Row(*row) for row in rows] for part, rows in entry["notes"].items()} for entry in entries),
    )


def _versions(path: Path, number: int) -> Iterator[tuple[Tensor, Sequence[str]]]:
    """The mix of a clip, and of clips to train on what stems allow; with the pitched parts that can be heard.

    Every third time there are no drums, every third neither drums nor lead, every sixth the lead alone.
    """
    mix = _samples(path.with_suffix(".flac"))
    yield mix, PARTS
    stems = {name: path.with_name(f"{path.stem}.{name}.flac") for name in ("drums", "melody")}
    found = {name: file for name, file in stems.items() if number >= 0 and file.exists()}
    if number % 3 == 0 and "drums" in found:
        yield mix - _samples(found["drums"]), PARTS
    elif number % 3 == 1 and "melody" in found:
        rest = mix - sum(_samples(file) for file in found.values())
        yield rest, [part for part in PARTS if part != "lead"]
    elif number % 6 == 2 and "melody" in found:
        yield _samples(found["melody"]), ["lead"]


def _samples(path: Path) -> Tensor:
    """The mean of all channels, which is what stems sum to.  Shape: ``[N]`` at 16 kHz."""
    audio = Audio.read(path)
    return audio_io.resample(Audio(audio.samples.mean(0, keepdim=True), audio.rate), note_features.RATE).samples[0]


def targets(notes: Mapping[str, Sequence[Row]], start: int, frames: int, shift: int = 0) -> Tensor:
    """What the network is to say from frame ``start`` on, of notes that are ``shift`` semitones too low.

    Onsets are 1 in their frame and 0.5 beside it, as an attack is no instant; the velocity is told around onsets, in
    0..1, and 0 elsewhere.  Shape: ``[frames, 88, 9]``.
    """
    out = np.zeros((frames, note_features.PITCHES, len(OUTPUTS)), np.float32)
    fps = note_features.FPS
    for n, part in enumerate(PARTS):
        for row in notes.get(part, ()):
            key = row.pitch + shift - note_features.LOWEST
            on, off = round(row.start * fps) - start, round(row.end * fps) - start
            if off < 0 or on > frames or not 0 <= key < note_features.PITCHES:
                continue
            for at, value in ((on - 1, 0.5), (on, 1.0), (on + 1, 0.5)):
                if 0 <= at < frames:
                    out[at, key, [0, 2 + n]] = np.maximum(out[at, key, [0, 2 + n]], value)
                    out[at, key, 8] = max(out[at, key, 8], row.velocity / 127.0)
            out[max(0, on) : max(on + 1, off, 0), key, [[1], [5 + n]]] = 1.0
    return torch.from_numpy(out)


def crops(
    sources: Sequence[Recordings], generator: torch.Generator, batch: int = BATCH, crop: int = CROP
) -> tuple[Tensor, Tensor]:
    """A batch of varied crops.  Shape: compressed ``[batch, crop, 2, 297]`` and targets ``[batch, crop, 88, 9]``."""
    counts = [len(source.spans) for source in sources]
    made = []
    for _ in range(batch):
        drawn = int(torch.randint(sum(counts), (), generator=generator))
        for source, count in zip(sources, counts, strict=True):
            if drawn < count:
                made.append(_varied(source, drawn, generator, crop))
                break
            drawn -= count
    compressed, wanted = zip(*made, strict=True)
    return torch.stack(compressed), torch.stack(wanted)


def _varied(source: Recordings, index: int, generator: torch.Generator, crop: int) -> tuple[Tensor, Tensor]:
    """A crop in another key and tuning, through another equaliser, louder or softer, with a little noise.

    Shape: ``[crop, 2, 297]`` and ``[crop, 88, 9]``.
    """

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    frames = source.spans[index][1]
    start = int(torch.randint(max(1, frames - crop + 1), (), generator=generator))
    # Back from the logarithm, log(1 + 1000 m).
    magnitude = torch.expm1(source.features(index, start, start + crop)) / 1000.0
    shift = int(torch.randint(-4, 5, (), generator=generator))
    moved = 3 * shift
    if moved:
        magnitude = F.pad(magnitude, (moved, -moved))
    tuning = uniform(-0.3, 0.3)  # of a third of a semitone
    beside = F.pad(magnitude, (1, -1)) if tuning > 0.0 else F.pad(magnitude, (-1, 1))
    magnitude = (1.0 - abs(tuning)) * magnitude + abs(tuning) * beside
    knots = torch.rand(1, 1, 7, generator=generator) * 16.0 - 8.0
    gain_db = F.interpolate(knots, note_features.BINS, mode="linear", align_corners=True)[0, 0] + uniform(-8.0, 5.0)
    if uniform(0.0, 1.0) < 0.15:  # a band limit, from 2 to 8 kHz
        gain_db = gain_db - 60.0 * (torch.arange(note_features.BINS) > uniform(225.0, 297.0)).float()
    noise = 10.0 ** uniform(-5.5, -3.0) * torch.rand(magnitude.shape, generator=generator)
    compressed = note_features.compress(magnitude * 10.0 ** (gain_db / 20.0) + noise)
    wanted = targets(source.notes[index], start, len(compressed), shift)
    short = crop - len(compressed)
    return F.pad(compressed, (0, 0, 0, 0, 0, short)), F.pad(wanted, (0, 0, 0, 0, 0, short))
