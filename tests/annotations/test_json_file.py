"""controls.json: round trips, readable errors for hand edits, and what a clip takes from a file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic import publishable
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.json_file import ControlsFile, SheetError, from_json, to_json
from flowmusic.annotations.tracks import controls_of_file
from flowmusic.controls import beats, chords, drums, melody
from flowmusic.controls.notices import ControlNotice
from flowmusic.controls.vocabulary import LABELS
from flowmusic.types import FrameGrid

GRID = FrameGrid(Fraction(25), 250)
SHEET = ControlsFile(
    "song.wav",
    Fraction(25),
    Annotations(
        seconds=10.0,
        bpm=120.0,
        beats=tuple(0.5 * k for k in range(20)),
        downbeats=(0.0, 2.0, 4.0, 6.0, 8.0),
        chords=((0.0, 4.0, "C"), (4.0, 10.0, "Am7")),
        melody=((0.5, 1.0, 60), (1.0, 2.0, 62)),
        drums=DrumHits((0.0, 1.0, 2.5)),
    ),
    "drums.wav",
)


def changed(**change: Any) -> ControlsFile:
    """The file with other annotations."""
    return replace(SHEET, annotations=replace(SHEET.annotations, **change))


def ascending(size: int = 8) -> st.SearchStrategy[list[float]]:
    return st.sets(st.integers(0, 9999), max_size=size).map(lambda ticks: [k / 1000 for k in sorted(ticks)])


@st.composite
def sheets(draw: st.DrawFn) -> ControlsFile:
    def optional(strategy: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | strategy)

    spans = ascending().map(lambda t: list(zip(t, t[1:])))
    labels, pitches = st.sampled_from(LABELS), st.integers(0, 127)
    bpm = optional(st.floats(20, 400))
    sure = None if bpm is None else optional(st.floats(0, 1))
    annotations = Annotations(
        seconds=draw(st.floats(0.1, 1000)),
        bpm=bpm,
        beats=optional(ascending().map(tuple)),
        downbeats=optional(ascending().map(tuple)),
        chords=optional(spans.map(lambda s: tuple((a, b, draw(labels)) for a, b in s))),
        melody=optional(spans.map(lambda s: tuple((a, b, draw(pitches)) for a, b in s))),
        drums=optional(ascending().map(tuple).map(DrumHits)),
        confidence={} if sure is None else {"bpm": sure},
    )
    rate = draw(st.sampled_from([Fraction(25), Fraction(75, 2), Fraction(50)]))
    source = draw(st.text(max_size=10).map(publishable.place))  # as it is written
    return ControlsFile(source, rate, annotations, optional(st.just("drums.wav")))


@given(sheets())
def test_json_round_trip(sheet: ControlsFile) -> None:
    assert from_json(json.loads(json.dumps(to_json(sheet)))) == sheet


def test_file_round_trip_by_file_and_folder(tmp_path: Path) -> None:
    path = SHEET.write(tmp_path / "song.controls")
    assert path == tmp_path / "song.controls" / "controls.json"
    assert ControlsFile.read(path) == ControlsFile.read(path.parent) == SHEET
    assert [file.name for file in path.parent.iterdir()] == ["controls.json"]
    assert SHEET.stem_path(path) == SHEET.stem_path(path.parent) == path.parent / "drums.wav"
    assert replace(SHEET, drums_stem=None).stem_path(path) is None


def test_the_file_has_the_documented_keys_and_one_chord_a_line(tmp_path: Path) -> None:
    text = SHEET.write(tmp_path).read_text(encoding="utf-8")
    data = json.loads(text)
    documented = ["source", "seconds", "frame_rate", "bpm", "beats", "downbeats", "chords", "melody", "drums"]
    assert list(data) == documented
    sure = json.loads(changed(confidence={"bpm": 0.7}).write(tmp_path / "sure").read_text(encoding="utf-8"))
    assert list(sure)[3:5] == ["bpm", "bpm_confidence"] and sure["bpm_confidence"] == 0.7
    assert data["drums"] == {"onsets": [0, 1, 2.5], "stem": "drums.wav"} and data["frame_rate"] == 25
    assert '    [4.0, 10.0, "Am7"]\n' in text


def test_a_sheet_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    SHEET.write(tmp_path)
    with pytest.raises(SheetError, match=r"beats\[1\] = 1"):
        changed(beats=(2.0, 1.0)).write(tmp_path)
    assert ControlsFile.read(tmp_path) == SHEET


def test_hand_written_chords_become_canonical(tmp_path: Path) -> None:
    data = to_json(SHEET) | {"chords": [[0, 2, "Db"], [2, 4, "A:min7"], [4, 6, "Csus4"]]}
    (tmp_path / "controls.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.warns(ControlNotice, match=r"chords\[2\]: chord Csus4 is taken as C"):
        sheet = ControlsFile.read(tmp_path)
    assert sheet.annotations.chords == ((0, 2, "C#"), (2, 4, "Am7"), (4, 6, "C"))


def test_keys_may_be_left_out() -> None:
    sheet = from_json({"source": "", "seconds": 4, "frame_rate": "75/2"})
    assert sheet == ControlsFile("", Fraction(75, 2), Annotations(seconds=4.0)) and sheet.names() == frozenset()
    assert "downbeats" not in to_json(sheet) and to_json(sheet)["drums"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tempo": 3}, r"unknown key 'tempo'; the keys are source, seconds"),
        ({"seconds": None}, "the key 'seconds' is missing"),
        ({"seconds": -2}, "seconds must be .* from 0.001 to 604800, got -2"),
        ({"seconds": "ten"}, r'seconds must be a number, got "ten"'),
        ({"source": 3}, "source must be the name of the recording, got 3"),
        ({"frame_rate": 0}, "frame_rate must be .*positive.*, got 0"),
        ({"frame_rate": "fast"}, r"frame_rate must be frames per second.*got .fast."),
        ({"frame_rate": [25]}, r"frame_rate must be .*got \[25\]"),
        ({"bpm": 5}, "bpm must be .* from 20 to 400.*got 5"),
        ({"bpm": True}, "bpm must be a number, got true"),
        ({"bpm_confidence": 2}, "bpm_confidence must be a number from 0 to 1, got 2"),
        ({"beats": 3}, "beats must be a list of seconds, got 3"),
        ({"beats": [0, 1, 0.5]}, r"beats\[2\] = 0.5 must come after beats\[1\] = 1"),
        ({"beats": [0, "x"]}, r'beats\[1\] must be a number, got "x"'),
        ({"chords": "C Am"}, r'chords must be a list of \[start, end, label\], got "C Am"'),
        ({"chords": [[0, 1, "C"], [1, "F"]]}, r'chords\[1\] must be \[start, end, label\], got \[1, "F"\]'),
        ({"chords": [[0, 1, "C"], [1, 2, "Foo"]]}, r"chords\[1\]: chord 'Foo'"),
        ({"chords": [[0, 1, 4]]}, r"chords\[0\]\[2\] must be a chord name, got 4"),
        ({"chords": [[0, 2, "C"], [1, 3, "F"]]}, r"chords\[1\] begins at 1 s, before the one above it ends at 2 s"),
        ({"chords": [[2, 1, "C"]]}, r"chords\[0\] must have 0 <= start < end, got 2 to 1"),
        ({"melody": [[0, 1, 60.5]]}, r"melody\[0\]\[2\] must be a whole number from 0 to 127, got 60.5"),
        ({"melody": [[0, 1, 60], [1, 2, 200]]}, r"melody\[1\]\[2\].*got 200"),
        ({"melody": [[-1, 1, 60]]}, r"melody\[0\] must have 0 <= start < end, got -1 to 1"),
        ({"drums": [1, 2]}, r"drums must be an object with onsets and stem, and classes if known, got \[1, 2\]"),
        ({"drums": {"hits": []}}, r"drums must be an object with onsets and stem"),
        ({"drums": {"onsets": [], "classes": {"tom": []}}}, r"drums.classes has no 'tom'; the classes are kick, snare"),
        ({"drums": {"onsets": [], "classes": [1]}}, r"drums.classes must be an object with any of kick, snare, hat"),
        ({"drums": {"onsets": [], "classes": {"hat": ["x"]}}}, r"drums.classes.hat\[0\] must be a number, got \"x\""),
        ({"drums": {"classes": {"kick": []}}}, r"drums.classes needs drums.onsets"),
        ({"drums": {"onsets": [0, None]}}, r"drums.onsets\[1\] must be a number, got null"),
        ({"drums": {"stem": 3}}, r"drums.stem must be a file name beside the JSON, or null, got 3"),
        ({"drums": {"stem": "/dev/zero"}}, r"drums.stem must be a file name beside the JSON, or null, got ./dev/zero"),
        ({"drums": {"stem": "../secret.wav"}}, r"drums.stem must be a file name beside the JSON"),
        ({"drums": {"stem": "a/../../secret.wav"}}, r"drums.stem must be a file name beside the JSON"),
        ({"drums": {"stem": "a\0.wav"}}, r"drums.stem must be a file name beside the JSON"),
    ],
)
def test_errors_name_file_key_and_index(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "controls.json"
    path.write_text(json.dumps(to_json(SHEET) | change), encoding="utf-8")
    with pytest.raises(SheetError, match=re.escape(str(path)) + ": .*" + message):
        ControlsFile.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"source": "a",\n "seconds": }', "is not JSON: .* in line 2, column"),
        (b'{"source": "a", "seconds": NaN}', "NaN is not a number that JSON allows"),
        (b"\xff\xfe\x00", "not a text file in UTF-8"),
        (b"[" * 100_000, "is nested deeper than"),
        (b'{"seconds": 1e999}', "not finite"),
        (b"[1, 2]", r"expected an object with source, .* got \[1, 2\]"),
    ],
)
def test_broken_files_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "controls.json").write_bytes(content)
    with pytest.raises(SheetError, match=message):
        ControlsFile.read(tmp_path)


def test_a_stem_does_not_lead_out_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "controls").mkdir()
    (tmp_path / "secret.wav").touch()
    path = replace(SHEET, drums_stem="sub/drums.wav").write(tmp_path / "controls")
    (tmp_path / "controls" / "sub").mkdir()
    assert ControlsFile.read(path).stem_path(path) == tmp_path / "controls" / "sub" / "drums.wav"
    (tmp_path / "controls" / "sub" / "drums.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(SheetError, match=r"controls\.json: drums\.stem: .*leads out of its folder"):
        ControlsFile.read(path).stem_path(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SheetError, match=r"not found: .*controls\.json"):
        ControlsFile.read(tmp_path)


# From a sheet to a clip


def test_a_sheet_gives_all_its_controls() -> None:
    tracks = controls_of_file(SHEET, GRID).tracks
    assert set(tracks) == {"chords", "melody", "drums", "beats"}
    assert chords.from_track(tracks["chords"]) == SHEET.annotations.chords
    assert [pitch for _, _, pitch in melody.from_track(tracks["melody"])] == [60, 62]
    assert drums.onsets_from_track(tracks["drums"]) == pytest.approx((0.005, 1.005, 2.505))
    torch.testing.assert_close(tracks["beats"].values[0], beats.from_bpm(120, "4/4", GRID).values)


def test_use_picks_and_a_missing_control_lists_those_present() -> None:
    assert set(controls_of_file(SHEET, GRID, use={"chords", "drums"}).tracks) == {"chords", "drums"}
    bare = ControlsFile("song.wav", Fraction(25), Annotations(seconds=10.0, chords=()))
    with pytest.raises(ValueError, match=r"'song.wav' have no drums; present: chords"):
        controls_of_file(bare, GRID, use=["chords", "drums"])
    with pytest.raises(ValueError, match=r"'tempo' is not a control; choose from chords, melody, drums, beats"):
        controls_of_file(bare, GRID, use=["tempo"])


def test_a_longer_recording_is_cut_with_a_notice() -> None:
    with pytest.warns(ControlNotice, match=r"'song.wav' last 10 s and are cut at the clip's 4 s"):
        tracks = controls_of_file(SHEET, FrameGrid(Fraction(25), 100)).tracks
    assert all(track.known.shape == (1, 100) for track in tracks.values())
    late = changed(melody=((5.0, 6.0, 60),), drums=DrumHits((4.5,)))
    with pytest.warns(ControlNotice) as told:
        controls_of_file(late, FrameGrid(Fraction(25), 100), use=["melody", "drums"])
    assert [str(each.message).partition(" nothing is left: ")[2] for each in told][1:] == [
        "the first sound begins at 5 s", "the first sound begins at 4.5 s"
    ]  # fmt: skip


def test_a_shorter_recording_loops_its_drums_and_leaves_the_rest_unknown() -> None:
    annotations = Annotations(
        seconds=4.1,
        bpm=120.0,
        chords=((0.0, 4.1, "C"),),
        melody=((0.0, 1.0, 60),),
        drums=DrumHits((0.0, 3.5)),
    )
    short = ControlsFile("loop.wav", Fraction(25), annotations)
    tracks = controls_of_file(short, GRID).tracks
    assert drums.onsets_from_track(tracks["drums"]) == pytest.approx((0.005, 3.505, 4.005, 7.505, 8.005))
    assert tracks["drums"].known.all() and tracks["beats"].known.all()
    assert tracks["chords"].known.sum() == 103 and tracks["melody"].known.sum() == 102
    assert tracks["beats"].values[0, :, 2:].abs().sum() == 0  # a tempo alone knows no downbeat


def test_an_analysed_stem_replaces_the_onsets() -> None:
    stem = drums.onsets_to_track([3.0], GRID, levels=[1.0])
    tracks = controls_of_file(SHEET, GRID, use=["drums"], drums_track=stem).tracks
    assert torch.equal(tracks["drums"].values[0], stem.values)
    unheard = changed(drums=None)
    with pytest.raises(ValueError, match=r"a drum stem but no onsets; analyse 'drums\.wav' first"):
        controls_of_file(unheard, GRID)
    assert "drums" in controls_of_file(unheard, GRID, drums_track=stem).tracks


def test_too_few_beats_are_unknown() -> None:
    one = changed(bpm=None, beats=(1.0,), downbeats=None)
    assert not controls_of_file(one, GRID, use=["beats"]).tracks["beats"].known.any()


def test_classes_of_drums_are_kept_and_say_the_band() -> None:
    hits = DrumHits((0.0, 1.0, 2.5), {"kick": (0.0, 2.51), "snare": (), "hat": (0.0,)})
    sheet = replace(changed(drums=hits), drums_stem=None)
    assert from_json(to_json(sheet)) == sheet
    assert "classes" not in to_json(SHEET)["drums"]
    drawing = drums.to_drawing(controls_of_file(sheet, GRID, use=["drums"]).tracks["drums"])
    # Kick and hat together, then an onset of no class, then a kick.
    assert [(drawing[:, place] > 0).tolist() for place in (0, 100, 250)] == [
        [True, False, True],
        [True, True, True],
        [True, False, False],
    ]
