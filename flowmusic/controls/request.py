"""What a person writes down, to Controls: one call for chords, melody, drums, tempo and text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from flowmusic.controls import TRACKS
from flowmusic.controls import beats as beat_tracks
from flowmusic.controls import chords as chord_tracks
from flowmusic.controls import drums as drum_tracks
from flowmusic.controls import melody as melody_tracks
from flowmusic.controls.drums import loop_drums
from flowmusic.controls.notices import ControlNotice, late, notice
from flowmusic.controls.tracks import batched, fit_track, single
from flowmusic.facts import Facts
from flowmusic.types import Controls, FrameGrid, Style, Track

__all__ = ["DEFAULT_BPM", "TRACKS", "ControlNotice", "fit_track", "loop_drums", "request"]

DEFAULT_BPM = 120.0


def request(
    text: str | None = None,
    *,
    grid: FrameGrid,
    chords: str | Iterable[chord_tracks.Change] | Track | None = None,
    melody: Track | Iterable[Sequence[float]] | None = None,
    drums: Track | Sequence[float] | None = None,
    bpm: float | None = None,
    meter: str = "4/4",
    beats: Track | None = None,
    style: Style | None = None,
    facts: Facts | None = None,
) -> Controls:
    """Controls of one clip, a batch of one.

    Args:
        text: the prompt, or None.
        grid: the clip's frames (``generator.grid``).
        chords: chord text (``"C Am F G"``, ``"0:C 2.5:Am7"``), changes ``(start_s, end_s, label)``, or a track.
        melody: notes ``(start_s, end_s, midi)``, unknown after the last one's end; or a track.
        drums: onset times in seconds, taken as they are; or a track (:func:`loop_drums` repeats a loop).
        bpm: beats a minute; sets the beat grid, and places chords written in bars.
        meter: time signature, for the beat grid and the bars.
        beats: a beat grid, instead of that of ``bpm``; without ``bpm`` it also places chords written in bars.
        style: the feel of an excerpt (``generator.style``).
        facts: of the closed vocabulary (:class:`flowmusic.facts.Facts`), for a model that is told facts.

    Chords in bars with neither ``bpm`` nor ``beats`` are placed at 120 bpm, and set that beat grid.

    Returns: Controls whose tracks are those asked for, out of ``chords, melody, drums, beats``; each is cut to the
    grid, and unknown after its own end.
    Raises: ValueError naming the value and what is allowed.
    Warns: ControlNotice for whatever is reduced, folded or cut.
    """
    signature = beat_tracks.parse_meter(meter)
    if bpm is not None:
        bpm = beat_tracks.check_bpm(bpm)
    in_bars = isinstance(chords, str) and not chord_tracks.is_timed(chords)
    tracks: dict[str, Track] = {}
    if beats is not None:
        tracks["beats"] = _fitted("beats", beats, grid)
    elif bpm is not None or in_bars:
        tracks["beats"] = beat_tracks.from_bpm(bpm or DEFAULT_BPM, signature, grid)
    if chords is not None:
        tracks["chords"] = _chords(chords, grid, bpm, signature, beats)
    if melody is not None:
        tracks["melody"] = _melody(melody, grid)
    if drums is not None:
        tracks["drums"] = _drums(drums, grid)
    found = {name: batched(tracks[name]) for name in TRACKS if name in tracks}
    return Controls((text,), found, () if style is None else (style,), () if facts is None else (facts,))


def _fitted(name: str, track: Track, grid: FrameGrid) -> Track:
    try:
        fitted = fit_track(single(track), grid)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if track.grid.length > grid.length:
        notice(f"{name} of {track.grid.seconds:g} s is cut at the clip's {grid.seconds:g} s")
    return fitted


def _chords(
    chords: str | Iterable[chord_tracks.Change] | Track,
    grid: FrameGrid,
    bpm: float | None,
    meter: beat_tracks.Meter,
    beats: Track | None,
) -> Track:
    if isinstance(chords, Track):
        return _fitted("chords", chords, grid)
    if isinstance(chords, str):
        offset_s = 0.0
        if beats is not None and bpm is None and not chord_tracks.is_timed(chords):
            bpm, offset_s = _place(beats)
        changing = None if beats is None or bpm is None else beat_tracks.changing(beats, offset_s)
        seconds = grid.seconds - offset_s
        if changing is not None and bpm is not None:
            # As many beats as the clip has, each first as long as most of them.
            seconds = changing.count(grid.seconds) * 60.0 / bpm
        line = chord_tracks.parse(chords, seconds, bpm or DEFAULT_BPM, meter.beats_per_bar)
        for message in line.warnings:
            notice(message)
        moved = [(start + offset_s, end + offset_s, label) for start, end, label in line.changes]
        if changing is not None and bpm is not None:
            rate, beats_s = float(grid.frame_rate), bpm / 60.0
            # Beats read from a track lie some milliseconds beside their frame, and a change would miss it.
            moved = [
                (
                    round(changing.seconds(start * beats_s) * rate) / rate,
                    round(changing.seconds(end * beats_s) * rate) / rate,
                    label,
                )
                for start, end, label in line.changes
            ]
        return chord_tracks.to_track(moved, grid)
    changes = chord_tracks.check_changes(chords)
    for start, end, label in changes:
        reduced = chord_tracks.canonical(label).warning
        if reduced:
            notice(f"{reduced} (at {start:g}-{end:g} s)")
    _notice_end("chords", max((end for _, end, _ in changes), default=0.0), grid)
    return chord_tracks.to_track(changes, grid)


def _place(beats: Track) -> tuple[float | None, float]:
    """Tempo of a beat grid and the time of its first downbeat, where bar 1 of the chords goes."""
    bpm = beat_tracks.tempo(beats)
    downbeats = beat_tracks.from_track(beats).downbeats
    return bpm, downbeats[0] if bpm is not None and downbeats else 0.0


def _melody(melody: Track | Iterable[Sequence[float]], grid: FrameGrid) -> Track:
    if isinstance(melody, Track):
        return _fitted("melody", melody, grid)
    folded = melody_tracks.fold(melody)
    if not folded.notes:
        raise ValueError("melody has no notes; leave it out, or give (start_s, end_s, midi) triples")
    first = min(start for start, _, _ in folded.notes)
    if first >= grid.seconds - 0.5 / float(grid.frame_rate):
        raise ValueError(f"the melody {late(first, grid.seconds)}")
    for message in folded.warnings:
        notice(message)
    end_s = max(end for _, end, _ in folded.notes)
    _notice_end("melody", end_s, grid)
    return melody_tracks.to_track(folded.notes, grid, end_s)


def _drums(drums: Track | Sequence[float], grid: FrameGrid) -> Track:
    if isinstance(drums, Track):
        return _fitted("drums", drums, grid)
    if drums and grid.seconds <= min(drums) < math.inf:
        raise ValueError(f"drums: the first onset {late(min(drums), grid.seconds)}")
    _notice_end("drums", max(drums, default=0.0), grid)
    return drum_tracks.onsets_to_track(drums, grid)


def _notice_end(name: str, end_s: float, grid: FrameGrid) -> None:
    if end_s > grid.seconds + 0.5 / float(grid.frame_rate):
        notice(f"{name} of {end_s:g} s are cut at the clip's {grid.seconds:g} s")
