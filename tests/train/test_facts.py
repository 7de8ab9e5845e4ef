"""Training on facts: what is dropped, from a bundle without them, and from records to a take."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.apps import build as builder
from flowmusic.controls.instruments import UNSAID
from flowmusic.corpus.compose import compose
from flowmusic.corpus.fonts import Font
from flowmusic.corpus.record import to_record
from flowmusic.data.errors import WrongData
from flowmusic.data.latents import Batch
from flowmusic.data.module import LatentData
from flowmusic.facts import CHOICES, INSTRUMENTS, Facts
from flowmusic.interop import bundle
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.field import VectorField
from flowmusic.train import run
from flowmusic.train.dropout import Dropout
from flowmusic.train.flow import LitFlow
from flowmusic.train.lora import LitLora
from flowmusic.types import Controls, FrameGrid, Guidance, Style, Track
from tests.train.tiny_runs import TINY_FLOW

GRID = FrameGrid(Fraction(25), 40)
ALL = Facts(frozenset({"piano"}), True, **{fact: words[0] for fact, words in CHOICES.items()})
NAMES = ("instruments", "drums", *CHOICES)


def controls(batch: int) -> Controls:
    known = torch.ones(batch, GRID.length, dtype=torch.bool)
    tracks = {"drums": Track(torch.rand(batch, GRID.length, 3), known, GRID)}
    tracks["instruments"] = Track(torch.ones(batch, GRID.length, 40), known, GRID)
    return Controls(("words",) * batch, tracks, (Style(torch.zeros(5, 2)),) * batch, (ALL,) * batch)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def share(rows: list[bool]) -> float:
    return sum(rows) / len(rows)


def test_facts_are_dropped_one_by_one_and_together() -> None:
    batch = 4000
    dropout = Dropout(everything=0.1, text_only=0.05, feel_only=0.1, words_only=0.25, facts=0.2, fact=0.3, span=0.0)
    out = dropout(controls(batch), generator())
    # Four standard deviations of a share of 4000 are about 0.03.
    none = share([each is None for each in out.facts])
    assert none == pytest.approx(0.15 + 0.85 * 0.2, abs=0.03)
    for name in NAMES:
        said = share([each is not None and getattr(each, name) is not None for each in out.facts])
        assert said == pytest.approx((1 - none) * 0.7, abs=0.03), name
    trackless = ~torch.stack([track.known.any(1) for track in out.tracks.values()]).any(0)
    assert float(trackless.float().mean()) == pytest.approx(0.5, abs=0.03)
    words = [
        not track and style is None and text is not None and facts is not None
        for track, style, text, facts in zip((~trackless).tolist(), out.style, out.text, out.facts, strict=True)
    ]
    # At least those that are to be told words and facts alone: 0.85 keep the text, 0.8 the facts.
    assert share(words) >= 0.25 * 0.85 * 0.8 - 0.03
    both = [each is not None for each in out.facts]
    plays = out.tracks["instruments"].known.any(1).tolist()
    assert {(a, b) for a, b in zip(both, plays, strict=True)} == {(a, b) for a in (True, False) for b in (True, False)}


def test_some_instruments_are_unsaid_on_one_span_and_the_input_is_untouched() -> None:
    given = controls(200)
    out = Dropout(everything=0.0, text_only=0.0, span=0.0, instrument=0.5)(given, generator())
    values = out.tracks["instruments"].values
    unsaid = values == UNSAID
    assert bool((unsaid | (values == 1.0)).all()) and bool((given.tracks["instruments"].values == 1.0).all())
    touched = unsaid.flatten(1).any(1)
    assert float(touched.float().mean()) == pytest.approx(0.5, abs=0.15)
    edges = (unsaid[:, 1:] != unsaid[:, :-1]).sum(1)
    assert int(edges.max()) <= 2  # one span each
    some = unsaid.any(1)[touched].float().mean(1)
    assert 0.0 < float(some.min()) < 0.3 and float(some.max()) > 0.7
    assert Dropout(everything=0, text_only=0, span=0, facts=0, fact=0)(given, generator()).facts == given.facts


def test_without_facts_everything_is_drawn_as_before() -> None:
    """What a run without them learned from stays what it is: the same draws, in the same order."""
    told = replace(controls(50), tracks={"drums": controls(50).tracks["drums"]})
    dropout, one, two = Dropout(everything=0.2, text_only=0.2, feel_only=0.2), generator(4), generator(4)
    with_facts, without = dropout(told, one), dropout(replace(told, facts=()), two)
    assert with_facts.text == without.text and with_facts.style == without.style
    assert torch.equal(with_facts.tracks["drums"].known, without.tracks["drums"].known)
    # Those of before: dropping of text, of tracks and of style, and then noise.
    before = generator(4)
    for draws in (1, 1, 1, 2, 1, 1):
        for _ in range(draws):
            torch.rand(50, generator=before)
    assert torch.equal(torch.rand(5, generator=two), torch.rand(5, generator=before))


def field_of(encoder: ConditionEncoder) -> VectorField:
    return VectorField(8, encoder.frames_dim, 32, layers=2, heads=2, pooled=True)


def lit(init_from: str | None, **settings: Any) -> LitFlow:
    torch.manual_seed(3)
    tracks: dict[str, Any] = {
        "chords": {"features": 37, "ids": 194, "dim": 6},
        "instruments": {"features": 40, "dim": 5},
        "drums": {"features": 12, "dim": 4, "bands": 3},
    }
    encoder = ConditionEncoder(8, 32, tracks, pooled=True, facts={})
    return LitFlow(encoder, field_of(encoder), Dropout(), torch.optim.AdamW, init_from=init_from, **settings)


@torch.no_grad()
def test_a_field_starts_from_a_bundle_without_them_and_does_what_it_does(base: Path) -> None:
    module, old = lit(str(base)).eval(), bundle.load(str(base))
    known = torch.ones(1, GRID.length, dtype=torch.bool)
    tracks = {
        "chords": Track(torch.full((1, GRID.length), 5), known, GRID),
        "drums": Track(torch.rand(1, GRID.length, 12), known, GRID),
    }
    asked, z, t = Controls(("jazz",), tracks), torch.randn(1, GRID.length, 8), torch.tensor([0.4])
    context = (torch.randn(1, GRID.length, 8), torch.arange(GRID.length)[None] < 9)
    wanted = old.field(z, t, old.encoder(asked, GRID, context))
    torch.testing.assert_close(module.field(z, t, module.encoder(asked, GRID, context)), wanted, rtol=1e-5, atol=1e-5)
    # Who plays changes nothing yet, and facts next to nothing.
    track = Track(torch.ones(1, GRID.length, 40), known, GRID)
    more = replace(asked, tracks={**tracks, "instruments": track}, facts=(ALL,))
    told = module.field(z, t, module.encoder(more, GRID, context))
    assert 0 < float((told - wanted).abs().max()) < 0.2 * float(wanted.abs().max())
    afresh = lit(str(base), init_except=["field.input.*"])
    assert not torch.equal(afresh.field.input.weight, module.field.input.weight)


def test_sizes_that_differ_are_still_named(base: Path) -> None:
    torch.manual_seed(3)
    tracks = {"chords": {"features": 37, "ids": 194, "dim": 7}, "drums": {"features": 12, "dim": 4, "bands": 3}}
    encoder = ConditionEncoder(8, 32, tracks, pooled=True, facts={})
    with pytest.raises(ValueError, match="does not fit this model"):
        LitFlow(encoder, field_of(encoder), Dropout(), torch.optim.AdamW, init_from=str(base))


SECONDS = 2.0


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records as the corpus writes them, beside noise."""
    folder, rng = tmp_path_factory.mktemp("told"), np.random.default_rng(0)
    lines = []
    for seed in range(5):
        split = "validation" if seed == 4 else "train"
        piece = compose(seed, split, SECONDS)
        record = to_record(f"{seed:06d}", piece, Font("none.sf3", "none", ""), {})
        (folder / split).mkdir(exist_ok=True)
        (folder / split / f"{seed:06d}.json").write_text(json.dumps(record))
        for end in ("", ".drums"):
            wave = 0.1 * rng.standard_normal(round(SECONDS * 32_000))
            soundfile.write(folder / split / f"{seed:06d}{end}.flac", wave, 32_000)
        lines.append(json.dumps({"path": f"{split}/{seed:06d}.flac", "split": split}))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return folder


