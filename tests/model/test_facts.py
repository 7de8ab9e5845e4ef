"""Facts in the encoder: a word is a token, absence is nothing, and models without stay as they were."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
import torch

from flowmusic.facts import CHOICES, INSTRUMENTS, Facts
from flowmusic.generate.branches import merge
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.facts import WORDS, FactsConditioner, words_of
from flowmusic.model.field import VectorField
from flowmusic.types import Condition, Controls, FrameGrid, Guidance, Track

GRID = FrameGrid(Fraction(25), 20)
DIM, WIDTH = 4, 16
TRACKS = {"drums": {"features": 12, "dim": 3}, "instruments": {"features": 40, "dim": 5}}


def make(**more: object) -> ConditionEncoder:
    torch.manual_seed(0)
    return ConditionEncoder(DIM, WIDTH, TRACKS, style={"dim": 8, "layers": 1, "heads": 2}, pooled=True, **more).eval()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def encoder() -> ConditionEncoder:
    return make(facts={})


@pytest.fixture(scope="module")
def field(encoder: ConditionEncoder) -> VectorField:
    torch.manual_seed(1)
    field = VectorField(DIM, encoder.frames_dim, WIDTH, layers=2, heads=2, pooled=True)
    for parameter in field.parameters():  # the zero start would hide every dependence
        torch.nn.init.normal_(parameter, std=0.3)
    return field.eval()


def asked(*facts: Facts | None) -> Controls:
    return Controls((None,) * len(facts), facts=facts)


def velocity(field: VectorField, condition: Condition) -> torch.Tensor:
    z = torch.ones(len(condition.tokens), GRID.length, DIM)
    with torch.no_grad():
        return field(z, torch.full((len(z),), 0.3), condition)


def every_word() -> Iterator[Facts]:
    yield from (Facts(instruments=frozenset({name})) for name in INSTRUMENTS)
    yield from (Facts(instruments=frozenset()), Facts(drums=True), Facts(drums=False))
    yield from (Facts(**{fact: word}) for fact, words in CHOICES.items() for word in words)


def test_every_word_is_one_vector_of_its_own() -> None:
    found = [words_of(facts) for facts in every_word()]
    assert [each for (each,) in found] == list(range(len(WORDS)))
    both = words_of(Facts(frozenset({"harp", "piano"}), False, key="C major"))
    assert [WORDS[n] for n in both] == [
        ("instruments", "piano"), ("instruments", "harp"), ("drums", "no"), ("key", "C major"),
    ]  # fmt: skip
    assert words_of(Facts()) == words_of(None) == []


@torch.no_grad()
def test_every_word_reaches_the_field_differently(encoder: ConditionEncoder, field: VectorField) -> None:
    told = velocity(field, encoder(asked(None, *every_word()), GRID)).flatten(1)
    apart = torch.cdist(told, told) + torch.eye(len(told))
    assert float(apart.min()) > 1e-4


@torch.no_grad()
def test_nothing_said_is_nothing_given(encoder: ConditionEncoder) -> None:
    none = encoder(Controls((None,)), GRID)
    for silent in (asked(None), asked(Facts()), asked(Facts(drums=True)).only({"drums"})):
        found = encoder(silent, GRID)
        assert torch.equal(found.tokens, none.tokens) and torch.equal(found.pooled, none.pooled)  # type: ignore[arg-type]
    # Beside an item that says something, silence is masked.
    batch = encoder(asked(Facts(), Facts(drums=True, genre="jazz"), None), GRID)
    assert batch.tokens_mask.sum(1).tolist() == [1, 3, 1]
    assert not batch.pooled[0].any() and not batch.pooled[2].any() and bool(batch.pooled[1].any())  # type: ignore[index]


@torch.no_grad()
def test_a_batch_is_its_items_and_words_add_up(encoder: ConditionEncoder, field: VectorField) -> None:
    one, two = Facts(drums=False), Facts(frozenset({"oboe", "harp"}), True, "folk", tempo="slow")
    batch = velocity(field, encoder(asked(one, two), GRID))
    for row, facts in enumerate((one, two)):
        torch.testing.assert_close(batch[row], velocity(field, encoder(asked(facts), GRID))[0], rtol=1e-4, atol=1e-4)
    conditioner = FactsConditioner(WIDTH)
    apart = conditioner([Facts(genre="folk"), one, Facts(drums=False, genre="folk")])[2]
    torch.testing.assert_close(apart[0] + apart[1], apart[2])


@torch.no_grad()
def test_a_model_without_is_what_it_was_and_refuses_them(encoder: ConditionEncoder) -> None:
    without = make()
    assert set(encoder.state_dict()) - set(without.state_dict()) == {"facts.tokens.weight", "facts.pooled.weight"}
    for name, tensor in without.state_dict().items():
        assert torch.equal(tensor, encoder.state_dict()[name]), name
    plain = Controls(("a slow waltz",))
    for one, two in zip(vars(without(plain, GRID)).values(), vars(encoder(plain, GRID)).values(), strict=True):
        assert one is two is None or torch.equal(one, two)
    with pytest.raises(ValueError, match=r"no facts control; it has: drums, instruments, text"):
        without(asked(Facts(drums=True)), GRID)
    without(asked(Facts()), GRID)  # nothing is said


def test_a_hushed_vocabulary_is_next_to_nothing_and_can_learn() -> None:
    conditioner = FactsConditioner(WIDTH)
    conditioner.hush()
    tokens, _, pooled = conditioner([Facts(drums=True)])
    assert 0 < float(tokens.detach().abs().max()) < 0.02 and 0 < float(pooled.detach().abs().max()) < 0.02


def test_facts_and_players_are_branches_of_guidance() -> None:
    known = torch.ones(1, GRID.length, dtype=torch.bool)
    track = Track(torch.zeros(1, GRID.length, 40), known, GRID)
    both = Controls((None,), {"instruments": track}, facts=(Facts(drums=True),))
    terms = {term.keep: term.weight for term in merge(Guidance.of({"all": 2, "facts": 1, "instruments": 0.5}), both)}
    assert terms == {
        frozenset({"facts", "instruments"}): 2, frozenset({"facts"}): 1, frozenset({"instruments"}): 0.5,
        frozenset(): -2.5,
    }  # fmt: skip
    silent = Controls((None,), facts=(Facts(),))
    assert [term.keep for term in merge(Guidance.of({"all": 2, "facts": 1}), silent)] == [frozenset()]
