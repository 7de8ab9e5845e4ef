"""Balance: music that is told to a field gets the bands of the opening, and a stream keeps its cymbals as they were."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.controls.meter import parse_meter
from flowmusic.generate import balance
from flowmusic.generate import stream as streaming
from flowmusic.generate.balance import OpeningBalance, filtered, levels_db
from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.generator import Generator
from flowmusic.generate.stream import Change, Stream
from flowmusic.types import Solution
from tests.generate.tiny import TinyEncoder, TinyField

RATE, HOP = 8000, 320


class WaveCodec:
    """Latents are the samples themselves, a frame at a time."""

    rate, channels, frame_rate, dim, hop, context_frames = RATE, 1, Fraction(25), HOP, HOP, 1

    def encode(self, audio: Audio) -> Tensor:
        return audio.samples[:, 0].unflatten(-1, (-1, HOP))

    def decode(self, latents: Tensor) -> Audio:
        return Audio(latents.flatten(1)[:, None], RATE)


def band(low: float, high: float, rms: float, seconds: float, seed: int) -> Tensor:
    """Noise between two frequencies, ``[1, N]``."""
    spectrum = torch.fft.rfft(torch.randn(1, round(seconds * RATE), generator=torch.Generator().manual_seed(seed)))
    hz = torch.linspace(0.0, RATE / 2, spectrum.shape[-1])
    sound = torch.fft.irfft(spectrum * ((hz >= low) & (hz < high)), n=round(seconds * RATE))
    return sound * rms / sound.square().mean().sqrt()


def music(cymbals: float, seconds: float = 8.0, seed: int = 0, bass: float = 0.1) -> Tensor:
    """Bass, chords and cymbals as latents ``[1, T, D]``."""
    parts = [band(60, 200, bass, seconds, seed), band(300, 900, 0.1, seconds, seed + 1)]
    return (sum(parts) + band(2100, 3900, cymbals, seconds, seed + 2)).unflatten(-1, (-1, HOP))


def cymbals_db(latents: Tensor) -> float:
    return float(levels_db(latents.flatten(1), RATE)[-1])


def test_levels_are_those_of_bands_and_their_sum_is_the_power() -> None:
    levels = levels_db(band(300, 450, 0.1, 2.0, 0), RATE)
    assert levels.argmax() == 1 and float(levels[1]) == pytest.approx(-20.0, abs=0.1)
    assert levels_db(torch.zeros(1, RATE), RATE).tolist() == [balance.SILENCE_DB] * 5
    torch.testing.assert_close(filtered(music(0.05).flatten(1), torch.zeros(5), RATE), music(0.05).flatten(1))


@pytest.mark.parametrize(("cymbals", "moved"), [(0.02, 0.0), (0.036, -5.1), (0.012, 4.4), (0.06, -6.0)])
def test_music_gets_the_balance_of_the_opening_and_what_has_it_stays(cymbals: float, moved: float) -> None:
    opening, now = OpeningBalance(WaveCodec()), music(cymbals, 3.0, seed=7)
    assert opening.shift(now, 0.0) == 0.0
    opening.begin(music(0.02))
    told = now + opening.shift(now, 0.0)
    assert cymbals_db(told) - cymbals_db(now) == pytest.approx(moved, abs=1.0)
    # How loud it is altogether is none of the balance's affair.
    torch.testing.assert_close(opening.shift(3.0 * now, 0.0), 3.0 * opening.shift(now, 0.0), atol=1e-3, rtol=0.05)


def test_what_was_too_loud_for_long_is_made_up_for_and_silence_has_no_balance() -> None:
    opening, now = OpeningBalance(WaveCodec()), music(0.022, 3.0, seed=7)
    opening.begin(music(0.02))
    at_once, later = (cymbals_db(now + opening.shift(now, seconds)) for seconds in (0.0, balance.RECENT_SECONDS))
    # The cymbals are 0.8 dB too loud: they are set back by that, and then by REPAID times as much more.
    assert cymbals_db(now) - at_once == pytest.approx(0.8, abs=0.4)
    assert at_once - later == pytest.approx(4.0 * 0.8, abs=1.0)
    opening.begin(torch.zeros(1, 200, HOP))
    assert opening.shift(now, 2.0) == 0.0


def wandering(steady: bool, balanced: bool, monkeypatch: pytest.MonkeyPatch, change: int | None = None) -> list[float]:
    """Cymbals of blocks by a field that plays them a little louder than it has just heard them, or anew as asked."""
    if not balanced:
        monkeypatch.setattr(OpeningBalance, "shift", lambda self, music, new_seconds: 0.0)
    made: list[int] = []

    def draw(
        model: object,
        passages: object,
        noise: Tensor,
        sampling: object,
        given: tuple[Tensor, Tensor],
        timbre: list[object],
    ) -> object:
        known, keep = given
        told, cymbals = known[:, keep[0]], 0.02
        made.append(len(made))
        if told.shape[1]:
            cymbals = 1.1 * 10.0 ** (cymbals_db(told[:, -50:]) / 20.0)
        cymbals *= 4.0 if change == len(made) else 1.0
        new = music(cymbals, known.shape[1] / 25, seed=3 * len(made))
        return Solution(torch.where(keep[..., None], known, new), 1)

    monkeypatch.setattr(streaming, "draw", draw)
    model = Generator(
        TinyField(), TinyEncoder(), WaveCodec(), name="wave", seconds=6.0, defaults=GenerationDefaults({"all": 2.0})
    )
    stream = Stream(model, "ab", 120.0, parse_meter("4/4"), seed=1, steady=steady)
    return [
        cymbals_db(stream.next_block(Change("zz") if change == len(made) + 1 else None).latents[None])
        for _ in range(16)
    ]


def test_a_stream_keeps_its_balance_where_a_field_would_lead_itself_away(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = wandering(True, True, monkeypatch)
    assert max(kept[4:]) - min(kept[4:]) < 2.5
    left = wandering(True, False, monkeypatch)
    assert left[-1] - left[4] > 8.0


def test_after_new_words_the_balance_is_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = wandering(True, True, monkeypatch, change=7)
    assert levels[-1] - levels[3] > 0.7 * 20 * math.log10(4.0)
