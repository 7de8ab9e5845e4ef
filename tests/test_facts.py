"""The closed vocabulary of facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowmusic.controls.vocabulary import ROOTS
from flowmusic.corpus import genres
from flowmusic.corpus.instruments import PROGRAMS
from flowmusic.facts import CHOICES, GENRES, INSTRUMENTS, KEYS, Facts, instrument_of
from flowmusic.types import Controls


def test_every_sound_of_the_corpus_has_one_name() -> None:
    assert len(INSTRUMENTS) == 40
    programs = [program for group in INSTRUMENTS.values() for program in group]
    assert len(programs) == len(set(programs))
    assert all(instrument_of(program) is not None for program in PROGRAMS)
    assert tuple(genre.name for genre in genres.GENRES) == GENRES
    assert tuple(f"{root} {mode}" for mode in ("major", "minor") for root in ROOTS) == KEYS


def test_the_page_tells_the_whole_vocabulary() -> None:
    page = (Path(__file__).parents[1] / "docs" / "facts.md").read_text(encoding="utf-8")
    told = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| `")}
    for fact, words in {"instruments": tuple(INSTRUMENTS), **CHOICES}.items():
        if fact != "key":
            assert told[fact].split("|")[2].strip().removesuffix("; several at once, or none") == ", ".join(words)
    assert all(root in told["key"] for root in ROOTS)


def test_facts_come_back_from_plain_data() -> None:
    facts = Facts(frozenset({"cello", "piano"}), False, "jazz", "dark", "calm", "slow", "Eb minor")
    plain = facts.said()
    assert plain["instruments"] == ["piano", "cello"]
    assert Facts.of(plain) == facts
    assert Facts.of({}) == Facts() and Facts().said() == {}
    assert Facts(instruments=frozenset()).said() == {"instruments": []}


def test_what_is_not_said_is_taken_from_the_other() -> None:
    words = Facts(genre="rock", drums=True)
    assert Facts(drums=False).over(words) == Facts(genre="rock", drums=False)


@pytest.mark.parametrize("name", CHOICES)
def test_a_strange_word_is_refused_with_the_allowed_ones(name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown word 'loud' for {name}; allowed: .*{CHOICES[name][-1]}"):
        Facts(**{name: "loud"})
    with pytest.raises(ValueError, match="unknown fact 'loudness'; allowed: instruments, drums"):
        Facts.of({"loudness": 3})
    with pytest.raises(ValueError, match="'kazoo' for instruments"):
        Facts(instruments=frozenset({"kazoo"}))
    with pytest.raises(ValueError, match="drums must be true or false, got 'yes'"):
        Facts.of({"drums": "yes"})
    for wrong in ("piano", 3, [["piano"]], [3]):
        with pytest.raises(ValueError, match="instruments"):
            Facts.of({"instruments": wrong})


def test_controls_carry_facts_as_they_carry_style() -> None:
    """Kept, dropped, swapped, cut and joined by name; facts of which none is said are absent."""
    jazz, calm = Facts(genre="jazz"), Facts(energy="calm")
    two = Controls(("a", None), facts=(jazz, None))
    assert two.names() == {"text", "facts"} and two.only({"facts"}).names() == {"facts"}
    assert two.only({"text"}).facts == () and Controls((None,), facts=(Facts(),)).names() == frozenset()
    assert two.swap("facts", Controls((None, None), facts=(calm, calm))).facts == (calm, calm)
    assert two.swap("text", Controls((None, None))).facts == two.facts
    assert two.rows(slice(1, 2)).facts == (None,) and two.to("cpu").facts == two.facts
    assert Controls.stack([two, Controls(("b",))]).facts == (jazz, None, None)
    assert Controls.stack([Controls(("b",)), Controls((None,), facts=(calm,))]).facts == (None, calm)
    with pytest.raises(ValueError, match="1 facts for 2 texts"):
        Controls((None, None), facts=(jazz,))
