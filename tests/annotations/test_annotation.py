"""The value itself: what is present, what is kept, and what is cut."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flowmusic.annotations.annotation import Annotations, DrumHits

SONG = Annotations(
    seconds=10.0,
    text="a waltz",
    bpm=60.0,
    meter="3/4",
    beats=(0.0, 1.0, 2.0, 3.0, 4.0),
    downbeats=(0.0, 3.0),
    chords=((0.0, 4.0, "C"), (4.0, 12.0, "Am")),
    melody=(),
    drums=DrumHits((0.5, 2.9995, 3.5, 5.9995), {"kick": (3.5,), "hat": (0.5,)}),
    sections=((0.0, 4.0, "verse", "quiet"), (4.0, 10.0, "chorus", "")),
    confidence={"beats": 0.5, "drums": 0.9},
)


def test_none_to_hear_is_known_and_not_the_same_as_not_known() -> None:
    assert SONG.names() == ("chords", "melody", "drums", "beats")
    assert SONG.events("melody") == () and Annotations().events("melody") is None
    assert Annotations(melody=(), bpm=120.0).names() == ("melody",)  # a tempo fixes no beat
    with pytest.raises(ValueError, match=r"'text' is not a control; choose from chords, melody, drums, beats"):
        SONG.events("text")


def test_only_keeps_a_control_with_what_belongs_to_it() -> None:
    kept = SONG.only("beats", "text")
    assert (kept.beats, kept.downbeats, kept.bpm, kept.meter) == (SONG.beats, (0.0, 3.0), 60.0, "3/4")
    assert kept.names() == ("beats",) and kept.confidence == {"beats": 0.5} and kept.text == "a waltz"
    rest = SONG.only("drums")
    assert (rest.names(), rest.downbeats, rest.bpm, rest.seconds) == (("drums",), None, None, 10.0)


def test_a_part_has_times_of_its_own_and_is_as_long_as_is_covered() -> None:
    part = SONG.part(3.0, 3.0)
    assert part.seconds == 3.0 and part.beats == (0.0, 1.0) and part.downbeats == (0.0,)
    assert part.chords == ((0.0, 1.0, "C"), (1.0, 3.0, "Am")) and part.melody == ()
    # Half a millisecond early is its beginning; half a millisecond before the end is of what follows.
    assert part.drums == DrumHits((0.0, 0.5), {"kick": (0.5,), "hat": ()})
    assert part.sections == ((0.0, 1.0, "verse", "quiet"), (1.0, 3.0, "chorus", ""))
    assert SONG.part(8.0, 3.0).seconds == 2.0 and SONG.part(8.0, 3.0).chords == ((0.0, 2.0, "Am"),)
    assert SONG.part(20.0, 3.0) == SONG.part(30.0, 1.0)  # nothing, and it is known to be nothing
    assert Annotations(beats=(4.0,)).part(3.0, 2.0) == Annotations(seconds=2.0, beats=(1.0,))


def test_the_value_and_its_files_need_no_torch() -> None:
    code = (
        "import sys, flowmusic.annotations.json_file, flowmusic.annotations.labels_file; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
