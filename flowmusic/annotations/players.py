"""Who plays when in a recording, and its facts, from the record that our corpus writes of it.

Of a labels file (:mod:`flowmusic.annotations.labels_file`) this reads ``notes`` {part: [[start, end, pitch, ...]]} with
``programs`` {part: {"program": 0-127}}, whose part ``drums`` is the kit, and ``tags`` {``genre``, ``mood`` [words],
``tempo``, ``key``}.  A word that the vocabulary of facts lacks (genre ``other``, key ``none``) says nothing.

>>> record = {"notes": {"melody": [[0.5, 1.0, 60], [1.2, 2.0, 62]]}, "programs": {"melody": {"program": 42}},
...           "tags": {"genre": "other", "mood": ["dark", "calm"], "key": "Db dorian"}}
>>> players(record)
((0.5, 2.0, 'cello'),)
>>> facts(record).said()
{'instruments': ['cello'], 'drums': False, 'mood': 'dark', 'energy': 'calm', 'key': 'C# minor'}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowmusic.annotations import checks
from flowmusic.controls.instruments import DRUMS, Span, bridged
from flowmusic.controls.vocabulary import ROOTS, note_pitch_class
from flowmusic.facts import ENERGIES, GENRES, KEYS, MOODS, TEMPI, Facts, instrument_of

HIT_S = 0.05
"""How long a hit of the drums counts as playing: a sampler's notes of drums have no end of their own."""
_THIRDS = {
    **dict.fromkeys(("major", "ionian", "lydian", "mixolydian"), "major"),
    **dict.fromkeys(("minor", "aeolian", "dorian", "phrygian", "harmonic minor", "melodic minor"), "minor"),
}
"""Modes by the third of their tonic chord, which is what a listener calls major or minor."""


def players(record: Mapping[str, Any]) -> tuple[Span, ...] | None:
    """Who plays when, short rests bridged; None where the record does not tell.

    Raises: ValueError for a part without a program, and for notes that are none.
    """
    notes, programs = record.get("notes"), record.get("programs")
    if not (isinstance(notes, Mapping) and isinstance(programs, Mapping)):
        return None
    spans: list[Span] = []
    for name, rows in notes.items():
        player = _player(str(name), programs)
        for start, end in _times(rows, f"notes.{name}"):
            if player is not None and start < end:
                spans.append((start, start + HIT_S if player == DRUMS else end, player))
    return tuple((round(start, 4), round(end, 4), name) for start, end, name in bridged(spans))


def _times(rows: Any, place: str) -> list[tuple[float, float]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) >= 3 for row in rows):
        raise checks.SheetError(f"{place} must be a list of [start, end, pitch, velocity]")
    return [
        (checks.time(row[0], f"{place}[{index}][0]"), checks.time(row[1], f"{place}[{index}][1]"))
        for index, row in enumerate(rows)
    ]


def _player(name: str, programs: Mapping[str, Any]) -> str | None:
    """The instrument of a part; None for a sound that the vocabulary has no name for."""
    if name == DRUMS:
        return DRUMS
    told = programs.get(name)
    program = told.get("program") if isinstance(told, Mapping) else None
    if type(program) is not int or not 0 <= program <= 127:
        raise checks.SheetError(
            f"programs.{name[:40]}.program must be a General MIDI program from 0 to 127, got {checks.shown(program)}"
        )
    return instrument_of(program)


def facts(record: Mapping[str, Any]) -> Facts:
    """The facts of the whole recording; :func:`flowmusic.controls.instruments.heard` makes those of a window.

    Raises: as :func:`players`.
    """
    tags = record.get("tags")
    tags = tags if isinstance(tags, Mapping) else {}
    moods = tags.get("mood")
    moods = moods if isinstance(moods, list) else [moods]
    spans = players(record)
    names = None if spans is None else frozenset(name for _, _, name in spans)
    return Facts(
        instruments=None if names is None else names - {DRUMS},
        drums=None if names is None else DRUMS in names,
        genre=_among(GENRES, [tags.get("genre")]),
        mood=_among(MOODS, moods),
        energy=_among(ENERGIES, moods),
        tempo=_among(TEMPI, [tags.get("tempo")]),
        key=_key(tags.get("key")),
    )


def _among(allowed: Sequence[str], words: Sequence[Any]) -> str | None:
    return next((word for word in words if isinstance(word, str) and word in allowed), None)


def _key(told: Any) -> str | None:
    root, _, mode = told.partition(" ") if isinstance(told, str) else ("", "", "")
    third = _THIRDS.get(mode)
    if third is None or root[:1] not in tuple("ABCDEFG") or root[1:].strip("#b"):
        return None
    key = f"{ROOTS[note_pitch_class(root)]} {third}"
    return key if key in KEYS else None
