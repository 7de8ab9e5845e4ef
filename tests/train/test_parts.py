"""Dropout, schedule, budget and spectral loss on their own."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.train.align import alignment_loss
from flowmusic.train.callbacks import ComputeBudget
from flowmusic.train.describe import FLOOR, Description, statistics
from flowmusic.train.dropout import Dropout, random_spans
from flowmusic.train.flow import noisy_context
from flowmusic.train.schedule import warmup_cosine
from flowmusic.train.spectral_loss import complex_loss, multi_resolution
from flowmusic.types import Controls, FrameGrid, Style, Track

GRID = FrameGrid(Fraction(25), 40)


def controls(batch: int) -> Controls:
    known = torch.ones(batch, GRID.length, dtype=torch.bool)
    tracks = {n: Track(torch.rand(batch, GRID.length, 3), known, GRID) for n in ("drums", "melody")}
    return Controls(("words",) * batch, tracks)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_probabilities_are_met() -> None:
    dropout = Dropout(everything=0.2, text_only=0.1, text=0.5, tracks={"drums": 0.4}, span=0.0, context=0.3)
    batch = 4000
    out = dropout(controls(batch), generator())
    gone = {name: float((~track.known).all(1).float().mean()) for name, track in out.tracks.items()}
    # four standard deviations of a share of 4000 are about 0.03
    assert gone["melody"] == pytest.approx(0.3, abs=0.03)
    assert gone["drums"] == pytest.approx(0.3 + 0.7 * 0.4, abs=0.03)
    assert sum(t is None for t in out.text) / batch == pytest.approx(0.2 + 0.7 * 0.5, abs=0.03)
    given_share = dropout.given_latents(batch, 40, generator(1)).any(1).float().mean()
    assert 0.2 < float(given_share) < 0.31  # some continuations have length zero


def test_whole_rows_are_unconditional_together() -> None:
    out = Dropout(everything=1.0, text_only=0.0)(controls(8), generator())
    assert not any(t for t in out.text) and not any(track.known.any() for track in out.tracks.values())
    text_only = Dropout(everything=0.0, text_only=1.0)(controls(8), generator())
    assert all(text_only.text) and not any(track.known.any() for track in text_only.tracks.values())


def test_feel_without_tracks() -> None:
    """Text and style alone, one or both: the branches that double guidance needs."""
    style = (Style(torch.zeros(5, 2)),) * 2000
    asked = Controls(controls(2000).text, controls(2000).tracks, style)
    out = Dropout(everything=0.1, text_only=0.1, feel_only=0.5, text=0.2, style=0.4, span=0.0)(asked, generator())
    trackless = ~torch.stack([track.known.any(1) for track in out.tracks.values()]).any(0)
    text, feel = (torch.tensor([x is not None for x in row]) for row in (out.text, out.style))
    assert float(trackless.float().mean()) == pytest.approx(0.7, abs=0.05)
    for words, style_too, share in ((1, 1, 0.5 * 0.8 * 0.6), (0, 1, 0.5 * 0.2 * 0.6), (1, 0, 0.1 + 0.5 * 0.8 * 0.4)):
        found = (trackless & (text == bool(words)) & (feel == bool(style_too))).float().mean()
        assert float(found) == pytest.approx(share, abs=0.05)


def test_spans_hide_frames_and_input_is_untouched() -> None:
    asked = controls(64)
    out = Dropout(0.0, 0.0, 0.0, {}, span=1.0)(asked, generator())
    shares = out.tracks["drums"].known.float().mean(1)
    assert bool((shares > 0).all()) and bool((shares < 1).any())
    assert bool(asked.tracks["drums"].known.all())


@given(st.integers(1, 100), st.integers(0, 1000))
def test_spans_are_one_piece_inside_the_window(length: int, seed: int) -> None:
    spans = random_spans(16, length, generator(seed))
    starts = spans[:, :1].sum(1) + (spans[:, 1:] & ~spans[:, :-1]).sum(1)
    assert bool((starts == 1).all())


@given(st.integers(0, 1000))
def test_something_is_always_left_to_generate(seed: int) -> None:
    given_frames = Dropout(context=1.0).given_latents(32, 40, generator(seed))
    assert not bool(given_frames.all(1).any())


@pytest.mark.parametrize(
    "bad", [{"everything": -0.1}, {"tracks": {"drums": 1.5}}, {"everything": 0.7, "text_only": 0.6}]
)
def test_impossible_probabilities_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]|exceed 1"):
        Dropout(**bad)


def test_several_spans_leave_as_much_as_one() -> None:
    one, several = Dropout(context=1.0), Dropout(context=1.0, spans=4)
    given = [each.given_latents(4096, 80, generator(3)) for each in (one, several)]
    # Inpainting rows alone: those that begin with given frames and end with them.
    made = [(~g[g[:, 0] & g[:, -1]]) for g in given]
    starts = [(m[:, 1:] & ~m[:, :-1]).sum(1) for m in made]
    assert int(starts[0].max()) == 1 and set(starts[1].tolist()) == {1, 2, 3, 4}
    assert float(made[1].float().mean()) == pytest.approx(float(made[0].float().mean()), abs=0.08)
    with pytest.raises(ValueError, match="spans must be 1 to 4, got 5"):
        Dropout(spans=5)


def test_context_noise_is_told_where_latents_are_given() -> None:
    assert Dropout().context_deviation(4, generator(1)) is None
    deviation = Dropout(context_noise=0.2).context_deviation(400, generator(1))
    assert deviation is not None and float(deviation.min()) >= 0.0 and 0.15 < float(deviation.max()) <= 0.2
    latents, given = torch.zeros(400, 50, 8), torch.arange(50).expand(400, 50) < 20
    shown, trust = noisy_context(latents, given, deviation, generator(2))
    torch.testing.assert_close(shown.std(dim=(1, 2)), deviation, atol=0.01, rtol=0.15)
    assert torch.equal(trust[:, 20:], torch.zeros(400, 30))
    torch.testing.assert_close(trust[:, 0], 1.0 - deviation)
    with pytest.raises(ValueError, match="context_noise must be at least 0 and below 1"):
        Dropout(context_noise=1.0)


def test_schedule_rises_falls_and_stays() -> None:
    values = [warmup_cosine(step, 10, 100) for step in range(200)]
    assert values[:10] == sorted(values[:10]) and values[9] == 1.0
    assert values[10:100] == sorted(values[10:100], reverse=True)
    assert values[100] == values[199] == pytest.approx(0.02)


def test_budget_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match=r"wall_s.*-3"):
        ComputeBudget(wall_s=-3)


@pytest.mark.parametrize("loss", [multi_resolution, complex_loss])
def test_losses_are_zero_at_equality_and_hear_a_semitone(loss) -> None:  # type: ignore[no-untyped-def]
    time = torch.arange(16_000) / 16_000
    tone = 0.3 * torch.sin(2 * torch.pi * 220.0 * time)[None]
    higher = 0.3 * torch.sin(2 * torch.pi * 233.1 * time)[None]
    assert float(loss(tone, tone)) < 1e-4
    assert float(loss(higher, tone)) > 0.2
    silent = torch.zeros_like(tone).requires_grad_()
    loss(silent, tone).backward()
    assert silent.grad is not None and bool(torch.isfinite(silent.grad).all())


def test_alignment_loss_knows_who_belongs_together() -> None:
    text = torch.randn(32, 16, generator=generator())
    other = torch.randn(32, 16, generator=generator(1))
    assert alignment_loss(text, 3.0 * text) < 0.5 < alignment_loss(text, other)
    assert alignment_loss(torch.ones(32, 16), torch.ones(32, 16)).item() == pytest.approx(math.log(32), rel=1e-5)
    assert alignment_loss(text, text.flip(0)) > alignment_loss(text, text)
    learned = torch.nn.Parameter(other.clone())
    optimizer = torch.optim.Adam([learned], 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss = alignment_loss(text, learned)
        loss.backward()
        optimizer.step()
    own = torch.nn.functional.normalize(text, dim=-1) @ torch.nn.functional.normalize(learned.detach(), dim=-1).T
    assert bool((own.argmax(1) == torch.arange(32)).all())


def test_statistics_of_windows_are_mean_deviation_and_change() -> None:
    still = torch.full((1, 10), 0.5)
    swings = torch.tensor([[1.0, -1.0] * 5])
    found = statistics(torch.stack([still, swings], dim=-1))
    assert found.shape == (1, 6)
    expected = [0.5, 0.0, math.log(FLOOR), math.log(1.0), math.log(FLOOR), math.log(2.0)]
    assert found[0].tolist() == pytest.approx(expected, abs=1e-6)
    # When something is played does not count.
    noise = torch.randn(4, 50, 3, generator=generator())
    assert torch.allclose(statistics(noise), statistics(noise.flip(1)), atol=1e-6)


def test_a_description_learns_what_vectors_tell_and_leaves_silence_out() -> None:
    told = torch.randn(256, 4, generator=generator())
    # The vector tells how loud each channel is, but nothing of its mean.
    latents = told.exp()[:, None] * torch.randn(256, 40, 4, generator=generator(1))
    reader = Description(4, 4)
    nothing = reader.loss(latents, torch.ones(256, 4)).item()
    assert nothing == pytest.approx(1.0, rel=1e-2)
    optimizer = torch.optim.Adam(reader.parameters(), 0.05)
    for _ in range(100):
        optimizer.zero_grad()
        loss = reader.loss(latents, told)
        loss.backward()
        optimizer.step()
    reader.eval()
    found = reader.loss(latents, told)
    # A third of the statistics are means, which it cannot know.
    assert 0.3 < found.item() < 0.45
    half = torch.where(torch.arange(256)[:, None] < 128, told, 0.0)
    assert torch.allclose(reader.loss(latents, half), reader.loss(latents[:128], told[:128]))
    assert torch.allclose(reader.loss(latents, told, torch.zeros_like(told)), found)
    assert reader.loss(latents, torch.zeros_like(told)).item() == 0.0
