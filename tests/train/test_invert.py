"""Textual inversion: on a small model that obeys its text, and for real on the shipped one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from flowmusic.audio import Audio
from flowmusic.generate.generator import Generator
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.field import VectorField
from flowmusic.train import excerpts, invert
from flowmusic.train.identity import OtherRun
from flowmusic.train.invert import Settings
from tests.generate.tiny import DIM, RATE, TinyCodec, tiny_generator

QUICK = Settings(window_s=0.4, batch=4, rate=0.02, every=5, patience=20, trials=16)
LEVELS = {"music": 0.0, "dark": -0.8, "bright": 0.8}
"""In the toy model's world, a word says how high the latents lie."""


def level(value: float, seconds: float = 4.0, seed: int = 0) -> Audio:
    """A recording whose latents lie at ``value``, give or take 0.1: its samples do."""
    noise = torch.randn(round(25 * seconds), generator=torch.Generator().manual_seed(seed))
    return Audio((value + 0.1 * noise).repeat_interleave(RATE // 25)[None], RATE)


@pytest.fixture(scope="module")
def model() -> Generator:
    """Encoder and field of the real kinds, trained for seconds until they obey the text."""
    torch.manual_seed(0)
    encoder = ConditionEncoder(DIM, 32, {})
    field = VectorField(DIM, encoder.frames_dim, 32, layers=2, heads=2)
    prompts = {template.format(word): value for word, value in LEVELS.items() for template in invert.TEMPLATES[:4]}
    encoder.text.remember(list(prompts))
    optimizer = torch.optim.Adam([*encoder.parameters(), *field.parameters()], lr=3e-3)
    generator = Generator(field, encoder, TinyCodec(), name="toy", seconds=2.0)
    draws = torch.Generator().manual_seed(0)
    texts = list(prompts)
    for _ in range(200):
        chosen = [texts[n] for n in torch.randint(len(texts), (16,), generator=draws)]
        centres = torch.tensor([prompts[text] for text in chosen])[:, None, None]
        latents = centres + 0.1 * torch.randn(16, 10, DIM, generator=draws)
        optimizer.zero_grad()
        invert.loss(generator, invert.draw(latents, draws), chosen).backward()
        optimizer.step()
    for parameter in [*encoder.parameters(), *field.parameters()]:
        parameter.grad = None
        parameter.requires_grad_(False)
    return generator


@pytest.fixture(scope="module")
def learned(model: Generator) -> invert.Inversion:
    return invert.invert(model, [level(0.6)], "dusk", 1, 60, 0, settings=QUICK)


def test_the_held_out_loss_falls_to_that_of_the_right_word(model: Generator, learned: invert.Inversion) -> None:
    start = learned.looks[0].held_out
    assert learned.best.held_out < 0.8 * start
    trials = invert.repeated(excerpts.encode(model.codec, [level(0.6, seed=9)])[0][None, :10], 32, seed=9)
    text = invert.check_model(model)
    with invert.registered(text, learned.concept) as said:
        by = {word: invert.mean_loss(model, trials, word) for word in ("music", "bright", "dark", said, f"{said}:0")}
    # A recording that nothing was learned from: the pseudoword beats the word it began as, and the wrong one.
    assert by[said] < 0.8 * by["music"] < by["dark"]
    assert by[f"{said}:0"] == pytest.approx(by["music"], rel=1e-5)
    assert by[said] < 1.2 * by["bright"]
    assert text.concepts == {}


def test_the_record_says_how_it_was_made(learned: invert.Inversion) -> None:
    concept, record = learned.concept, learned.concept.record
    assert (concept.name, concept.vectors.shape, concept.vectors.requires_grad) == ("dusk", (1, 384), False)
    assert (record["model"], record["seed"], record["init"]) == ("toy", 0, "music")
    assert record["steps"] == learned.looks[-1].step
    assert record["held_out"] == [learned.looks[0].held_out, learned.best.held_out]
    assert [look.step for look in learned.looks] == list(range(0, record["steps"] + 1, QUICK.every))
    assert math.isnan(learned.looks[0].train) and not math.isnan(learned.looks[1].train)


def test_only_the_vectors_change(model: Generator) -> None:
    parts = (model.field, model.encoder)
    before = [tensor.clone() for part in parts for tensor in part.state_dict().values()]
    for part in parts:
        part.requires_grad_(True)  # a model that was never frozen is not trained either
    invert.invert(model, [level(0.6)], "dusk", 2, 3, settings=QUICK)
    assert all(parameter.grad is None for part in parts for parameter in part.parameters())
    after = [tensor for part in parts for tensor in part.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    for part in parts:
        part.requires_grad_(False)


def test_the_seed_decides(model: Generator) -> None:
    def vectors(seed: int) -> torch.Tensor:
        return invert.invert(model, [level(0.6)], "dusk", 2, 10, seed, settings=QUICK).concept.vectors

    assert torch.equal(vectors(1), vectors(1))
    assert not torch.equal(vectors(1), vectors(2))


class Touch:
    """Unpickling this makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


class Stopped(Exception):
    pass


def stop_at(step: int) -> invert.Report:
    def report(done: int, total: int, loss: float, look: invert.Look) -> None:
        if done == step:
            raise Stopped

    return report


def test_a_run_that_was_stopped_ends_as_one_that_was_not(model: Generator, tmp_path: Path) -> None:
    partial = tmp_path / "dusk.partial"
    whole = invert.invert(model, [level(0.6)], "dusk", 2, 20, 4, settings=QUICK)
    with pytest.raises(Stopped):
        invert.invert(model, [level(0.6)], "dusk", 2, 20, 4, settings=QUICK, partial=partial, report=stop_at(13))
    assert [path.name for path in tmp_path.iterdir()] == ["dusk.partial"]
    steps: list[int] = []
    again = invert.invert(
        model,
        [level(0.6)],
        "dusk",
        2,
        20,
        4,
        settings=QUICK,
        partial=partial,
        report=lambda done, total, loss, look: steps.append(done),
    )
    assert steps == list(range(11, 21))
    assert torch.equal(again.concept.vectors, whole.concept.vectors)
    assert again.concept.record == whole.concept.record
    assert str(again.looks) == str(whole.looks)  # as text: the first holds a NaN


@pytest.mark.parametrize("other", ["seed", "clips", "token", "vectors", "rate"])
def test_the_state_of_another_run_is_refused_and_kept(model: Generator, tmp_path: Path, other: str) -> None:
    partial = tmp_path / "dusk.partial"
    with pytest.raises(Stopped):
        invert.invert(model, [level(0.6)], "dusk", 1, 9, 0, settings=QUICK, partial=partial, report=stop_at(6))
    before = partial.read_bytes()
    with pytest.raises(OtherRun, match=rf"dusk\.partial belongs to another run \({other} was .*delete it"):
        invert.invert(
            model,
            [level(0.5 if other == "clips" else 0.6)],
            "dawn" if other == "token" else "dusk",
            2 if other == "vectors" else 1,
            2,
            1 if other == "seed" else 0,
            settings=replace(QUICK, rate=0.01) if other == "rate" else QUICK,
            partial=partial,
        )
    assert partial.read_bytes() == before


def test_a_damaged_state_is_named(model: Generator, tmp_path: Path) -> None:
    partial, proof = tmp_path / "dusk.partial", tmp_path / "proof"
    torch.save({"made_from": Touch(proof)}, tmp_path / "hostile")
    for content in (b"words", b"", (tmp_path / "hostile").read_bytes()):
        partial.write_bytes(content)
        with pytest.raises(invert.DamagedState, match=r"dusk\.partial.*delete it"):
            invert.invert(model, [level(0.6)], "dusk", 1, 2, settings=QUICK, partial=partial)
    assert not proof.exists()


def test_it_stops_when_nothing_is_gained_and_keeps_the_best(model: Generator) -> None:
    wild = replace(QUICK, rate=5.0, every=1, patience=3)
    found = invert.invert(model, [level(0.0)], "dusk", 1, 50, settings=wild)
    assert found.looks[-1].step == found.best.step + 3 < 50
    assert found.best.held_out == min(look.held_out for look in found.looks)
    held_out = excerpts.part(excerpts.encode(model.codec, [level(0.0)]), 10).held_out
    trials = invert.repeated(held_out, QUICK.trials, invert.derived(0, 0))
    with invert.registered(invert.check_model(model), found.concept) as said:
        kept = invert.mean_loss(model, trials, said)
    assert kept == pytest.approx(found.best.held_out, rel=1e-5) and kept < found.looks[-1].held_out


def test_what_cannot_be_inverted_is_refused(model: Generator) -> None:
    with pytest.raises(ValueError, match=r"tiny cannot learn.*such as nano"):
        invert.invert(tiny_generator(), [level(0.6)], "dusk")
    for clips, message in (([], "no clips"), ([level(0.6), level(0.6, 2.0)], r"clip 2 lasts 2\.00 s.*3 s")):
        with pytest.raises(ValueError, match=message):
            invert.invert(model, clips, "dusk")
    with pytest.raises(ValueError, match="1 to 16, got 17"):
        invert.invert(model, [level(0.6)], "dusk", 17)
    with pytest.raises(ValueError, match="from 1 to 10000, got 0"):
        invert.invert(model, [level(0.6)], "dusk", steps=0)
    with pytest.raises(ValueError, match="single token"):
        invert.invert(model, [level(0.6)], "dusk", settings=replace(QUICK, init="zzqxv"))


# Excerpts


def counted(*lengths: int) -> list[torch.Tensor]:
    """Clips whose every frame is a number of its own, so that frames can be traced."""
    numbers = torch.arange(sum(lengths), dtype=torch.float32)[:, None]
    return list(numbers.split(list(lengths)))


@pytest.mark.parametrize(
    ("lengths", "window", "held"),
    [
        ((100,), 10, 2),
        ((30,), 10, 1),  # a part on either side
        ((20,), 10, 1),  # the second half
        ((15,), 10, 1),  # a window of 7
        ((1000, 12), 10, 20),  # the short clip is learned from as a whole
        ((1000, 6), 10, 33),  # a window of 6, to suit the short one
        ((25, 26, 27), 10, 3),
    ],
)
def test_held_out_windows_touch_nothing_that_is_learned_from(lengths: tuple[int, ...], window: int, held: int) -> None:
    clips = counted(*lengths)
    parts = excerpts.part(clips, window)
    assert len(parts.held_out) == held
    assert parts.window <= window
    out = set(parts.held_out.flatten().tolist())
    kept = torch.cat(parts.spans).flatten().tolist()
    assert len(kept) == len(set(kept)) and not out & set(kept)
    assert min(len(span) for span in parts.spans) >= parts.window
    for clip in clips:
        assert set(clip.flatten().tolist()) & set(kept), "a clip that serves for nothing"
    crops = parts.crops(64, torch.Generator().manual_seed(0))
    assert crops.shape == (64, parts.window, 1)
    assert set(crops.flatten().tolist()) <= set(kept)
    assert bool((crops.diff(dim=1) == 1).all()), "a crop across a seam"


def test_crops_reach_every_start() -> None:
    parts = excerpts.part(counted(12, 30), 10)
    starts = set(parts.crops(400, torch.Generator().manual_seed(0))[:, 0, 0].tolist())
    assert starts == {float(n) for span in parts.spans for n in span[: len(span) - 10 + 1, 0].tolist()}


def test_long_and_foreign_recordings_are_encoded_on_the_codecs_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = level(0.3, seconds=5.0)
    whole = excerpts.encode(TinyCodec(), [clip])[0]
    monkeypatch.setattr(excerpts, "CHUNK_SECONDS", 2.0)
    pieces, stereo = excerpts.encode(TinyCodec(), [clip, Audio(clip.samples.repeat(2, 1), RATE)])
    assert torch.equal(pieces, whole) and torch.equal(stereo, whole)
    assert not whole.is_inference()


# The shipped model


def test_the_shipped_model_learns_from_a_short_clip() -> None:
    from flowmusic.interop import bundle

    time = torch.arange(3 * 32_000) / 32_000
    tone = sum(torch.sin(2 * torch.pi * hz * time) for hz in (220.0, 277.2, 329.6)) / 4
    clip = Audio((tone * torch.exp(-4 * (time % 0.5)))[None], 32_000)
    settings = Settings(batch=4, every=10, trials=16, window_s=1.5)
    found = invert.invert(bundle.load("nano"), [clip], "plucks", 2, 20, settings=settings)
    assert found.best.held_out < 0.999 * found.looks[0].held_out
