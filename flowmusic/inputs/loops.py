"""The drums of a request on its beat grid: repeated, and where their tempo is another one, told of or stretched."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flowmusic.annotations.annotation import DrumHits
from flowmusic.annotations.json_file import ControlsFile
from flowmusic.annotations.tracks import controls_of_file
from flowmusic.audio import Audio
from flowmusic.controls import drums as drum_tracks
from flowmusic.controls.beats import tempo
from flowmusic.controls.meter import Meter, parse_meter
from flowmusic.controls.notices import notice
from flowmusic.controls.tracks import batched, fit_track
from flowmusic.types import FrameGrid, Track

MOST_STRETCH = 2.0**0.5
"""Half an octave either way: half and double time are the same tempo to a loop."""
SAME = 0.005


@dataclass(frozen=True)
class Drums:
    """Drums alone, ``[1, N]`` (None of a MIDI file), and their onset strength ``[3, S]`` at 100 Hz."""

    stem: Audio | None
    strength: Tensor

    @property
    def seconds(self) -> float:
        return self.strength.shape[-1] / drum_tracks.STRENGTH_RATE if self.stem is None else self.stem.seconds

    def track(self, grid: FrameGrid) -> Track:
        """Onset strength on the grid's clock, as long as the recording."""
        return drum_tracks.strength_to_track(self.strength, FrameGrid.of_seconds(self.seconds, grid.frame_rate))

    def last_onset_s(self) -> float:
        """When the last hit begins."""
        struck = (self.strength.amax(0) > 0).nonzero().flatten()
        return float(struck[-1]) / drum_tracks.STRENGTH_RATE if struck.numel() else 0.0

    def stretched(self, times: float) -> Drums:
        """The same drums, ``times`` as long."""
        if times == 1.0:
            return self
        return Drums(
            None if self.stem is None else stretched_audio(self.stem, times), stretched_strength(self.strength, times)
        )

    def on_grid(self, grid: FrameGrid, beats: Track | None, meter: str) -> Track:
        """The drum control of a clip, a batch of one: cut at its end, or repeated on the beat grid."""
        track = self.track(grid)
        if not self._short(grid):
            return batched(fit_track(track, grid))
        bpm = None if beats is None else tempo(beats)
        return batched(drum_tracks.loop_drums(track, self.seconds, grid, bpm, parse_meter(meter).beats_per_bar))

    def codes(self, first_codes: Callable[[Audio], Tensor], grid: FrameGrid, beats: Track | None, meter: str) -> Track:
        """Ids of a codec's first codebook; a loop's sound repeats as its onsets do."""
        assert self.stem is not None
        samples, rate = self.stem.samples, self.stem.rate
        if self._short(grid):
            bpm = None if beats is None else tempo(beats)
            per_bar = parse_meter(meter).beats_per_bar
            turn_s = drum_tracks.loop_length(self.seconds, self.last_onset_s(), bpm, per_bar)
            samples = drum_tracks.loop_audio(samples, rate, turn_s, grid.seconds)
        return batched(drum_tracks.codes_to_track(first_codes(Audio(samples[None], rate))[0], grid))

    def _short(self, grid: FrameGrid) -> bool:
        return self.seconds < grid.seconds - 0.5 / float(grid.frame_rate)


def of_sheet(
    sheet: ControlsFile, grid: FrameGrid, use: frozenset[str], stem: Track | None, stretch: float
) -> dict[str, Track]:
    """The controls of a sheet, its drums ``stretch`` times as long, as their ``stem`` already is."""
    if stretch == 1.0:
        return dict(controls_of_file(sheet, grid, use, stem).tracks)
    rest = controls_of_file(sheet, grid, use - {"drums"})
    drums = controls_of_file(stretched_sheet(sheet, stretch), grid, {"drums"}, stem)
    return {**rest.tracks, **drums.tracks}


