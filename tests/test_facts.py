"""The closed vocabulary of facts."""

from __future__ import annotations

import pytest

from flowmusic.controls.vocabulary import ROOTS
from flowmusic.corpus import genres
from flowmusic.corpus.instruments import PROGRAMS
from flowmusic.facts import CHOICES, GENRES, INSTRUMENTS, KEYS, Facts, instrument_of


def test_every_sound_of_the_corpus_has_one_name() -> None:
    assert len(INSTRUMENTS) == 40
    programs = [program for group in INSTRUMENTS.values() for program in group]
    assert len(programs) == len(set(programs))
    assert all(instrument_of(program) is not None for program in PROGRAMS)
    assert tuple(genre.name for genre in genres.GENRES) == GENRES
    assert tuple(f"{root} {mode}" for mode in ("major", "minor") for root in ROOTS) == KEYS


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
