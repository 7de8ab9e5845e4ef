"""The one place that turns seconds into frames, and frames into seconds.

**The rule.**  A frame is known where the annotations cover it: its centre lies before the end of the recording
(``annotations.seconds``) and of the part that is meant.  This holds for every control.  Within it,

- chords are known inside their spans alone, as a gap says nothing (``N`` says that there is no chord);
- melody and drums are known everywhere: a frame without a note or a hit is silent;
- beats are known everywhere, for their tempo goes on to both ends; but where nobody says how long the recording is,
  only from the first beat to the last.

A request differs: it says what is wanted of a clip that may be longer, see :func:`request_tracks`.

>>> grid = FrameGrid.of_seconds(5.0, 25)
>>> labels = Annotations(seconds=3.0, beats=(0.5, 1.0, 1.5), melody=((0.0, 1.0, 60),), drums=DrumHits((0.5,)))
>>> {name: int(track.known.sum()) for name, track in to_tracks(labels, grid).items()}
{'melody': 75, 'drums': 75, 'beats': 75}
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.controls import TRACKS, beats, chords, drums, melody
from flowmusic.controls.notices import notice
from flowmusic.controls.tracks import batched, fit_track, single
from flowmusic.types import Controls, FrameGrid, Track

if TYPE_CHECKING:
    from flowmusic.annotations.json_file import ControlsFile

_EPSILON = 1e-9


def to_tracks(
    annotations: Annotations,
    grid: FrameGrid,
    names: Iterable[str] | None = None,
    start: float = 0.0,
    seconds: float | None = None,
) -> dict[str, Track]:
    """The controls that the annotations tell, as unbatched tracks, by the rule at the head of this module.

    Args:
        grid: its first frame begins ``start`` seconds into the recording.
        names: the controls to take, where they are known; None takes all.
        seconds: how long the part lasts that the grid stands for; None leaves it to the recording.

    What lies outside of the part counts where it reaches into it: notes, chords, and the tempo around its first beat.
    Raises: ValueError for a chord that nobody can read, spans that overlap, and times that do not ascend.
    """
    wanted = frozenset(TRACKS if names is None else names)
    ends = [] if annotations.seconds is None else [annotations.seconds - start]
    ends += [] if seconds is None else [seconds]
    made = {name: _track(annotations, name, grid, start) for name in annotations.names() if name in wanted}
    return {name: _until(track, min(ends)) for name, track in made.items()} if ends else made


def _track(annotations: Annotations, name: str, grid: FrameGrid, start: float) -> Track:
    """One control that is known, on a grid that begins ``start`` seconds into the recording."""
    if name == "chords":
        return chords.to_track([(s - start, e - start, label) for s, e, label in annotations.chords or ()], grid)
    if name == "melody":
        notes = [(s - start, e - start, midi) for s, e, midi in annotations.melody or ()]
        return melody.to_track([note for note in notes if note[1] > 0.0], grid)
    if name == "drums":
        hits = annotations.drums or DrumHits(())
        classes = {kind: _shifted(times, start) for kind, times in (hits.classes or {}).items()}
        return drums.onsets_to_track([t for t in _shifted(hits.onsets, start) if t >= 0.0], grid, classes=classes)
    pulse = _shifted(annotations.beats or (), start)
    track = beats.to_track(pulse, _shifted(annotations.downbeats or (), start), grid)
    if annotations.seconds is not None or not pulse:
        return track
    centres = (torch.arange(grid.length, dtype=torch.float64) + 0.5) / float(grid.frame_rate)
    return _masked(track, (centres >= pulse[0] - _EPSILON) & (centres <= pulse[-1] + _EPSILON))


def _shifted(times: Sequence[float], start: float) -> list[float]:
    return [time - start for time in times]


def _until(track: Track, end: float) -> Track:
    """Unknown from the first frame whose centre does not lie before ``end``."""
    # (n + 0.5) / rate < end
    first = max(0, math.ceil(end * float(track.grid.frame_rate) - 0.5 - _EPSILON))
    return _masked(track, torch.arange(track.grid.length) < first)


def _masked(track: Track, inside: torch.Tensor) -> Track:
    known = track.known & inside
    values = track.values * known[:, None] if track.values.is_floating_point() else track.values
    return Track(values, known, track.grid)


def from_tracks(tracks: Controls | Mapping[str, Track], seconds: float) -> Annotations:
    """What tracks, or one item of controls, say of the first ``seconds``; unknown frames say nothing.

    Times are as fine as frames are: chords and notes begin with a frame, onsets with a part of one.
    """
    text = None
    if isinstance(tracks, Controls):
        prompt, tracks = tracks.text[0], tracks.tracks
        text = prompt if isinstance(prompt, str) else None
    pulse = beats.from_track(tracks["beats"]) if "beats" in tracks else None
    whole = Annotations(
        seconds=seconds,
        text=text,
        beats=None if pulse is None else pulse.beats,
        downbeats=None if pulse is None or not pulse.downbeats else pulse.downbeats,
        chords=chords.from_track(tracks["chords"]) if "chords" in tracks else None,
        melody=melody.from_track(tracks["melody"]) if "melody" in tracks else None,
        drums=DrumHits(drums.onsets_from_track(tracks["drums"])) if "drums" in tracks else None,
    )
    return whole.part(0.0, seconds)


def request_tracks(
    annotations: Annotations, grid: FrameGrid, names: Iterable[str], drums_track: Track | None = None
) -> dict[str, Track]:
    """What annotations ask of a clip that may be longer than what they were written about, as unbatched tracks.

    Other than in :func:`to_tracks`, drums that end before the clip repeat, on the tempo where it is known; beats go on
    at their tempo, or are made of the tempo alone; chords are known to the end of the frame that they end in.

    Args:
        names: the controls to take, where something is known of them.
        drums_track: the drums as an extractor heard them, in place of the onsets.
    """
    lasts = grid.seconds if annotations.seconds is None else annotations.seconds
    wanted = frozenset(names)
    found: dict[str, Track] = {}
    if "chords" in wanted and annotations.chords is not None:
        found["chords"] = chords.to_track(annotations.chords, grid)
    if "melody" in wanted and annotations.melody is not None:
        found["melody"] = melody.to_track(annotations.melody, grid, end_s=lasts)
    if "drums" in wanted and (drums_track is not None or annotations.drums is not None):
        found["drums"] = _looped_drums(annotations, lasts, grid, drums_track)
    if "beats" in wanted and (annotations.beats is not None or annotations.bpm is not None):
        found["beats"] = _endless_beats(annotations, grid)
    return found


def _looped_drums(annotations: Annotations, lasts: float, grid: FrameGrid, drums_track: Track | None) -> Track:
    looped = lasts < grid.seconds - 0.5 / float(grid.frame_rate)
    if drums_track is not None:
        track = single(drums_track)
    else:
        own = FrameGrid.of_seconds(max(lasts, 0.01), grid.frame_rate) if looped else grid
        hits = annotations.drums or DrumHits(())
        track = drums.onsets_to_track(hits.onsets, own, classes=hits.classes)
    return drums.loop_drums(track, lasts, grid, annotations.bpm) if looped else fit_track(track, grid)


def _endless_beats(annotations: Annotations, grid: FrameGrid) -> Track:
    times = annotations.beats or ()
    if len(times) >= 2:
        return beats.to_track(times, annotations.downbeats or (), grid)
    if annotations.bpm is None:
        return beats.to_track(times, (), grid)
    # A tempo without beats fixes no downbeat, so the bar stays unknown.
    offset_s = times[0] if times else 0.0
    seconds = grid.seconds + 120.0 / annotations.bpm
    return beats.to_track(beats.grid_times(annotations.bpm, "4/4", seconds, offset_s)[0], (), grid)


def controls_of_file(
    file: ControlsFile, grid: FrameGrid, use: Iterable[str] | None = None, drums_track: Track | None = None
) -> Controls:
    """A ``controls.json`` as a request: the controls of one clip (:func:`request_tracks`), a batch of one without text.

    Args:
        use: the controls to take, out of ``chords, melody, drums, beats``; None takes all that are present.
        drums_track: the control of the drum stem, where the caller has analysed it; else the onsets, as they are.

    Raises: ValueError listing what the file has, for a name in ``use`` that it lacks.
    Warns: ControlNotice for what is longer than the clip and cut.
    """
    present = file.names() | ({"drums"} if drums_track is not None else set())
    wanted = present if use is None else frozenset(use)
    for name in sorted(wanted - present):
        if name not in TRACKS:
            raise ValueError(f"{name!r} is not a control; choose from {', '.join(TRACKS)}")
        has = ", ".join(n for n in TRACKS if n in present) or "none"
        raise ValueError(f"the controls of {file.source!r} have no {name}; present: {has}")
    seconds = file.annotations.seconds
    if seconds is not None and seconds > grid.seconds + 0.5 / float(grid.frame_rate):
        notice(f"the controls of {file.source!r} last {seconds:g} s and are cut at the clip's {grid.seconds:g} s")
    for name in ("melody", "drums"):
        starts = [event[0] if name == "melody" else event for event in file.annotations.events(name) or ()]
        if name in wanted and starts and min(starts) >= grid.seconds:
            notice(f"of the {name} of {file.source!r} nothing is left: the first sound begins at {min(starts):.4g} s")
    if "drums" in wanted and drums_track is None and file.annotations.drums is None:
        raise ValueError(
            f"the controls of {file.source!r} have a drum stem but no onsets; analyse {file.drums_stem!r} first"
        )
    tracks = request_tracks(file.annotations, grid, wanted, drums_track)
    return Controls((None,), {name: batched(track) for name, track in tracks.items()})
