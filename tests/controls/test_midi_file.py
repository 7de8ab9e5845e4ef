"""Odd MIDI files: each is read as a player would play it, or refused in words."""

from __future__ import annotations

from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.annotations import midi_file as m
from tests.controls import midi_bytes as b

PLAIN = b.smf(b.tempo(120) + b.tune())
EIGHT = [(480 * n, 480 * (n + 1), pitch) for n, pitch in enumerate(b.PITCHES)]


def notes(data: bytes) -> list[tuple[int, int, int]]:
    return sorted(note[:3] for part in m.parse(data).notes.values() for note in part)


def lone(*events: bytes) -> list[tuple[int, int, int]]:
    """The notes of one track of the events, which nothing ends."""
    return notes(PLAIN[:14] + b.chunk(b"".join(events)))


RUNNING = b"\0\x90\x43\x5a" + b"".join(b"\x83\x60%c\0\0%c\x5a" % pair for pair in zip(b.PITCHES, b.PITCHES[1:]))
RUNNING += b"\x83\x60\x45\0"
ODD = {
    "plain": (PLAIN, ""),
    "eight sharps": (b.smf(b.tempo(120) + b.meta(0x59, b"\x08\0") + b.tune()), ""),
    "a key of one byte": (b.smf(b.meta(0x59, b"\x08") + b.tune()), ""),
    "an SMPTE offset of nothing": (b.smf(b.meta(0x54, b"") + b.tune()), ""),
    "a sequence number that is long": (b.smf(b.meta(0x00, b"123456") + b.tune()), ""),
    "an unknown meta event": (b.smf(b.meta(0x6E, b"\xff" * 300) + b.tune()), ""),
    "text in no known letters": (b.smf(b.meta(0x01, b"\xff\xfe\x80") + b.tune()), ""),
    "a tempo of 0": (b.smf(b.meta(0x51, b"\0\0\0") + b.tune()), "a tempo of no length is passed over"),
    "a tempo of two bytes": (b.smf(b.meta(0x51, b"\7\xa1") + b.tune()), "a tempo of no length is passed over"),
    "a meter of 0/4": (b.smf(b.meta(0x58, b"\0\2\x18\x08") + b.tune()), "a time signature that is none"),
    "a meter of one byte": (b.smf(b.meta(0x58, b"\4") + b.tune()), "a time signature that is none"),
    "a meter over 2**99": (b.smf(b.meta(0x58, b"\4\x63\0\0") + b.tune()), "a time signature that is none"),
    "running status": (b.smf(RUNNING), ""),
    "running status across a text": (b.smf(RUNNING[:4] + b.meta(1, b"a") + RUNNING[4:]), ""),
    "running status across a system message": (b.smf(RUNNING[:4] + b"\0\xf0\2\1\xf7" + RUNNING[4:]), ""),
    "a message of a cable": (b.smf(b"\0\xf8\0\xf2\1\2\0\xf4" + b.tune()), ""),
    "a track is missing": (b.smf(b.tune(), promised=2, kind=1), "its header says 2 tracks, and 1 is there"),
    "65535 tracks are promised": (b.smf(b.tune(), promised=65535), "its header says 65535 tracks, and 1 is there"),
    "no track is promised": (b.smf(b.tune(), promised=0), "its header says 0 tracks, and 1 is there"),
    "an unknown type": (b.smf(b.tune(), kind=77), ""),
    "one pattern": (b.smf(b.tune(), kind=2), ""),
    "the end is missing": (PLAIN[:14] + b.chunk(b.tune()), ""),
    "an empty track": (b.smf(b"", b.tune()), ""),
    "an unknown chunk": (PLAIN[:14] + b"XFIH\0\0\0\2ab" + PLAIN[14:], ""),
    "a longer header": (PLAIN[:7] + b"\x08" + PLAIN[8:14] + b"ab" + PLAIN[14:], ""),
    "bytes before the header": (b"\r\n\r\n" + PLAIN, ""),
    "bytes behind the end": (PLAIN + b"\0" * 9, ""),
    "a track without a length": (PLAIN[:14] + b.chunk(b.tune() + b.END, 0), ""),
    "a track with half its length": (PLAIN[:14] + b.chunk(b.tune() + b.END, 30), ""),
    "a track with a great length": (PLAIN[:14] + b.chunk(b.tune() + b.END, 2**32 - 1), ""),
    "a length that covers the next track": (
        b.smf(promised=2, kind=1) + b.chunk(b.END, 16 + len(b.tune())) + b.chunk(b.tune() + b.END), ""
    ),
    "RMID": (b.riff(PLAIN), ""),
    "RMID in RMID": (b.riff(b.riff(PLAIN)), ""),
    "a Macintosh's header": (b"\0\4tune" + b"\0" * 122 + PLAIN, ""),
    "a velocity beyond 127": (b.smf(b.tune().replace(b"\x90\x43\x5a", b"\x90\x43\xff")), ""),
    "a note beyond 127": (b.smf(b"\0\x90\xc8\x40" + b.tune()), "track 1 has notes beyond 127, which are passed over"),
    "ends without beginnings": (b.smf(b"\0\x80\x10\0" + b.tune() + b"\0\x80\x43\0\x10\x90\x43\0"), ""),
    "data of no message": (b.smf(b"\0\x10\x20", b.tune()), "track 1 begins with data of no message; what comes before"),
    "a system message without an end": (b.smf(b"\0\xf0\x7f\1\2", b.tune()), "track 1 breaks off"),
    "a text without an end": (b.smf(b.tune() + b"\0\xff\1\x8f\xff\xff\x7f"), "track 1 breaks off"),
    "a time without an end": (b.smf(b.tune() + b"\xff\xff\xff\xff\xff\xff"), "track 1 holds a number without an end"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_files_have_their_eight_notes(case: str) -> None:
    data, told = ODD[case]
    song = m.parse(data)
    assert sorted(note[:3] for part in song.notes.values() for note in part) == EIGHT
    assert all(note.velocity > 0 for part in song.notes.values() for note in part)
    assert [told in notice for notice in song.notices] == ([True] if told else []), song.notices


def test_what_a_cut_file_still_holds() -> None:
    for size in range(len(PLAIN)):
        try:
            found = notes(PLAIN[:size])
        except m.MidiError:
            assert size < 22
        else:
            # Whole notes, and a last one that may have lost its end.
            assert [note[::2] for note in found] == [note[::2] for note in EIGHT[: len(found)]]
            assert len(found) >= (size - 30) // 9


BAD = {
    "nothing": (b"", "it is empty"),
    "words": (b"not a MIDI file at all", "it has no MIDI header"),
    "a header alone": (b"MThd", "it ends within its header"),
    "RIFF alone": (b"RIFF", "it has no MIDI header"),
    "an empty RMID": (b"RIFF\4\0\0\0RMID", "it has no MIDI header"),
    "no tracks": (PLAIN[:14], "it has no tracks"),
    "a tick of no length": (b.smf(b.tune(), division=0), "its header gives no length of a tick"),
    "an SMPTE tick of no length": (b.smf(b.tune(), division=0xE700), "its header gives no length of a tick"),
    "patterns": (b.smf(b.tune(), b.tune(), kind=2), "independent patterns (MIDI type 2); export it as type 0 or 1"),
    "a thousand events": (b.smf(b"\0\x90\x40\x40" + b"\1\x40\0\1\x40\x40" * 501), "more than 1000 events"),
    "a thousand tracks": (PLAIN[:14] + b"MTrk\0\0\0\4\0\xff\x2f\0" * 501, "more than 1000 events"),
    "17 MiB": (PLAIN + b"\0" * 2**24, "larger than 16 MiB"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(m, "MOST_EVENTS", 1000)
    data, told = BAD[case]
    path = tmp_path / "tune.mid"
    path.write_bytes(data)
    with pytest.raises(m.MidiError) as caught:
        m.read(path)
    assert str(caught.value).startswith(f"cannot read {path} as MIDI: ") and told in str(caught.value)
    with pytest.raises(m.MidiError, match=r"MIDI file not found: .*gone\.mid"):
        m.read(tmp_path / "gone.mid")


def test_smpte_ticks_are_parts_of_a_second() -> None:
    clocks = {0xE728: 1000.0, 0xE850: 24 * 80.0, 0xE264: 3000.0, 0xE332: 50 * 30_000 / 1001}
    for division, ticks in clocks.items():
        song = m.parse(b.smf(b.tempo(90) + b.tune(500), division=division))
        assert song.quarter is None and song.second == pytest.approx(ticks)


def test_notes_without_ends_last_to_the_end_of_the_track() -> None:
    assert lone(b"\0\x90\x40\x40", b"\x83\x60\x90\x43\x40", b"\x83\x60\xff\x2f\0") == [(0, 960, 64), (480, 960, 67)]
    # A quarter at least.
    assert lone(b"\0\x90\x40\x40", b"\x83\x60\x90\x43\x40") == [(0, 480, 64), (480, 960, 67)]
    assert lone(b"\0\x90\x40\x40", b"\x10\xb0\x7b\0", b"\x83\x60\xff\x2f\0") == [(0, 16, 64)]  # all notes off


ON, OFF = b"\x90\x40\x40", b"\x80\x40\0"


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ((b"\0" + ON, b"\4" + ON, b"\4" + OFF, b"\4" + OFF), [(0, 4), (4, 12)]),  # two notes overlap
        ((b"\0" + ON, b"\4" + ON, b"\4" + OFF), [(0, 4), (4, 8)]),  # the end of one is missing
        ((b"\0" + ON, b"\4" + ON, b"\0" + OFF, b"\4" + OFF), [(0, 4), (4, 8)]),  # struck just before it is let go
        ((b"\0" + ON, b"\0" + ON, b"\4" + OFF, b"\4" + OFF), [(0, 8)]),  # doubled
        ((b"\0" + ON, b"\4" + OFF, b"\4" + ON, b"\4" + OFF, b"\4" + OFF), [(0, 4), (8, 12)]),
        ((b"\0" + ON, b"\0" + OFF), [(0, 1)]),  # a hit without a length
    ],
)
def test_one_pitch_sounds_once(events: tuple[bytes, ...], found: list[tuple[int, int]]) -> None:
    assert [(start, end) for start, end, _ in lone(*events)] == found


def test_a_part_is_what_one_program_of_a_channel_plays() -> None:
    first, then = b"\0\xc1\x05" + b.note(60, 4, channel=1), b"\0\xc1\x06\0\xb1\7\x50" + b.note(62, 4, channel=1)
    song = m.parse(b.smf(b.name("A\x1b[31m ü") + first + then))
    assert {source: part[0][:3] for source, part in song.notes.items()} == {
        (0, 1, 5): (0, 4, 60),
        (0, 1, 6): (4, 8, 62),
    }
    assert song.names == {0: "A[31m ü"} and song.volumes == {(0, 1): 80}
    assert song.programs == [(0, 1, 5), (4, 1, 6)]


def test_midi_is_known_by_its_content(tmp_path: Path) -> None:
    files = {
        "tune.kar": (PLAIN, True), "tune.bin": (PLAIN, True), "tune.rmi": (b.riff(PLAIN), True),
        "tune.wav": (b.riff(PLAIN), True), "really.mid": (b"RIFF\4\0\0\0WAVE", False), "really.midi": (b"fLaC", False),
        "words.mid": (b"words", True), "words.txt": (b"words MThd", False), "none.wav": (b"", False),
    }  # fmt: skip
    for name, (content, known) in files.items():
        (tmp_path / name).write_bytes(content)
        assert m.is_midi(tmp_path / name) is known, name
    assert not m.is_midi(tmp_path) and not m.is_midi(tmp_path / "gone.mid")


@st.composite
def songs(draw: st.DrawFn) -> mido.MidiFile:
    """Files without faults: tracks of messages of all kinds, in which no pitch overlaps itself."""
    song = mido.MidiFile(type=1, ticks_per_beat=draw(st.sampled_from([24, 96, 480, 960])))
    for _ in range(draw(st.integers(1, 3))):
        track = mido.MidiTrack()
        for _ in range(draw(st.integers(0, 8))):
            channel, pitch = draw(st.integers(0, 15)), draw(st.integers(0, 127))
            extra = draw(st.sampled_from(["none", "tempo", "bend", "sysex", "text", "program"]))
            if extra == "tempo":
                track.append(mido.MetaMessage("set_tempo", tempo=draw(st.integers(1, 2**24 - 1)), time=draw(TIMES)))
            elif extra == "bend":
                track.append(mido.Message("pitchwheel", pitch=draw(st.integers(-8192, 8191)), time=draw(TIMES)))
            elif extra == "sysex":
                track.append(mido.Message("sysex", data=draw(st.lists(st.integers(0, 127))), time=draw(TIMES)))
            elif extra == "text":
                track.append(mido.MetaMessage("lyrics", text=draw(st.text("abc", max_size=300)), time=draw(TIMES)))
            elif extra == "program":
                track.append(mido.Message("program_change", program=pitch, channel=channel, time=draw(TIMES)))
            track.append(mido.Message("note_on", note=pitch, channel=channel, velocity=64, time=draw(TIMES)))
            track.append(mido.Message("note_off", note=pitch, channel=channel, time=1 + draw(TIMES)))
        song.tracks.append(track)
    return song


TIMES = st.one_of(st.integers(0, 200), st.integers(0, 2**21))


@given(songs())
def test_it_agrees_with_mido_on_files_without_faults(
    tmp_path_factory: pytest.TempPathFactory, song: mido.MidiFile
) -> None:
    path = tmp_path_factory.getbasetemp() / "agrees.mid"
    song.save(path)
    found = m.read(path)
    wanted, tempos = [], []
    for number, track in enumerate(mido.MidiFile(path).tracks):
        now, began = 0, {}
        for message in track:
            now += message.time
            if message.type == "note_on":
                began[message.channel, message.note] = now
            elif message.type == "note_off":
                key = (message.channel, message.note)
                wanted.append((number, key[0], began[key], now, key[1]))
            elif message.type == "set_tempo":
                tempos.append((now, message.tempo))
    read = [(source.track, source.channel, *note[:3]) for source, part in found.notes.items() for note in part]
    assert sorted(read) == sorted(wanted) and sorted(found.tempos) == sorted(tempos)
    assert found.notices == [] and found.quarter == song.ticks_per_beat
