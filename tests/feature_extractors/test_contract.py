"""What every extractor promises; a new one joins by a line in EXTRACTORS."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch

from feature_extractors import Beats, Chords, Drums, Melody, Onsets
from feature_extractors.madmom import compat
from flowmusic.audio import Audio
from flowmusic.types import Extractor, FrameGrid, Track
from tests.feature_extractors.sounds import RATE, band

needs_madmom = pytest.mark.skipif(not compat.available(), reason="the extra 'madmom' is not installed")

EXTRACTORS: dict[str, Any] = {
    "chords": pytest.param(Chords, (), torch.int64),
    "chords-madmom": pytest.param(lambda: Chords("madmom"), (), torch.int64, marks=needs_madmom),
    "melody-harmonic": pytest.param(Melody, (53,), torch.float32),
    "melody-tiny": pytest.param(lambda: Melody(model="tiny"), (53,), torch.float32),
    "melody-monophonic": pytest.param(Melody.monophonic, (53,), torch.float32),
    "drums": pytest.param(lambda: Drums(onsets=Onsets("flux")), (12,), torch.float32),
    "drums-alone": pytest.param(lambda: Drums(separate=False, onsets=Onsets("flux")), (12,), torch.float32),
    "onsets-flux": pytest.param(lambda: Onsets("flux"), (12,), torch.float32),
    "onsets-madmom": pytest.param(lambda: Onsets("madmom"), (12,), torch.float32, marks=needs_madmom),
    "onsets-drums": pytest.param(lambda: Onsets("drums"), (12,), torch.float32),
    "beats-flux": pytest.param(lambda: Beats("flux"), (4,), torch.float32),
    "beats-madmom": pytest.param(lambda: Beats("madmom"), (4,), torch.float32, marks=needs_madmom),
}
every = pytest.mark.parametrize(("make", "features", "dtype"), EXTRACTORS.values(), ids=EXTRACTORS.keys())
Make = Callable[[], Any]
GRID = FrameGrid.of_seconds(2.5, 25)


def check(track: Track, grid: FrameGrid, features: tuple[int, ...], dtype: torch.dtype) -> None:
    assert track.grid == grid
    assert track.values.shape == (grid.length, *features)
    assert track.values.dtype == dtype
    assert track.known.shape == (grid.length,)
    assert bool(track.values.isfinite().all())


@functools.cache
def on_band(make: Make) -> Track:
    """The track of the band, which several tests compare with."""
    return cast(Track, make()(band(), GRID))


@every
def test_follows_the_protocol(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    extractor = make()
    assert isinstance(extractor, Extractor)
    assert extractor.name and extractor.version
    with pytest.raises(dataclasses.FrozenInstanceError):
        extractor.name = "other"


@every
def test_shape_and_dtype_on_a_band(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    track = on_band(make)
    check(track, GRID, features, dtype)
    assert bool(track.known.any())


@every
def test_is_deterministic(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    again = make()(band(), GRID)
    assert torch.equal(again.values, on_band(make).values)
    assert torch.equal(again.known, on_band(make).known)


@every
def test_silence_is_heard_as_nothing(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    grid = FrameGrid.of_seconds(2.0, 25)
    track = make()(Audio(torch.zeros(1, 2 * RATE), RATE), grid)
    check(track, grid, features, dtype)
    # Silence has no chord, whose id is 0, no note, no onset and no beat.
    assert not bool(track.values[track.known].any())


@every
@pytest.mark.parametrize("samples", [0, 10, round(0.05 * RATE)])
def test_very_short_audio(make: Make, features: tuple[int, ...], dtype: torch.dtype, samples: int) -> None:
    grid = FrameGrid.of_seconds(0.08, 25)
    track = make()(Audio(band().samples[:, :samples], RATE), grid)
    check(track, grid, features, dtype)


@every
def test_grid_longer_than_the_audio(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    grid = FrameGrid.of_seconds(3.0, 50)
    width = tuple(6 if n == 12 else n for n in features)  # twice the frames, half the sub-bins
    check(make()(band(), grid), grid, width, dtype)


@every
def test_stereo_is_mixed_down(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    both = make()(Audio(band().samples.repeat(2, 1), RATE), GRID)
    assert torch.equal(both.known, on_band(make).known)
    assert torch.equal(both.values, on_band(make).values)


@every
def test_leading_dimensions_of_one_are_dropped(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    assert torch.equal(make()(Audio(band().samples[None], RATE), GRID).values, on_band(make).values)


@every
def test_another_rate(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    track = make()(band(22_050), GRID)
    check(track, GRID, features, dtype)
    # The bands above 11 kHz are gone and the noise is another; what is known stays.
    assert torch.equal(track.known, on_band(make).known)


@every
def test_a_batch_is_refused(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=r"one recording at a time.*\(2, 1, 32000\)"):
        make().analyse(Audio(torch.ones(2, 1, RATE), RATE))


@every
def test_samples_that_are_not_finite_are_refused(make: Make, features: tuple[int, ...], dtype: torch.dtype) -> None:
    samples = torch.ones(1, RATE)
    samples[0, 5] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        make().analyse(Audio(samples, RATE))
