"""Facts and players in the records of our corpus."""

from __future__ import annotations

from typing import Any

import pytest

from flowmusic.annotations.players import facts, players
from flowmusic.controls.instruments import BRIDGED_S, DRUMS
from flowmusic.corpus.compose import compose
from flowmusic.corpus.fonts import Font
from flowmusic.corpus.record import to_record
from flowmusic.facts import CHOICES, Facts, instrument_of


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return [to_record(str(seed), compose(seed, seconds=6.0), Font("none.sf3", "none", ""), {}) for seed in range(12)]


def test_every_note_is_inside_a_span_of_its_instrument(records: list[dict[str, Any]]) -> None:
    for record in records:
        spans = players(record)
        assert spans is not None
        for name, notes in record["notes"].items():
            player = DRUMS if name == DRUMS else instrument_of(record["programs"][name]["program"])
            own = [(start, end) for start, end, who in spans if who == player]
            assert all(any(s <= note[0] < e for s, e in own) for note in notes)
            assert all(later - end >= BRIDGED_S - 1e-3 for (_, end), (later, _) in zip(own, own[1:]))


def test_facts_say_what_the_tags_say(records: list[dict[str, Any]]) -> None:
    for record in records:
        told, tags = facts(record), record["tags"]
        assert told.genre == (None if tags["genre"] == "other" else tags["genre"])
        assert [word for word in (told.mood, told.energy) if word] == tags["mood"]
        assert told.tempo == tags["tempo"]
        assert (told.key is None) == (tags["key"] == "none")
        assert told.drums == bool(record["notes"].get(DRUMS))
        assert Facts.of(told.said()) == told
    assert {fact for record in records for fact in facts(record).said()} >= {*CHOICES, "instruments", "drums"}


@pytest.mark.parametrize(
    ("told", "key"),
    [("Eb major", "Eb major"), ("D# dorian", "Eb minor"), ("Gb lydian", "F# major"), ("none", None), ("H minor", None),
     ("C locrian", None), ("Cx major", None), (None, None), (["C major"], None)],
)  # fmt: skip
def test_keys_are_spelled_as_the_vocabulary_does(told: object, key: str | None) -> None:
    assert facts({"tags": {"key": told, "genre": 3, "mood": {"dark": 1}}}) == Facts(key=key)


@pytest.mark.parametrize("record", [{}, {"notes": [[0, 1, 60]]}, {"notes": {}, "tags": "jazz"}])
def test_a_record_of_another_kind_tells_nothing(record: dict[str, Any]) -> None:
    assert players(record) is None and facts(record) == Facts()


@pytest.mark.parametrize(
    ("notes", "programs", "message"),
    [
        ({"pad": [[0, 1, 60]]}, {}, "programs.pad.program must be a General MIDI program from 0 to 127, got null"),
        ({"pad": [[0, 1, 60]]}, {"pad": {"program": 128}}, "got 128"),
        ({"pad": [[0, 1, 60]]}, {"pad": {"program": True}}, "got true"),
        ({"pad": [[0]]}, {"pad": {"program": 0}}, "notes.pad must be a list of"),
        ({"pad": [["0", 1, 60]]}, {"pad": {"program": 0}}, r"notes.pad\[0\]\[0\] must be a number"),
        ({"pad": [[0, 1e9, 60]]}, {"pad": {"program": 0}}, r"notes.pad\[0\]\[1\]"),
    ],
)
def test_what_is_wrong_is_named(notes: Any, programs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        players({"notes": notes, "programs": programs})