def test_from_records_to_a_take(corpus: Path, tmp_path: Path) -> None:
    """A store with facts, a few steps of a tiny field, its bundle, and takes that are told facts."""
    build = ["codec=nano2_codec", "build.workers=1", "splits=[train,validation]"]
    assert builder.main([f"corpus={corpus}", f"out={tmp_path / 'latents'}", *build]) == 0
    drop = ("model.field.dim=", "model.field.frames_dim=", "experiment=")
    tiny = [each for each in TINY_FLOW if not each.startswith(drop)]
    places = {"latents": tmp_path / "latents", "corpus": corpus, "out": tmp_path / "run"}
    cfg = run.compose([
        "experiment=nano_facts", *tiny, *(f"{key}={value}" for key, value in places.items()), "callbacks.average=null",
        "trainer.max_steps=3", "trainer.val_check_interval=3", "model.total_steps=3",
        "data.pairs=2", "data.style_seconds=[0.2,0.3]",
    ])  # fmt: skip
    result = run.train(cfg)
    assert result.metrics["validation/loss"] > 0
    model = bundle.load(str(tmp_path / "run" / "bundle"))
    assert model.has_facts and "instruments" in model.controls
    card = (tmp_path / "run" / "bundle" / "card.md").read_text()
    assert "facts" in card and "flowmusic train experiment=nano_facts latents=LATENTS" in card
    with torch.no_grad():  # a few steps leave the field near zero, where nothing shows
        model.field.output.weight.normal_(0.0, 0.1)
        model.field.pool.weight.normal_(0.0, 0.1)
    grid = model.grid(1.6)
    weights = Guidance.of({"all": 1.5, "facts": 1.0})

    def take(facts: Facts | None, guidance: Guidance = weights) -> torch.Tensor:
        asked = Controls(("slow jazz",), facts=(facts,))
        return model.generate(asked, grid=grid, seed=1, steps=2, guidance=guidance).latents

    told = take(Facts(frozenset({"piano"}), drums=False))
    assert bool(torch.isfinite(told).all())
    assert not torch.equal(told, take(Facts(frozenset({"flute"}), drums=True)))
    assert torch.equal(take(Facts()), take(None))  # and the weight of facts has nothing to weigh
    assert not torch.equal(told, take(Facts(frozenset({"piano"}), drums=False), Guidance.of({"all": 2.5})))


