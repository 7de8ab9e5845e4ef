"""Labels files as people and data sets write them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.labels_file import labels_of, of_record
from flowmusic.controls.notices import ControlNotice


def test_what_is_told_is_read() -> None:
    record = {
        "seconds": 8,
        "bpm": 120,
        "meter": "6/8",
        "key": "A",
        "mode": "minor",
        "beats": [0, 0.5],
        "downbeats": [0],
        "chords": [[-1, 2, "Db"], [2, 2, "C"], [2, 4, "A:min"]],
        "melody": [[1, 2, 60.4], [0, 3, 72]],
        "drums": {"onsets": [2.0, 1.0, 1.0], "classes": {"hat": [2.0, 1.0], "tom": [9.0]}},
        "captions": ["a jig", "a reel"],
        "notes": {},
    }
    assert of_record(record, "a.json") == Annotations(
        seconds=8.0,
        text="a jig",
        bpm=120.0,
        meter="6/8",
        key="A minor",
        beats=(0.0, 0.5),
        downbeats=(0.0,),
        chords=((-1.0, 2.0, "C#"), (2.0, 2.0, "C"), (2.0, 4.0, "Am")),
        melody=((1.0, 2.0, 60), (0.0, 3.0, 72)),
        drums=DrumHits((1.0, 1.0, 2.0), {"hat": (1.0, 2.0)}),
    )
    nothing: dict[str, Any] = {"chords": None, "drums": {}, "captions": [], "bpm": 5, "caption": "words"}
    assert of_record(nothing, "a.json") == Annotations(text="words")
    with pytest.warns(ControlNotice, match=r"chords\[0\]: chord Csus4 is taken as C"):
        assert of_record({"chords": [[0, 1, "Csus4"]]}, "a.json").chords == ((0.0, 1.0, "C"),)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([1], "must hold a JSON object, got list"),
        ({"seconds": "ten"}, "seconds must be a number"),
        ({"beats": [0, 1, 1]}, r"beats\[2\] = 1 must come after beats\[1\] = 1"),
        ({"beats": 3}, "beats must be a list of seconds, got 3"),
        ({"chords": [[0, 1]]}, r"chords\[0\] must be \[start, end, label\]"),
        ({"chords": [[0, 1, 7]]}, r"chords\[0\]\[2\] must be a chord name, got 7"),
        ({"chords": [[0, 1, "Foo"]]}, "chord 'Foo'"),
        ({"chords": [[0, 2, "C"], [1, 3, "F"]]}, r"chord 1 \(F\): begins at 1 s, before chord 0 ends at 2 s"),
        ({"chords": [[0, 1e99, "C"]]}, r"chords\[0\]\[1\] must be a number of seconds"),
        ({"melody": [[1, 1, 60]]}, r"melody\[0\] must have start < end"),
        ({"melody": [[0, 1, 200]]}, r"melody\[0\]\[2\] must be a whole number from 0 to 127, got 200"),
        ({"melody": [[0, 1, None]]}, r"melody\[0\]\[2\] must be a number, got null"),
        ({"drums": {"onsets": [None]}}, r"drums.onsets\[0\] must be a number, got null"),
        ({"drums": {"onsets": [], "classes": {"kick": 3}}}, "drums.classes.kick must be a list of seconds, got 3"),
        ({"drums": {"onsets": [], "classes": 3}}, "drums.classes must be an object, got 3"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(record: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=re.escape(f"labels {path}") + ":? .*" + message) as caught:
        labels_of(path)
    assert len(str(caught.value)) <= 500 and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"labels .*a\.json cannot be read: "):
        labels_of(tmp_path / "a.json")
