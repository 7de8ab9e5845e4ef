"""Go on with a piece, or lead up to it: new frames after or before it, on its beat grid, with its progression.

>>> times, longer = [0.0, 0.5, 1.0, 1.5, 2.0], FrameGrid.of_seconds(4.0, 25)
>>> track = to_track(times, [0.0, 2.0], FrameGrid.of_seconds(2.4, 25))
>>> [round(time, 3) for time in from_track(running_on(batched(track), longer)).downbeats]
[0.0, 2.0]
>>> [round(time, 3) for time in from_track(running_on(batched(track), longer, first=40)).beats[:3]]
[0.1, 0.6, 1.1]
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from flowmusic.controls import drums
from flowmusic.controls.beats import beats_per_bar, from_track, tempo, to_track
from flowmusic.controls.tracks import batched, crop, single
from flowmusic.generate.edit import fill
from flowmusic.generate.generator import Generator
from flowmusic.generate.sampling import Noise, Sampling
from flowmusic.generate.windows import Window
from flowmusic.types import Controls, FrameGrid, Generation, Guidance, Progress, Track

REPEATED = ("chords", "drums")
"""Controls that go on by repeating; a melody that did would say the same again."""
PER_BAR = 16
"""Instants at which bars are compared."""
SAME_BARS = 0.9
"""Bars that agree at this share of the instants are a repetition."""


def extend(
    model: Generator,
    latents: Tensor,
    controls: Controls,
    *,
    first: int = 0,
    known: int,
    guidance: Guidance | None = None,
    sampling: Sampling | None = None,
    told: bool = True,
    seed: int | None = None,
    noise: Noise | None = None,
    progress: Progress | None = None,
) -> Generation:
    """Make what a longer piece has before and after some known music.

    Args:
        latents: of the longer piece, ``[B, T, D]``; only frames ``first`` to ``first + known`` are read.
        controls: of the longer piece (:func:`continued` has those of the known music go on).
        first, known: where the known music begins, and how many frames it has.
        guidance, sampling, told, seed, noise, progress: as in :func:`flowmusic.generate.edit.edit`.

    Raises: ValueError where nothing is left to be made, NotFinite if the solve diverges.
    """
    length = latents.shape[1]
    spans = [Window(first + known, length)] if first + known < length else []
    spans += [Window(0, first)] if first > 0 else []
    if not spans:
        raise ValueError(f"the music already has {known} of {length} frames; give a longer piece")
    more: Any = {"guidance": guidance, "sampling": sampling, "told": told, "noise": noise, "progress": progress}
    return fill(model, latents, controls, spans, seed=seed, **more)


def continued(
    controls: Controls,
    beats: Track | None,
    grid: FrameGrid,
    first: int = 0,
    free: Collection[str] = (),
    seconds: float | None = None,
) -> Controls:
    """The controls of a longer piece: those of a source where it lies, and going on before and after it.

    Beats run on at their tempo.  Chords and drums repeat after the bars in which they repeat already, or else after
    as many as there are; a melody, and what is free, is unknown outside of the source.

    Args:
        controls: of the source, a batch of one.
        beats: its beat grid, without which everything repeats as a whole.
        grid: of the longer piece.
        first: the frame of it where the source begins.
        free: names of tracks.
        seconds: how long the source lasts, if it ends within its last frame.
    """
    turn = turn_of(controls.tracks, beats, seconds)
    tracks: dict[str, Track] = {}
    for name, track in controls.tracks.items():
        if name in free or (name not in REPEATED and name != "beats"):
            tracks[name] = crop(track, -first, grid.length)
        elif name == "beats":
            tracks[name] = running_on(track, grid, first)
        else:
            lasts = track.grid.seconds if seconds is None else seconds
            tracks[name] = _repeated(name, track, turn or Turn(lasts, lasts), grid, first)
    return replace(controls, tracks=tracks)


def running_on(beats: Track, grid: FrameGrid, first: int = 0) -> Track:
    """A beat grid on a longer grid, at the tempo of its ends.  Unknown throughout where no tempo is known."""
    times, moved = from_track(beats), first / float(grid.frame_rate)
    if len(times.beats) < 2:
        return crop(beats, -first, grid.length)
    pulse, bars = ([time + moved for time in of] for of in (times.beats, times.downbeats))
    return batched(to_track(pulse, bars, grid, beats_per_bar(times)))


@dataclass(frozen=True)
class Turn:
    """After how many seconds a piece says the same again, and where what follows begins, maybe after its own end."""

    seconds: float
    end: float


def turn_of(tracks: Mapping[str, Track], beats: Track | None, seconds: float | None = None) -> Turn | None:
    """The whole bars after which a piece says the same again; None where no bars are known.

    A period is the fewest bars after which the chords agree with themselves, over two bars or more, or over one where
    the period is of four bars, eight and so on.  Without a period it is all bars; half a bar at the end counts as one.
    """
    if beats is None or tempo(beats) is None:
        return None
    times = from_track(beats)
    per_bar = beats_per_bar(times)
    if per_bar is None:
        return None
    bar = per_bar * float(torch.tensor(times.beats, dtype=torch.float64).diff().median())
    begin, lasts = times.downbeats[0], beats.grid.seconds if seconds is None else seconds
    count = max(1, math.floor((lasts - begin) / bar + 0.5 + 1e-6))
    chords = tracks.get("chords")
    everything = Turn(count * bar, max(lasts, begin + count * bar))
    if chords is None:
        return everything
    ids = torch.where(chords.known[0], chords.values[0], -1)
    rate = float(chords.grid.frame_rate)
    instants = begin + bar * (torch.arange(count * PER_BAR) + 0.5) / PER_BAR
    places = (instants * rate).floor().long()
    heard = torch.where(places < len(ids), ids[places.clamp(max=len(ids) - 1)], -1)
    for period in range(1, count):
        one, other = heard[: -period * PER_BAR], heard[period * PER_BAR :]
        both = (one >= 0) & (other >= 0)
        enough = int(both.sum()) >= PER_BAR * (1 if period % 4 == 0 else 2) * SAME_BARS
        if enough and float((one == other)[both].float().mean()) >= SAME_BARS:
            return Turn(period * bar, lasts)
    return everything


def _repeated(name: str, track: Track, turn: Turn, grid: FrameGrid, first: int) -> Track:
    """A track of a source, and before and after it what it says some turns later or earlier.

    Where a turn ends after the piece, its last chord holds, and of drums nothing is known.
    """
    lone = single(track)
    if name == "drums" and lone.values.is_floating_point():
        per_frame = drums.sub_bins(grid)
        own = lone.grid.length * per_frame
        places = _places(own, grid.length * per_frame, first * per_frame, grid, turn)
        drawn = drums.to_drawing(lone)[:, places.clamp(max=own - 1)]
        middle = places.unflatten(0, (-1, per_frame))[:, per_frame // 2]
        known = lone.known[middle.clamp(max=own - 1) // per_frame] & (middle < own)
        return batched(drums.from_drawing(drawn, grid, known))
    own = lone.grid.length
    places = _places(own, grid.length, first, grid, turn)
    held = _held(lone) if name == "chords" else lone
    known = held.known[places.clamp(max=own - 1)] & ((places < own) | (name == "chords"))
    return batched(Track(held.values[places.clamp(max=own - 1)], known, grid))


def _places(own: int, length: int, first: int, grid: FrameGrid, turn: Turn) -> Tensor:
    """For each step of a longer piece, the step of the source that it repeats.  Shape: ``[length]``, from 0.

    A step of ``own`` or more lies after the source, within the rest of its last turn.
    """
    per_second = length / grid.seconds
    step = torch.arange(length, dtype=torch.float64) - first + 0.5
    turns, end = turn.seconds * per_second, turn.end * per_second
    # The last turn of the source is what goes on after it, the first one what leads up to it.
    after = torch.ceil((step - end + 1e-6) / turns).clamp(min=0.0)
    before = torch.ceil((-step + 1e-6) / turns).clamp(min=0.0)
    return (step - (after - before) * turns).floor().long().clamp(min=0)


def _held(track: Track) -> Track:
    """The last known value held to the end, where a clip ends within its bar."""
    known = torch.nonzero(track.known).flatten()
    if not len(known) or track.values.is_floating_point():
        return track
    last = int(known[-1])
    values, held = track.values.clone(), track.known.clone()
    values[last:], held[last:] = track.values[last], True
    return Track(values, held, track.grid)