def factor(
    name: str,
    strength: Tensor | None,
    seconds: float,
    own_bpm: float | None,
    grid_bpm: float | None,
    meter: Meter,
    stretch: bool,
) -> float:
    """How many times as long drums are to last, so that they keep to the beat grid; 1 leaves them as they are.

    Args:
        name: of the file, for what is said.
        strength: onset strength ``[3, S]`` at 100 Hz, in which the tempo is heard where nobody knows it.
        seconds: how long the drums last.
        own_bpm: their tempo, where it is known.
        grid_bpm: of the beat grid; None if there is none.
        meter: of the grid.
        stretch: whether a person asked for it; otherwise a contradiction is only said.

    Raises: ValueError where stretching was asked for and cannot be done.  Warns: ControlNotice.
    """
    if grid_bpm is None:
        if stretch:
            raise ValueError(
                "--stretch plays drums at the tempo of the beat grid, which nothing sets; give --bpm, or chords in bars"
            )
        return 1.0
    if own_bpm is not None:
        own = nearest_octave(own_bpm, grid_bpm)
        differs = abs(own / grid_bpm - 1.0) > SAME
    else:
        from feature_extractors.loop_tempo import loop_tempo

        found = None if strength is None else loop_tempo(strength.numpy(), seconds, grid_bpm, meter)
        if found is None:
            if stretch:
                raise ValueError(
                    f"--stretch: {name} is too short, or has too few hits, for its tempo to be heard; say it with "
                    "--loop-bpm N"
                )
            return 1.0
        own, differs = found.bpm, found.contradicts
    if not differs:
        if stretch:
            notice(f"--stretch changes nothing: {name} goes with {grid_bpm:g} bpm as it is")
        return 1.0
    if not stretch:
        notice(
            f"{name} is at {own:.4g} bpm and the beat grid at {grid_bpm:g} bpm, so they drift apart; give "
            f"--bpm {own:.4g}, or --stretch to play it at {grid_bpm:g} bpm"
        )
        return 1.0
    notice(f"{name} is stretched from {own:.4g} to {grid_bpm:g} bpm")
    return own / grid_bpm


def nearest_octave(bpm: float, given: float) -> float:
    """The tempo, or its half, double, ..., that is nearest to another one."""
    return float(bpm * 2.0 ** round(math.log2(given / bpm)))


def stretched_strength(strength: Tensor, times: float) -> Tensor:
    """Onset strength ``[3, S]`` of drums that last ``times`` as long: every hit moves, and none is smeared."""
    size = max(1, round(strength.shape[-1] * times))
    place = ((torch.arange(strength.shape[-1]) + 0.5) * times).long().clamp(max=size - 1)
    return torch.zeros(strength.shape[0], size).scatter_reduce_(
        1, place.expand(strength.shape[0], -1), strength.float(), reduce="amax"
    )


def stretched_audio(sound: Audio, times: float) -> Audio:
    """A recording that lasts ``times`` as long at the same pitch: torchaudio's phase vocoder.

    Frames of about 16 ms blur the attack of a drum by no more than that.  Shape: ``[1, N] -> [1, round(N * times)]``.
    """
    from torchaudio.transforms import TimeStretch

    size = 2 ** max(8, round(math.log2(0.016 * sound.rate)))
    hop, window, length = size // 4, torch.hann_window(size), round(sound.samples.shape[-1] * times)
    spectrum = torch.stft(sound.samples, size, hop, window=window, return_complex=True)
    slower = TimeStretch(hop, size // 2 + 1, 1.0 / times)(spectrum)
    return replace(sound, samples=torch.istft(slower, size, hop, window=window, length=length))


def stretched_sheet(sheet: ControlsFile, times: float) -> ControlsFile:
    """A control sheet whose drums last ``times`` as long; of it only the drums are meant."""
    known = sheet.annotations

    def moved(given: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(time * times for time in given)

    hits = known.drums
    if hits is not None:
        classes = None if hits.classes is None else {name: moved(given) for name, given in hits.classes.items()}
        hits = DrumHits(moved(hits.onsets), classes)
    stretched = replace(
        known,
        seconds=None if known.seconds is None else known.seconds * times,
        bpm=None if known.bpm is None else known.bpm / times,
        drums=hits,
    )
    return replace(sheet, annotations=stretched)
