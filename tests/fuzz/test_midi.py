"""MIDI files with changed bytes, and files of random events, through everything that is made of MIDI."""

from __future__ import annotations

import random
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowmusic.annotations import midi, midi_labels, of_midi
from flowmusic.annotations.json_file import from_json, to_json
from flowmusic.controls.notices import ControlNotice
from flowmusic.inputs import scores
from tests.controls import midi_bytes as b
from tests.fuzz.campaign import Input, both_ways, run
from tests.fuzz.mutate import mutated

COUNT, SEED = 400, 1312
PLAIN = b.smf(
    b.signature(6, 8) + b.tempo(90) + b.name("Song") + b.tempo(120, 2000),
    b.name("Melody") + b"\0\xc0\x49" + b.tune(repeats=2),
    b.name("Strings") + b"\0\xb1\7\x50" + b"\0\xf0\3\1\2\xf7" + b.note(88, 3840, channel=1),
    b.name("Kit") + b"".join(b.note(pitch, 240, channel=9) for pitch in (36, 42, 38, 42) * 4),
)
SMPTE = b.smf(b.tempo(100) + b.tune(500), division=0xE728)


def bent(seed: int, count: int, folder: Path) -> Iterator[Input]:
    """Files of several tracks, of one whose ticks are parts of a second, and in RIFF, with changed bytes."""
    rng = random.Random(f"{seed} bent")
    path = folder / "x.mid"
    for number in range(count):
        data = mutated(rng.choice((PLAIN, SMPTE, b.riff(PLAIN))), rng)
        path.write_bytes(data)
        yield Input(f"seed {seed}, number {number}: {data[:60]!r}", path, path.name)


def odd(seed: int, count: int, folder: Path) -> Iterator[Input]:
    """Files whose chunks are right or nearly so, of events that are allowed, odd or senseless."""
    rng = random.Random(f"{seed} odd")
    path = folder / "x.mid"
    times = (0, 0, 0, 1, 120, 480, 5000, 2**28 - 1)
    for number in range(count):
        tracks = []
        for _ in range(rng.randrange(1, 5)):
            late = rng.random() < 0.3  # times that go to where no music does, in some tracks only
            events = b"".join(
                b.number(rng.choice(times if late else times[:6])) + _event(rng) for _ in range(rng.randrange(60))
            )
            tracks.append(b.chunk(events + b.END, rng.choice((None, None, None, 0, 5, 2**32 - 1))))
        kind, division = rng.choice((0, 1, 1, 2, 9)), rng.choice((480, 96, 1, 0, 0xE728, 0x7FFF, 0x8000, 0xFFFF))
        header = struct.pack(">LHHH", rng.choice((6, 6, 6, 0, 2**32 - 1)), kind, rng.choice((1, 2, 65535)), division)
        path.write_bytes(b"MThd" + header + b"".join(tracks))
        yield Input(f"seed {seed}, number {number}", path, path.name)


def _event(rng: random.Random) -> bytes:
    """A message, a meta event or a system message, mostly of a note."""
    kind = rng.randrange(10)
    if kind < 6:
        return bytes([rng.choice((0x90, 0x80, 0x99)), rng.choice((60, 60, 64, 36, 127, 200)), rng.choice((0, 90, 255))])
    if kind == 6:
        return rng.randbytes(rng.randrange(1, 4))
    if kind == 7:
        content = rng.choice((b"\0\0\0", b"\0\0\1", b"\xff\xff\xff", b"\7\xa1\x20", b"", b"\7"))
        return b.meta(0x51, content)[1:]
    if kind == 8:
        return b.meta(0x58, rng.choice((b"\4\2\x18\x08", b"\xff\6\0\0", b"\1\0\0\0", b"\0\2\0\0", b"\6\xff")))[1:]
    return b.meta(rng.randrange(128), rng.randbytes(rng.randrange(200)))[1:]


def everything(path: Path) -> None:
    """All that is made of a file: notes, labels, a melody, drums, a control sheet; what is read must hold together."""
    score = midi.read(path)
    assert score.parts and all(0.0 <= note.start < note.end for part in score.parts for note in part.notes)
    assert list(score.beats) == sorted(set(score.beats)) and set(score.downbeats) <= set(score.beats)
    assert all(notice.isprintable() and len(notice) < 200 for notice in score.notices)
    midi_labels.caption(score, of_midi.labels(score))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ControlNotice)
        wanted = [lambda: scores.melody(score, path, 20.0), lambda: scores.drums(score, path, 20.0)]
        refusals = []
        for make in [*wanted, lambda: from_json(to_json(scores.sheet(score, path)))]:
            try:
                make()
            except ValueError as error:
                refusals.append(error)
    if refusals:
        raise refusals[0]


@pytest.mark.slow
@pytest.mark.parametrize("files", [bent, odd])
def test_what_becomes_of_midi(tmp_path: Path, files: Callable[[int, int, Path], Iterator[Input]]) -> None:
    (tmp_path / "plain.mid").write_bytes(PLAIN)
    everything(tmp_path / "plain.mid")  # what is imported for it is imported before time and memory are counted
    both_ways(run(f"MIDI, {files.__name__}", files(SEED, COUNT, tmp_path), everything))
