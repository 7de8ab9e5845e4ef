"""Forms of the page as arguments of commands, and records of takes as forms, without a browser."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.inputs.story_file import read as read_story
from flowmusic.page.form import Change, Form, Making
from flowmusic.page.making import parser
from flowmusic.page.settings import asked_of, form_of, heard_of

SCORE = Annotations(
    seconds=4.0,
    chords=((0.0, 2.0, "C"), (2.0, 4.0, "Am")),
    melody=((0.0, 1.0, 60),),
    drums=DrumHits((0.0, 1.0)),
)
HERE = Path(__file__)


def parsed(request: Form | Change, **files: Path) -> Any:
    return parser().parse_args(list(request.arguments(**files).words))


def test_a_form_says_what_the_command_line_says(tmp_path: Path) -> None:
    form = Form(
        text="--hostile\n<b>", instruments=("piano", "strings"), drumless=True, mood="dark", unwanted="-choir",
        seconds=4, bpm=90, meter="3/4", chords="C Am", style=HERE, style_detail=3, style_timbre=0.5,
        making=Making(guidance={"all": 3.0, "text": -1.5}, seed=0, count=2, best_of=3, steps=2, mono=True,
                      adapters=((HERE, -0.5),), pseudowords=(HERE,)),
    )  # fmt: skip
    args = parsed(form, out=tmp_path / "take.wav")
    assert args.text == "--hostile\n<b>" and args.exclude == "-choir"
    assert (args.seconds, args.bpm, args.meter, args.chords) == (4.0, 90.0, "3/4", "C Am")
    assert (args.instruments, args.no_drums, args.mood, args.genre) == ("piano,strings", True, "dark", None)
    assert (args.style, args.style_detail, args.style_timbre, args.concept) == (HERE, 3, 0.5, [HERE])
    assert args.guidance == {"all": 3.0, "text": -1.5}
    assert (args.seed, args.count, args.best_of, args.steps, args.mono) == (0, 2, 3, 2, True)
    assert [(use.path, use.scale) for use in args.adapter] == [(HERE, -0.5)]
    assert form.arguments().notes == ()


@pytest.mark.parametrize(
    ("form", "flags", "note"),
    [
        (Form(style_detail=3), "--style", "no style clip"),
        (Form(style_timbre=0.0), "--style", "the timbre of the style is ignored"),
        (Form(stretch=True), "--stretch", "no drum loop"),
        (Form(loop=HERE, stretch=True), "--stretch", "no tempo"),
        (Form(story="0:15 | sea"), "--story", "a take is made"),
        (Form(making=Making(best_of=4)), "--best-of", "one take is made"),
        (Form(chords="G", score=SCORE.only("chords")), "--controls", "the chords of the timeline are ignored"),
        (Form(loop=HERE, score=SCORE.only("drums")), "--controls", "the drum loop counts"),
        (Form(loop=HERE, drumless=True), "--no-drums", "a drum loop is given"),
        (Form(drumless=True, score=SCORE.only("drums")), "--controls", "“no drums” is chosen"),
    ],
)
def test_what_is_half_filled_is_left_out_and_named(form: Form, flags: str, note: str) -> None:
    told = form.arguments(score=HERE)
    assert not any(word.startswith(flags) for word in told.words)
    (only,) = told.notes
    assert note in only


def test_modes_share_no_fields(tmp_path: Path) -> None:
    filled = Form(text="x", seconds=7, bars=3, story="0:15 | sea", bpm=100)
    take, loop, story = (
        parsed(dataclasses.replace(filled, mode=mode), story=HERE) for mode in ("take", "loop", "story")
    )
    assert (take.seconds, take.loop, take.bars, take.story) == (7.0, False, None, None)
    assert (loop.seconds, loop.loop, loop.bars, loop.story) == (None, True, 3, None)
    assert (story.seconds, story.loop, story.bars, story.story) == (None, False, None, HERE)
    drawn = dataclasses.replace(SCORE, sections=((0.0, 2.0, "verse", "calm | harp"), (2.0, 4.0, "chorus", None)))
    told = Form(text="x", mode="story", seconds=4, score=drawn).told()
    (tmp_path / "story.txt").write_text(told)
    assert [line.words for line in read_story(tmp_path / "story.txt").lines] == ["calm / harp", "chorus"]
    assert "sections are ignored" in " ".join(Form(text="x", score=drawn).arguments(score=HERE).notes)
    assert Form(text="x", mode="story", story="0 | sea", score=drawn).told() == "0 | sea"
    with pytest.raises(ValueError, match="take, loop, story"):
        Form(mode="song").arguments()


def test_the_timeline_is_taken_where_nothing_else_is_given() -> None:
    args = parsed(Form(score=SCORE, bpm=120), score=HERE)
    assert args.controls == HERE and args.use == {"chords", "melody", "drums"}
    assert Form(score=Annotations(chords=())).scored() == ()
    assert Form(score=SCORE, chords="C", loop=HERE).scored() == ("melody",)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change("edit", HERE, "louder", "G", bars=(3, 4), making=Making(model="", seed=5)),
         {"text": "louder", "chords": "G", "seed": 5, "model": None, "command": "edit"}),
        (Change("extend", HERE, more=2, before=True), {"bars": 2, "before": True, "text": None, "model": "nano"}),
        (Change("vary", HERE, strength=0.25, making=Making(model="", count=3)), {"strength": 0.25, "count": 3}),
    ],
)  # fmt: skip
def test_a_change_says_what_its_command_says(change: Change, expected: dict[str, Any]) -> None:
    args = parsed(change)
    assert args.source == HERE
    assert {name: getattr(args, name) for name in expected} == expected


def test_an_edit_needs_bars() -> None:
    with pytest.raises(ValueError, match="drag over them"):
        Change("edit", HERE).arguments()


RECORD: dict[str, Any] = {
    "model": "nano", "seed": 7, "seconds": 4.0, "text": "<b>funk</b>", "guidance": {"all": 3.0, "odd": 1},
    "facts": {
        "from": [
            {"fact": "genre", "value": "funk", "how": "list"},
            {"fact": "mood", "value": "dark", "how": "flag"},
            {"fact": "instruments", "value": ["piano"], "how": "flag"},
        ],
        "not": {"text": "choir"},
    },
    "controls": {
        "chords_text": "C Am", "chords": [[0.0, 2.0, "C"], [2.0, 4.0, "Am"]], "bpm": 120.0, "meter": "4/4",
        "melody": [[0.0, 1.0, 60]], "drums": {"onsets": [0.5]}, "sources": {"style": "song.wav"},
    },
    "adherence": {"bars": [
        {"bar": 1, "start": 0.0, "end": 2.0, "heard": ["C", "G"]},
        {"bar": 2, "start": 2.0, "end": 4.0, "heard": ["Am"]},
    ]},
}  # fmt: skip


def test_a_record_becomes_the_form_that_asks_for_it_again() -> None:
    form, notes = form_of(RECORD)
    assert (form.text, form.chords, form.bpm, form.meter, form.seconds) == ("<b>funk</b>", "C Am", 120.0, "4/4", 4.0)
    # What the words said, they say again; only what was chosen is chosen again.
    assert (form.mood, form.genre, form.instruments, form.unwanted) == ("dark", "", ("piano",), "choir")
    assert (form.making.seed, form.making.model, form.making.guidance) == (7, "nano", {"all": 3.0})
    assert form.scored() == ("melody", "drums")
    assert len(notes) == 1 and "style clip 'song.wav'" in notes[0]
    heard = heard_of(RECORD)
    assert heard is not None and heard.chords == ((0.0, 1.0, "C"), (1.0, 2.0, "G"), (2.0, 4.0, "Am"))
    # Of an edit, the new bars alone were judged.
    assert heard_of({**RECORD, "adherence": {"bars": RECORD["adherence"]["bars"][1:]}}) is None


@pytest.mark.parametrize("damage", [None, 3, "x", [], {}, [[1]], {"onsets": "x"}, float("nan")])
def test_a_damaged_record_loses_what_is_damaged_alone(damage: Any) -> None:
    for place in RECORD:
        form_of({**RECORD, place: damage})
    for place in RECORD["controls"]:
        record = {**RECORD, "controls": {**RECORD["controls"], place: damage}}
        form, _ = form_of(record)
        assert form.text == "<b>funk</b>"
        assert asked_of(record).melody in (None, (), ((0.0, 1.0, 60),))
