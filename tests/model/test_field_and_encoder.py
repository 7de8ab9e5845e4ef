"""Encoder and field: one meaning of absent, no dependence on batch mates, padding or unknown values."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from flowmusic import progress
from flowmusic.controls import chord_features
from flowmusic.controls.vocabulary import LABELS, label_id
from flowmusic.model.controls import TrackConditioner
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.field import VectorField, linear_guess
from flowmusic.model.layers import Attention, rotary_table, rotate, sinusoid
from flowmusic.types import Condition, Controls, FrameGrid, Track

GRID = FrameGrid(Fraction(25), 30)
DIM, WIDTH = 8, 32
TRACKS = {
    "chords": {"features": 37, "ids": 194, "dim": 6, "table": chord_features.table()},
    "drums": {"features": 12, "dim": 4},
}


@pytest.fixture(scope="module")
def encoder() -> ConditionEncoder:
    torch.manual_seed(0)
    return ConditionEncoder(DIM, WIDTH, TRACKS).eval()


@pytest.fixture(scope="module")
def field(encoder: ConditionEncoder) -> VectorField:
    torch.manual_seed(1)
    field = VectorField(DIM, encoder.frames_dim, WIDTH, layers=4, heads=2)
    for parameter in field.parameters():  # the zero start would hide every dependence
        torch.nn.init.normal_(parameter, std=0.2)
    return field.eval()


def controls(seed: int = 0, text: str | None = None) -> Controls:
    generator = torch.Generator().manual_seed(seed)
    known = torch.ones(1, GRID.length, dtype=torch.bool)
    chords = torch.randint(0, 194, (1, GRID.length), generator=generator)
    drums = torch.rand(1, GRID.length, 12, generator=generator)
    return Controls((text,), {"chords": Track(chords, known, GRID), "drums": Track(drums, known, GRID)})


def velocity(field: VectorField, condition: Condition, batch: int = 1) -> torch.Tensor:
    z = torch.randn(batch, GRID.length, DIM, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return field(z, torch.full((batch,), 0.3), condition)


def same(a: Condition, b: Condition) -> bool:
    assert a.frames is not None and b.frames is not None
    return torch.equal(a.frames, b.frames) and torch.equal(a.tokens_mask, b.tokens_mask)


def test_blocks_that_are_told_the_tracks_start_as_if_they_were_not(
    encoder: ConditionEncoder, field: VectorField
) -> None:
    told = VectorField(DIM, encoder.frames_dim, WIDTH, layers=4, heads=2, frames_in_blocks=True).eval()
    missing, unknown = told.load_state_dict(field.state_dict(), strict=False)
    assert not unknown and [name.partition(".")[0] for name in missing] == ["frame_inputs"] * 4
    condition = encoder(controls(), GRID)
    assert torch.equal(velocity(told, condition), velocity(field, condition))
    torch.nn.init.normal_(told.frame_inputs[3].weight, std=0.2)
    assert (velocity(told, condition) - velocity(field, condition)).abs().max() > 0.01


def test_the_linear_guess_is_the_best_one(encoder: ConditionEncoder) -> None:
    """Of 100 000 pairs of unit variance no other factor of z comes nearer to their velocities; a field starts there."""
    generator = torch.Generator().manual_seed(0)
    z_0, z_1 = torch.randn(2, 100_000, generator=generator)
    times = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0])
    found = []
    for t in times:
        z = (1 - t) * z_0 + t * z_1
        found.append((z * (z_1 - z_0)).mean() / z.square().mean())
    assert torch.allclose(linear_guess(times), torch.stack(found), atol=0.02)
    fresh = VectorField(DIM, encoder.frames_dim, WIDTH, layers=4, heads=2, preconditioned=True).eval()
    z = torch.randn(1, GRID.length, DIM, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(
        velocity(fresh, encoder(controls(), GRID)), linear_guess(torch.tensor(0.3)) * z, rtol=0, atol=1e-6
    )


def test_absent_is_dropped_is_unknown(encoder: ConditionEncoder) -> None:
    full = controls()
    missing = Controls((None,), {"chords": full.tracks["chords"]})
    unknown = Controls((None,), {**full.tracks, "drums": full.tracks["drums"].unknown()})
    reference = encoder(full.only({"chords"}), GRID)
    assert same(encoder(missing, GRID), reference)
    assert same(encoder(unknown, GRID), reference)
    assert not same(encoder(full, GRID), reference)


def test_silence_is_not_absence(encoder: ConditionEncoder) -> None:
    full = controls()
    silent = Track(torch.zeros_like(full.tracks["drums"].values), full.tracks["drums"].known, GRID)
    asked = Controls((None,), {"drums": silent})
    assert not same(encoder(asked, GRID), encoder(Controls((None,)), GRID))


def test_values_where_unknown_do_not_matter(encoder: ConditionEncoder) -> None:
    full = controls()
    known = torch.ones(1, GRID.length, dtype=torch.bool)
    known[:, 10:] = False
    other = full.tracks["drums"].values.clone()
    other[:, 10:] = 99.0
    first = encoder(Controls((None,), {"drums": Track(full.tracks["drums"].values, known, GRID)}), GRID)
    second = encoder(Controls((None,), {"drums": Track(other, known, GRID)}), GRID)
    assert same(first, second)


def test_every_control_reaches_the_velocity(encoder: ConditionEncoder, field: VectorField) -> None:
    base = velocity(field, encoder(controls(text="a slow waltz"), GRID))
    other = controls(seed=1, text="hard techno")
    for name in ("chords", "drums", "text"):
        changed = velocity(field, encoder(controls(text="a slow waltz").swap(name, other), GRID))
        assert (changed - base).abs().max() > 1e-3, name
    latents = torch.randn(1, GRID.length, DIM)
    given = torch.arange(GRID.length)[None] < 8
    continued = velocity(field, encoder(controls(text="a slow waltz"), GRID, (latents, given)))
    assert (continued - base).abs().max() > 1e-3


def test_batch_equals_loop_with_texts_of_different_length(encoder: ConditionEncoder, field: VectorField) -> None:
    items = [controls(0, "jazz"), controls(1, "a long and winding description of a slow piece"), controls(2, None)]
    together = encoder(Controls.stack(items), GRID)
    z = torch.randn(3, GRID.length, DIM)
    t = torch.tensor([0.1, 0.5, 0.9])
    with torch.no_grad():
        stacked = field(z, t, together)
        for row, item in enumerate(items):
            alone = field(z[row : row + 1], t[row : row + 1], encoder(item, GRID))
            # float32 sums in another order
            torch.testing.assert_close(stacked[row : row + 1], alone, atol=2e-5, rtol=1e-4)


def test_unknown_control_and_wrong_length_are_named(encoder: ConditionEncoder) -> None:
    stranger = Controls((None,), {"reverb": controls().tracks["drums"]})
    with pytest.raises(ValueError, match=r"reverb.*chords, drums"):
        encoder(stranger, GRID)
    with pytest.raises(ValueError, match=r"30 frames.*31"):
        encoder(controls(), FrameGrid(Fraction(25), 31))


def test_new_field_starts_at_zero(encoder: ConditionEncoder) -> None:
    fresh = VectorField(DIM, encoder.frames_dim, WIDTH, layers=2, heads=2)
    assert velocity(fresh, encoder(controls(), GRID)).abs().max() == 0.0


def test_second_time_equal_to_the_first_changes_nothing(encoder: ConditionEncoder, field: VectorField) -> None:
    condition = encoder(controls(), GRID)
    z, t = torch.randn(1, GRID.length, DIM), torch.tensor([0.4])
    with torch.no_grad():
        plain = field(z, t, condition)
        torch.testing.assert_close(field(z, t, condition, r=t), plain, atol=1e-5, rtol=1e-4)
        assert (field(z, t, condition, r=torch.tensor([0.1])) - plain).abs().max() > 1e-3


def test_rotary_attention_depends_on_distance_only() -> None:
    table = rotary_table(12, 8, torch.device("cpu"))
    query, key = torch.randn(1, 1, 1, 8).expand(1, 1, 12, 8), torch.randn(1, 1, 1, 8).expand(1, 1, 12, 8)
    scores = (rotate(query, table) @ rotate(key, table).mT)[0, 0]
    for offset in range(-3, 4):
        diagonal = scores.diagonal(offset)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=1e-4)


def test_attention_refuses_odd_heads() -> None:
    with pytest.raises(ValueError, match=r"width 30 .* heads 4"):
        Attention(30, 4)


def test_sinusoid_tells_neighbouring_times_apart() -> None:
    features = sinusoid(torch.tensor([0.5, 0.51]), 64)
    assert features.shape == (2, 64)
    assert (features[0] - features[1]).abs().max() > 0.5


def test_chord_table_is_transposed_by_transposition() -> None:
    table = torch.tensor(chord_features.table())
    c, d = table[label_id("Cm7")], table[label_id("Dm7")]
    for part in (slice(0, 12), slice(12, 24), slice(24, 36)):
        torch.testing.assert_close(c[part].roll(2), d[part])
    assert table.shape == (len(LABELS), chord_features.FEATURES)
    assert table[label_id("N")].sum() == 1.0


def test_text_is_deterministic_cached_and_absent_when_empty(encoder: ConditionEncoder) -> None:
    states, mask = encoder.text(("warm piano", None, "  "))
    assert mask.tolist()[1:] == [[False] * mask.shape[1]] * 2 and bool(mask[0].any())
    encoder.text.remember(["warm piano"])
    again, _ = encoder.text(("warm piano",))
    # the cache keeps fp16
    torch.testing.assert_close(again[0], states[0, : again.shape[1]], atol=2e-3, rtol=2e-3)


def test_prompts_encoded_together_equal_those_encoded_alone(encoder: ConditionEncoder, tmp_path: Path) -> None:
    prompts = ["slow jazz", "fast rock", "a bright and busy waltz for strings"]
    fresh = ConditionEncoder(DIM, WIDTH, TRACKS).text
    lines: list[str] = []
    with progress.telling(lambda bar: lines.append(bar.line())):
        fresh.remember(prompts, tmp_path)
    assert lines[-1] == "encoding: 3/3 prompts"
    again = ConditionEncoder(DIM, WIDTH, TRACKS).text
    again.remember([], tmp_path)
    assert again.cache.keys() == set(prompts)
    for prompt in prompts:
        # fp16 storage
        torch.testing.assert_close(fresh.states(prompt), encoder.text.states(prompt), atol=5e-3, rtol=5e-3)


def test_blur_spreads_over_sub_bins_and_keeps_the_sum() -> None:
    conditioner = TrackConditioner(12, 4, bands=3, blur_s=0.05)
    values = torch.zeros(1, 10, 12)
    values[0, 4, 9] = 1.0  # low band, last sub-bin of frame 4
    spread = conditioner.blurred(values).reshape(40, 3)
    assert spread.sum().item() == pytest.approx(1.0) and spread[:, 1:].sum() == 0
    assert spread[:, 0].nonzero().flatten().tolist() == [17, 18, 19, 20, 21]
    with pytest.raises(ValueError, match=r"more seconds, got -0\.01"):
        TrackConditioner(12, 4, bands=3, blur_s=-0.01)


def test_blur_is_given_in_seconds_and_becomes_an_odd_number_of_sub_bins() -> None:
    widths = {blur_s: TrackConditioner(12, 4, bands=3, blur_s=blur_s).blur for blur_s in (0, 0.03, 0.04, 0.08, 0.58)}
    assert widths == {0: 1, 0.03: 3, 0.04: 5, 0.08: 9, 0.58: 59}
