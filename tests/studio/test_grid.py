"""Bars of takes and recordings, their tempo map in MIDI as mido reads it, and where loops are cut."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from flowmusic.annotations import midi
from flowmusic.annotations.annotation import Annotations
from flowmusic.sheets import formats
from flowmusic.studio import midi_parts
from flowmusic.studio.grid import Grid, NoBeat
from flowmusic.studio.key import key_of
from flowmusic.studio.loops import loops_of
from flowmusic.studio.midi_parts import Played

JITTER = np.random.default_rng(0).uniform(-0.01, 0.01, 40)


def grid_of(beats: list[float], seconds: float = 10.0, **more: object) -> Grid:
    return Grid.of(Annotations(seconds=seconds, beats=tuple(beats), **more))  # type: ignore[arg-type]


def accelerating(start: float, count: int) -> list[float]:
    return (start + np.concatenate([[0.0], np.cumsum(0.5 * 0.985 ** np.arange(count - 1))])).tolist()


@pytest.mark.parametrize(
    ("beats", "more", "first", "bars", "bpm"),
    [
        # A take: rounded beats of a tempo that is known, to the sample.
        ([round(n * 60 / 93, 4) for n in range(16)], {"bpm": 93.0}, 0.0, 3, 93.0),
        # A tracker's beats: a constant tempo without its jitter, bars counted back to the beginning.
        ([0.3 + 0.5 * n + JITTER[n] for n in range(4, 19)], {"downbeats": (0.3 + 0.5 * 6,)}, 1.3, 4, 120.0),
        # Bars of three, told by the meter alone; the first beat begins the first bar.
        ([0.1 + 0.5 * n for n in range(19)], {"meter": "3/4"}, 0.1, 6, 120.0),
        # Bars of three, told by where they begin; a bar that the tracker lost does not matter.
        ([0.5 * n for n in range(20)], {"downbeats": (0.5, 2.0, 5.0, 6.5, 8.0)}, 0.5, 5, 120.0),
        # A first beat that was heard late by a hair, and would lie before the recording.
        ([0.01 if n == 0 else 0.4378 * n - 0.01 for n in range(23)], {"downbeats": (0.01,)}, 0.0, 5, 137.05),
        # 6/8 counts dotted quarters.
        ([0.75 * n for n in range(12)], {"meter": "6/8", "bpm": 80.0}, 0.0, 6, 80.0),
        # Music that speeds up keeps its places.
        (accelerating(0.0, 24), {}, 0.0, 5, None),
    ],
)
def test_bars(beats: list[float], more: dict[str, object], first: float, bars: int, bpm: float | None) -> None:
    grid = grid_of(beats, **more)
    assert grid.beats[0] == pytest.approx(first, abs=0.01) and grid.beats[0] >= 0.0
    assert len(grid.bars()) == bars and grid.beats[-1] >= grid.seconds - 0.01
    assert all(after > before for before, after in zip(grid.beats, grid.beats[1:]))
    assert bpm is None or grid.bpm == pytest.approx(bpm, rel=2e-3)
    assert grid.steady == (bpm is not None)


@pytest.mark.parametrize("known", [{}, {"beats": (1.0,)}, {"beats": tuple(0.01 * n for n in range(9))}])
def test_what_has_no_beat(known: dict[str, object]) -> None:
    with pytest.raises(NoBeat):
        Grid.of(Annotations(seconds=4.0, **known))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("beats", "more"),
    [
        ([0.5 * n for n in range(20)], {}),
        ([0.2 + 0.5 * n for n in range(18)], {}),
        ([1.3 + 0.5 * n for n in range(16)], {"downbeats": (1.3,)}),
        ([0.75 * n for n in range(12)], {"meter": "6/8"}),
        (accelerating(0.6, 22), {}),
    ],
)
def test_midi_keeps_times_and_bars(beats: list[float], more: dict[str, object], tmp_path: Path) -> None:
    """Notes sound where they were heard, whatever the tempo does, by mido's clock and ours; bars lie on downbeats."""
    grid = grid_of(beats, **more)
    notes = [Played(0.31 * n + 0.013, 0.31 * n + 0.2, 50 + n, 1 + n) for n in range(30)]
    last = Played(9.98, 10.3, 42, 80)  # sounds beyond the end
    told = grid.annotated(Annotations(seconds=10.0, key="Bb minor", chords=((0.0, 3.0, "C/E"), (4.0, 10.0, "F#m7b5"))))
    path = midi_parts.write(
        tmp_path / "a.mid", grid, told, {"lead": notes, "bass": [], "drums": [*notes[:3], last]}, "ä…", ["x"]
    )
    now, on = 0.0, {}
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "note_on" and message.channel == 0:
            on[message.note] = now
    assert list(on.values()) == pytest.approx([note.start for note in notes], abs=2e-3)
    assert now == pytest.approx(10.0, abs=2e-3)
    score = midi.read(path)
    assert [part.name for part in score.parts] == ["lead", "drums"] and score.parts[1].drums
    # A lead of less than half a beat is a part of the first bar.
    bars = [time for time in told.downbeats or () if 0.25 < time < score.seconds]
    assert [min(abs(time - each) for each in score.downbeats) for time in bars] == pytest.approx(
        [0.0] * len(bars), abs=2e-3
    )
    meta = {message.type: message for message in mido.MidiFile(path).tracks[0] if message.is_meta}
    assert meta["key_signature"].key == "Bbm"
    read = formats.read(path).annotations.chords or ()
    assert [label for _, _, label in read] == ["C/E", "N", "F#m7b5"]
    assert [start for start, _, _ in read] == pytest.approx([0.0, 3.0, 4.0], abs=2e-3)


def test_a_key_that_is_struck_again_is_let_go_before(tmp_path: Path) -> None:
    grid = grid_of([0.5 * n for n in range(20)])
    notes = [Played(0.0, 3.0, 60, 80), Played(0.0, 1.0, 60, 80), Played(2.0, 4.0, 60, 80)]
    path = midi_parts.write(tmp_path / "a.mid", grid, Annotations(seconds=10.0), {"chords": notes}, "x", [])
    (part,) = midi.read(path).parts
    assert [(note.start, note.end) for note in part.notes] == [(0.0, 2.0), (2.0, 4.0)]


@pytest.mark.parametrize("rate", [32_000, 44_100])
@pytest.mark.parametrize("bars", [1, 2])
def test_loops_meet_at_the_sample_nearest_to_the_line(rate: int, bars: int) -> None:
    grid = grid_of([0.3 + n * 60 / 93 for n in range(16)], bpm=93.0)
    found = loops_of(grid, bars, rate, round(10.0 * rate))
    assert len(found) == 3 // bars
    for loop, (start, _) in zip(found, grid.bars()[::bars]):
        assert abs(loop.start - start * rate) <= 0.5
        assert abs(loop.end - loop.start - bars * 4 * 60 / 93 * rate) <= 1.0
    assert all(loop.end == after.start for loop, after in zip(found, found[1:]))
    assert loops_of(grid, 4, rate, 10 * rate) == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C Am F G", "C major"), ("Am F C G", "A minor"), ("Dm7 G7 Cmaj7 Cmaj7", "C major"), ("Em C G D", "E minor"),
        ("F#m D A E", "F# minor"), ("Bb Eb F7 Bb", "Bb major"), ("Am E7", "A minor"), ("N", None), ("UNK N", None),
    ],
)  # fmt: skip
def test_keys(text: str, key: str | None) -> None:
    assert key_of([(n, n + 1.0, label) for n, label in enumerate(text.split())]) == key
