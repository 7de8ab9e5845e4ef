"""The value of the timeline: what goes to the page comes back, and nothing else is taken from there."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
import pytest

from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.page.timeline import timeline
from flowmusic.page.timeline_script import assembled, script
from flowmusic.page.timeline_value import (
    MOST_EVENTS,
    MOST_PEAKS,
    Edited,
    TimelineError,
    at_tempo,
    from_value,
    read,
    read_chords,
    to_value,
)

SONG = Annotations(
    seconds=8.0,
    text="a slow waltz <b>",
    bpm=90.0,
    meter="3/4",
    key="A minor",
    beats=(0.0, 2.0, 4.0),
    downbeats=(0.0,),
    chords=((0.0, 2.0, "Am"), (3.0, 8.0, "E7")),
    melody=((0.5, 1.0, 69), (1.0, 2.0, 71)),
    drums=DrumHits((0.0, 1.0), {"kick": (0.0,), "snare": (), "hat": (0.0, 1.0)}),
    sections=((0.0, 4.0, "verse", "calm"), (4.0, 8.0, "", "")),
    confidence={"chords": 0.5, "bpm": 1.0},
)


@pytest.mark.parametrize("song", [SONG, Annotations(seconds=8.0), Annotations(seconds=8.0, melody=(), chords=())])
def test_what_goes_to_the_page_comes_back(song: Annotations) -> None:
    value = json.loads(json.dumps(to_value(song, recognised=SONG, waveform=[0.0, 1.0], audio="/a.wav", region=(1, 2))))
    edited = read(value)
    assert edited.annotations == from_value(value) == song
    assert edited.recognised == SONG
    assert (edited.region, edited.waveform, edited.audio) == ((1, 2), (0.0, 1.0), "/a.wav")
    assert (edited.bpm, edited.beats_per_bar) == ((90.0, 3) if song is SONG else (120.0, 4))


def test_the_region_in_seconds_ends_with_the_piece() -> None:
    edited = Edited(Annotations(), None, seconds=7.0, bpm=120.0, beats_per_bar=4, region=(2, 4))
    assert edited.region_seconds() == (2.0, 7.0)


def value_with(**fields: Any) -> dict[str, Any]:
    return {"annotations": {}, "seconds": 8.0, "bpm": 120.0, "beats_per_bar": 4, **fields}


def asking(**fields: Any) -> dict[str, Any]:
    return value_with(annotations=fields)


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "must be an object with annotations"),
        ("<script>", "must be an object"),
        ({"annotations": {}}, "'seconds' is missing"),
        (value_with(file="/etc/passwd"), 'unknown field "file"'),
        (value_with(seconds=float("nan")), "seconds must be a number"),
        (value_with(seconds=1e9), "from 0.1 to 7200"),
        (value_with(bpm="120"), "bpm must be a number"),
        (value_with(beats_per_bar=2.5), "beats_per_bar must be a whole number"),
        (value_with(region=[0, 1]), "region\\[0\\] must be"),
        (value_with(region=[3, 2]), "region\\[1\\] must be .* from 3 to 4"),
        (value_with(region=[1, 5]), "region\\[1\\] must be .* from 1 to 4"),
        (value_with(region=[1]), "first bar, last bar"),
        (value_with(waveform=[0.5, 2.0]), "waveform\\[1\\]"),
        (value_with(waveform=[0.5] * (MOST_PEAKS + 1)), f"at most {MOST_PEAKS}"),
        (value_with(audio="a" * 5000), "audio has 5000 characters"),
        (value_with(recognised={"chords": [[0, 1, "H"]]}), "recognised: chords\\[0\\]"),
        (asking(stem="drums.wav"), 'annotations has an unknown field "stem"'),
        (asking(chords=[[0, 1, "<img src=x onerror=alert(1)>"]]), "chords\\[0\\]: chord '<img"),
        (asking(chords=[[0, 1, nested(5000)]]), "nested deeper than 8"),
        (asking(chords=[[0, float("inf"), "C"]]), "chords\\[0\\]\\[1\\] must be a number"),
        (asking(chords=[[0, 2, "C"], [1, 3, "F"]]), "chords\\[1\\] begins at 1 s"),
        (asking(melody=[[0, 1, 60]] * (MOST_EVENTS + 1)), f"melody has {MOST_EVENTS + 1} entries"),
        (asking(melody=[[0, 1, 60.5]]), "melody\\[0\\]\\[2\\] must be a whole number"),
        (asking(drums={"onsets": [0], "stem": "/etc/passwd"}), 'drums has an unknown field "stem"'),
        (asking(drums={"classes": {"kick": [0]}}), "drums.classes needs drums.onsets"),
        (asking(drums={"onsets": [0], "classes": {"gong": [0]}}), "no 'gong'"),
        (asking(sections=[[0, 4, "a", "b"], [3, 5, "c", "d"]]), "sections\\[1\\] must begin after"),
        (asking(sections=[[0, 4, "a" * 201, ""]]), "201 characters"),
        (asking(sections=[[0, 4, "\ud800", ""]]), "half a letter"),
        (asking(confidence={"luck": 1}), 'unknown field "luck"'),
        (asking(meter="4/0"), "4/0"),
    ],
)
def test_a_hostile_value_is_refused_in_one_line(value: Any, said: str) -> None:
    with pytest.raises(TimelineError, match=said) as caught:
        from_value(value)
    message = str(caught.value)
    assert message.startswith("timeline: ") and "\n" not in message and len(message) <= 500
    with pytest.raises(gr.Error, match=said):
        timeline().preprocess(value if value is not None else [])


def test_what_cannot_be_shown_is_not_sent() -> None:
    with pytest.raises(TimelineError, match="needs a length"):
        to_value(Annotations())
    with pytest.raises(TimelineError, match="region"):
        to_value(Annotations(seconds=4.0), region=(1, 9))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("C Am | F", {"bars": [["C", "Am"], ["F"]], "notices": []}),
        ("0:C 2.5:Am7", {"changes": [[0.0, 2.5, "C"], [2.5, 8.0, "Am7"]], "notices": []}),
    ],
)
def test_typed_chords_are_read_by_the_grammar(text: str, found: dict[str, Any]) -> None:
    assert read_chords({"text": text, "seconds": 8.0, "bpm": 120.0, "beats_per_bar": 4}) == found


@pytest.mark.parametrize(
    "request_", [None, {"text": 3}, {"text": "C " * 9000}, {"text": "0:C", "seconds": "long"}, {"x": 1}]
)
def test_a_hostile_request_for_chords_is_an_answer(request_: Any) -> None:
    (name,) = read_chords(request_)
    assert name == "error"


def test_another_tempo_moves_everything() -> None:
    fast = at_tempo(SONG, 90.0, 180.0)
    assert fast.seconds == 4.0 and fast.bpm == 180.0
    assert fast.chords == ((0.0, 1.0, "Am"), (1.5, 4.0, "E7"))
    assert fast.drums == DrumHits((0.0, 0.5), {"kick": (0.0,), "snare": (), "hat": (0.0, 0.5)})
    assert at_tempo(fast, 180.0, 90.0) == SONG


def test_the_script_is_one_text_without_imports() -> None:
    assert "window.flowmusicTimeline" in script()
    # Markup would end the element that the script stands in.
    assert "</" not in script() and "<!--" not in script()


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ({"a": "import { b } from './b.js';", "b": "import { a } from './a.js';"}, "a -> b -> a"),
        ({"a": "export default 3;"}, "export default 3"),
        ({"a": "import * as b from './b.js';"}, "another form"),
    ],
)
def test_modules_that_cannot_be_assembled_are_named(modules: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("*", "\\*")):
        assembled("a", modules.__getitem__)