def test_data_without_facts_teach_none_and_serve_an_adapter(store: Path) -> None:
    module: Any = lit(None)
    data: Any = LatentData(str(store), crop_seconds=1.6, validation_crop_seconds=1.6)
    data.setup("fit")
    strategy = SimpleNamespace(barrier=lambda: None)
    module._trainer = SimpleNamespace(datamodule=data, is_global_zero=True, strategy=strategy)
    with pytest.raises(WrongData, match="no clip of the data has any"):
        module.on_fit_start()
    module.learns_facts = LitLora.learns_facts
    module.on_fit_start()


def test_a_model_without_facts_trains_as_before(base: Path) -> None:
    """The data tell facts, the model has no word for them: its loss is that of data which tell none."""
    old = bundle.load(str(base), trainable=True)
    module = LitFlow(old.encoder, old.field, Dropout(), torch.optim.AdamW)  # type: ignore[arg-type]
    known = torch.ones(2, GRID.length, dtype=torch.bool)
    tracks = {"chords": Track(torch.full((2, GRID.length), 5), known, GRID)}
    who = {"instruments": Track(torch.ones(2, GRID.length, len(INSTRUMENTS)), known, GRID)}
    latents = torch.randn(2, GRID.length, 8, generator=generator())
    plain = Batch(latents, Controls((None, "jazz"), tracks), GRID)
    told = Batch(latents, Controls((None, "jazz"), tracks | who, facts=(ALL, ALL)), GRID)
    assert torch.equal(module.loss(plain, generator(2)), module.loss(told, generator(2)))
