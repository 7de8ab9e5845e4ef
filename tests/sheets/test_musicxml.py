"""MusicXML: what stands in a measure, where it is played, and what comes back."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path

import pytest

from flowmusic.controls.meter import Meter
from flowmusic.sheets import musicxml_read, musicxml_write
from flowmusic.sheets.sheet import Bar, Sheet
from flowmusic.sheets.written import SheetError
from flowmusic.sheets.xml_tree import parse
from tests.sheets.test_chordpro import bars

F = Fraction


def note(step: str, duration: int, octave: int = 4, more: str = "", alter: int = 0) -> str:
    pitch = f"<pitch><step>{step}</step><alter>{alter}</alter><octave>{octave}</octave></pitch>"
    return f"<note>{pitch}<duration>{duration}</duration>{more}<voice>1</voice></note>"


def rest(duration: int) -> str:
    return f"<note><rest/><duration>{duration}</duration><voice>1</voice></note>"


def harmony(root: str, kind: str, more: str = "", alter: int = 0) -> str:
    return (
        f"<harmony><root><root-step>{root}</root-step><root-alter>{alter}</root-alter></root><kind>{kind}</kind>"
        f"{more}</harmony>"
    )


def score(*measures: str, first: str = "<time><beats>4</beats><beat-type>4</beat-type></time>") -> bytes:
    begin = f"<attributes><divisions>2</divisions>{first}</attributes>"
    numbered = "".join(
        f"<measure number='{n}'>{begin if n == 1 else ''}{m}</measure>" for n, m in enumerate(measures, start=1)
    )
    return f"<score-partwise><part-list/><part id='P1'>{numbered}</part></score-partwise>".encode()


def read(data: bytes) -> Sheet:
    return musicxml_read.of_tree(parse(data, "x.xml"))


REPEAT, BACK = (
    '<barline location="left"><repeat direction="forward"/></barline>',
    ('<barline location="right"><repeat direction="backward"/></barline>'),
)


def ending(number: str, kind: str, more: str = "") -> str:
    return f'<barline><ending number="{number}" type="{kind}"/>{more}</barline>'


def test_chords_where_they_stand() -> None:
    sheet = read(
        score(
            harmony("C", "major-seventh") + rest(4) + harmony("A", "minor", "<bass><bass-step>G</bass-step></bass>")
            + rest(4),
            harmony("B", "half-diminished", "<offset>3</offset>", alter=-1) + rest(8),
            harmony("G", "dominant", "<degree><degree-value>9</degree-value><degree-alter>-1</degree-alter>"
                    "<degree-type>add</degree-type></degree>") + harmony("C", "none", "<offset>6</offset>") + rest(8),
        )
    )  # fmt: skip
    assert bars(sheet) == ["Cmaj7@0 Am@2", "Bbm7b5@1.5", "G7@0 N@3"]
    assert any("Am/G" in notice for notice in sheet.notices)
    assert not sheet.melody


def test_repeats_endings_and_jumps() -> None:
    def chord(root: str) -> str:
        return harmony(root, "major") + rest(8)

    sheet = read(
        score(
            REPEAT + chord("C"),
            ending("1", "start") + chord("D") + ending("1", "stop", '<repeat direction="backward"/>'),
            ending("2", "start") + chord("E") + ending("2", "discontinue"),
            chord("F") + "<direction><direction-type><words>Fine</words></direction-type></direction>",
            chord("G") + '<direction><sound dacapo="yes"/></direction>',
        )
    )
    assert "".join(each[0] for each in bars(sheet)) == "CDCEFGCEF"


def test_pickup_tempo_meter_key_section_and_tied_melody() -> None:
    tie, untie = '<tie type="start"/>', '<tie type="stop"/>'
    sheet = read(
        score(
            note("G", 2),
            '<direction><direction-type><rehearsal>A</rehearsal></direction-type><sound tempo="90"/></direction>'
            + harmony("C", "major") + note("C", 6, 5) + note("E", 2, 5, tie),
            note("E", 1, 5, untie) + rest(7),
            "<attributes><time><beats>6</beats><beat-type>8</beat-type></time><key><fifths>-3</fifths>"
            "<mode>minor</mode></key></attributes>" + note("B", 6, 4, alter=-1),
            first="<time><beats>4</beats><beat-type>4</beat-type></time><key><fifths>0</fifths></key>",
        )
    )  # fmt: skip
    first, second, third, fourth = sheet.bars
    assert first.short == 1 and first.notes == ((F(0), F(1), 67),) and first.key == "C major"
    assert (second.section, second.bpm) == ("A", 90.0)
    assert second.notes == ((F(0), F(3), 72), (F(3), F(3, 2), 76))
    assert fourth.beats == 2 and fourth.notes == ((F(0), F(2), 70),)
    assert (third.key, fourth.key) == (None, "C minor")
    found = sheet.annotations()
    assert found.downbeats is not None and found.downbeats[0] == pytest.approx(60 / 90)
    assert found.melody is not None and found.melody[0] == pytest.approx((0.0, 60 / 90, 67))


def test_transposing_parts_sound_elsewhere() -> None:
    up = "<transpose><chromatic>-2</chromatic></transpose><time><beats>4</beats><beat-type>4</beat-type></time>"
    sheet = read(score(harmony("D", "minor-seventh") + note("D", 8), first=up))
    assert bars(sheet) == ["Cm7@0"] and sheet.bars[0].notes == ((F(0), F(4), 60),)


def test_what_is_written_is_read_back() -> None:
    sheet = Sheet(
        (
            Bar(notes=((F(0), F(1), 64),), short=F(1), key="A minor", bpm=100.0),
            Bar(chords=((F(0), "Am"), (F(5, 2), "F")), section="A",
                notes=((F(0), F(2, 3), 69), (F(2, 3), F(1, 3), 71), (F(1), F(5), 72))),
            Bar(chords=((F(2), "N"),)),
            Bar(Meter.of(6, 8), ((F(0), "Bm7b5/A"), (F(1), "C/E")), ((F(1, 3), F(1, 2), 61),), bpm=80.0, section="B"),
        ),
        "Blue Boat", "A. Nobody", melody=True,
    )  # fmt: skip
    again = read(musicxml_write.write(sheet).encode())
    assert again == sheet


def test_notes_are_spelled_by_their_key() -> None:
    """Every note can be read back as it was; a scale has every letter once."""
    natural = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
    for fifths in range(-7, 9):
        for midi in range(128):
            step, alter, octave = musicxml_write.spelled(midi, fifths)
            assert 12 * (octave + 1) + natural[step] + alter == midi
        steps = [musicxml_write.spelled(60 + (7 * fifths + up) % 12, fifths)[0] for up in (0, 2, 4, 5, 7, 9, 11)]
        assert len(set(steps)) == 7
    bar = Bar(notes=tuple((F(n), F(1), midi) for n, midi in enumerate((68, 80, 73, 66))), key="A major")
    written = musicxml_write.write(Sheet((bar,), melody=True))
    assert written.count("<alter>1</alter>") == 4 and "<alter>-1</alter>" not in written
    minor = musicxml_write.write(Sheet((Bar(notes=((F(0), F(4), 68),), key="A minor"),), melody=True))
    assert "<step>G</step>" in minor and "<alter>1</alter>" in minor


def test_packed_files_and_hostile_ones(tmp_path: Path) -> None:
    data = score(harmony("C", "major") + rest(8))
    packed = tmp_path / "a.mxl"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(
            "META-INF/container.xml", '<container><rootfiles><rootfile full-path="s/a.xml"/></rootfiles></container>'
        )
        file.writestr("s/a.xml", data)
    assert bars(musicxml_read.read(packed)) == ["C@0"]
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><score-partwise>&b;</score-partwise>'
    deep = b"<a>" * 100
    for name, content, message in (
        ("bomb.xml", bomb, "declares entities"),
        ("deep.xml", deep, "nested deeper"),
        ("text.xml", b"C Am F G", "no whole XML document"),
        ("other.xml", b"<html/>", "not a score of MusicXML"),
        ("empty.xml", b"<score-partwise/>", "neither chord symbols nor notes"),
        ("cut.mxl", packed.read_bytes()[:60], "damaged packed file"),
        (
            "div.xml",
            score("<attributes><divisions>0</divisions></attributes>" + note("C", 1)),
            "measure 1: <attributes>",
        ),
        ("high.xml", score(note("C", 1, 90)), "measure 1: <note> cannot be read"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(SheetError, match=message):
            musicxml_read.read(path)
