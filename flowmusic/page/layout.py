"""What is on the page, in the order in which a person needs it, and which act each part calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from flowmusic.facts import CHOICES, INSTRUMENTS
from flowmusic.page import parts, picture, scoring
from flowmusic.page.acts import WEIGHTS, Acts
from flowmusic.page.form import LOOP, MODES, STORY, TAKE, Form
from flowmusic.page.messages import fail
from flowmusic.page.settings import form_of
from flowmusic.page.timeline import timeline
from flowmusic.page.timeline_value import to_value

MOST_TAKES = 8
METERS = ("4/4", "3/4", "6/8", "2/4", "5/4", "7/8", "12/8")
SHEET_FILES = [".cho", ".chopro", ".musicxml", ".mxl", ".xml", ".mid", ".midi", ".abc", ".ireal", ".html", ".jams",
               ".json", ".labels", ".txt"]  # fmt: skip
CLOSED_FACTS = ("genre", "mood", "energy", "key")
# What takes a moment is answered by the request itself.  Gradio sends what comes of a queued event over one stream of
# the page, which the server closes after the last of them: an event that is asked for just then, as a change follows
# another or by a click, is never answered.
_QUIET: dict[str, Any] = {"show_progress": "hidden", "queue": False}
_OWN: dict[str, Any] = {**_QUIET, "api_visibility": "private"}
"""Of an event that is the page's own, and no function of its API."""
STORY_LIKE = "0:15 | waking up, gentle piano | chords=C G Am F\n0:15 | the street, funk band"
TITLES = {TAKE: "a take", LOOP: "a loop", STORY: "a story"}


@dataclass(frozen=True)
class Request:
    """The components of a request for new music, in the order of :meth:`Acts.generate`."""

    fields: dict[str, Any]

    def inputs(self) -> list[Any]:
        return list(self.fields.values())

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


def build(acts: Acts, folder: str) -> gr.Blocks:
    """The page.

    Args:
        acts: what it does.
        folder: where takes are kept, for a person.
    """
    with gr.Blocks(title="flowmusic", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown("# flowmusic\nSay it, write it, hum it, tap it: any of them, or all.", elem_id="lead")
        wanted = _words(acts)
        with gr.Row(equal_height=True, elem_id="go"):
            go = gr.Button("Generate", variant="primary", elem_id="generate", scale=4, min_width=140)
            stop = gr.Button("Cancel", elem_id="cancel", scale=1, min_width=90)
        told = gr.HTML(parts.status("Ctrl+Enter generates, too"), elem_id="status")
        gr.Markdown("## Takes")
        takes = parts.takes()
        with gr.Column(elem_id="chosen"):
            line = timeline(label="The chosen take", elem_id="take-line")
            tools = _tools(acts, takes, line, told, wanted)
        gr.Markdown(f"Takes are kept in `{folder}`.", elem_id="kept")

        made: dict[str, Any] = {"outputs": [told, takes, line], "concurrency_limit": 16, "concurrency_id": "making",
                                "show_progress": "hidden"}  # fmt: skip
        go.click(acts.generate, wanted.inputs(), api_name="generate", **made)
        for name, button, inputs in tools:
            button.click(getattr(acts, name), inputs, api_name=name, **made)
        stop.click(acts.cancel, None, told, api_name="cancel", **_QUIET)
        takes.select(acts.choose, takes, [line, told], api_name="choose", **_QUIET)
        takes.like(acts.star, takes, takes, api_name="star", **_QUIET)
        page.load(acts.takes, None, takes, api_name="takes", **_QUIET).then(acts.choose, takes, [line, told], **_OWN)
        page.load(None, None, None, js=_SHORTCUT)
    _tell_progress_on(told, page)
    return page


def _tell_progress_on(told: Any, page: gr.Blocks) -> None:
    """Let every event tell its state on one small component, unless it has chosen another.

    By default it is told on all outputs.  A browser then copies each of them whole, timelines with their waveforms
    among them, at every status of any event, for as long as the page is open: beside a job whose status changes
    several times a second it has no time left for a press.
    """
    for event in page.fns.values():
        event.show_progress_on = event.show_progress_on or [told]


_SHORTCUT = """() => document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    document.activeElement?.blur();
    setTimeout(() => document.querySelector('#generate').click(), 50);
  }
})"""


def _words(acts: Acts) -> Request:
    """Everything a person may ask for, and what happens on the way into the timeline."""
    text = gr.Textbox(
        value="",
        label="What should it sound like?",
        placeholder="warm lo-fi beat, electric piano",
        lines=2,
        elem_id="text",
        max_length=2000,
    )
    chords = gr.Textbox(
        value="",
        label="Chords",
        placeholder="C Am F G     or     C Am | F / G / | %",
        elem_id="chords",
        info="in bars; they count more than those of the timeline",
        max_length=10_000,
    )
    mode = gr.Radio([(TITLES[each], each) for each in MODES], value=TAKE, label="Make", elem_id="mode")
    with gr.Row(elem_id="length"):
        seconds = gr.Slider(1, scoring.MOST_SECONDS, 10, step=0.5, label="Seconds", elem_id="seconds", min_width=150)
        bars = gr.Slider(1, 64, 4, step=1, label="Bars", elem_id="bars", visible=False, min_width=150)
        bpm = _number("Beats a minute", "bpm", "120")
        meter = gr.Dropdown(METERS, value="4/4", label="Meter", elem_id="meter", allow_custom_value=True, min_width=90)
    story = gr.Textbox(
        value="",
        label="Sections, one a line",
        placeholder=STORY_LIKE,
        lines=4,
        visible=False,
        elem_id="story",
        max_length=20_000,
    )
    with gr.Accordion("Who plays, and in what mood", open=False):
        instruments = gr.Dropdown(
            list(INSTRUMENTS), multiselect=True, value=[], label="Instruments", elem_id="instruments"
        )
        drumless = gr.Checkbox(label="no drums", elem_id="drumless")
        with gr.Row():
            facts = {fact: _fact(fact) for fact in CLOSED_FACTS}
        unwanted = gr.Textbox(value="", label="Not wanted", placeholder="drums, distorted guitar", elem_id="unwanted",
                              max_length=500)  # fmt: skip
    with gr.Accordion("Write it: chords, melody and drums on a timeline", open=False, elem_id="write") as write:
        score: Any = timeline(label="What you ask for", elem_id="score")
        clear = gr.Button("Clear the timeline", size="sm", elem_id="clear")
        sheet = gr.File(label="A lead sheet: MusicXML, ChordPro, MIDI, ABC, iReal Pro, text", file_types=SHEET_FILES,
                        type="filepath", elem_id="sheet", height=150)  # fmt: skip
    heard = gr.HTML("", elem_id="heard", padding=False)
    with gr.Accordion("Hum or whistle a tune", open=False, elem_id="hum-part"):
        hum = _sound("One voice alone; its notes appear on the timeline", "hum")
    with gr.Accordion("Beatbox or tap the drums", open=False, elem_id="beat-part"):
        pads = parts.pads()
        beat = _sound("Beatbox, or beat a table", "beat")
    with gr.Accordion("A drum loop", open=False, elem_id="loop-part"):
        loop = _sound("Drums, or music whose drums are taken", "loop")
        stretch = gr.Checkbox(label="play it at the tempo above", elem_id="stretch")
    with gr.Accordion("In the style of a recording", open=False, elem_id="style-part"):
        style = _sound("Music whose feel is taken", "style")
        detail = gr.Slider(0, 6, 0, step=1, label="Detail", elem_id="style-detail",
                           info="1 a hint, 6 close; 0 leaves it to the model")  # fmt: skip
        timbre = _number(
            "Timbre: 0 left to the model’s ear, 1 brought to the recording’s", "style-timbre", "as the model does"
        )
    with gr.Accordion("From a picture", open=False, elem_id="picture-part"):
        painting = gr.File(label="A painting or a photograph: PNG, JPEG, WEBP", file_types=picture.FILES,
                           type="filepath", elem_id="picture", height=150)  # fmt: skip
        seen = gr.HTML("", elem_id="seen", padding=False)
    with gr.Accordion("Model, strength, seed, how many", open=False, elem_id="more"):
        with gr.Row():
            names = list(acts.choices.models)
            model = gr.Dropdown(names, value=names[0], label="Model", elem_id="model")
            seed = _number("Seed", "seed", "drawn")
            count = gr.Slider(1, MOST_TAKES, 1, step=1, label="Takes", elem_id="count", min_width=180)
            best_of = gr.Slider(
                1, MOST_TAKES, 1, step=1, label="Best of (the closest is kept)", elem_id="best-of", min_width=180
            )
            steps = _number("Solver steps", "steps", "the model's own")
            mono = gr.Checkbox(label="mono", elem_id="mono", min_width=90)
        own = gr.Checkbox(label="set how strongly each part is followed", elem_id="own-strength")
        with gr.Row(elem_id="strengths"):
            weights = {
                name: gr.Slider(
                    0,
                    10,
                    0,
                    step=0.1,
                    label=_of_weight(name),
                    min_width=150,
                    elem_id=f"weight-{name}",
                )
                for name in WEIGHTS
            }
        files = bool(acts.choices.adapters), bool(acts.choices.pseudowords)
        with gr.Row(visible=any(files)):
            adapters = gr.Dropdown(
                list(acts.choices.adapters), multiselect=True, value=[], label="Adapters", visible=files[0]
            )
            scale = gr.Slider(-2, 2, 1, step=0.1, label="How strongly", visible=files[0])
            pseudowords = gr.Dropdown(list(acts.choices.pseudowords), multiselect=True, value=[], visible=files[1],
                                      label="Pseudowords, for <name> in the words")  # fmt: skip

    # Not where a take's settings are put back, which have strengths of their own.
    own.input(acts.strengths, [own, model], list(weights.values()), **_OWN)
    model.input(acts.strengths, [own, model], list(weights.values()), **_OWN)
    mode.change(_lengths, mode, [seconds, bars, story], **_OWN)
    length = [chords, mode, seconds, bars, bpm, meter, score]
    settles = [chords.blur, chords.submit, mode.change, seconds.change, bars.change, bpm.blur, bpm.submit, meter.change]
    # One at a time, and once more after the last change: two that ran at once would each undo the other.
    gr.on(settles, scoring.set_score, length, score, api_name="set_score", trigger_mode="always_last", **_QUIET)
    score.input(scoring.written_chords, [chords, score], chords, **_OWN)
    clear.click(scoring.clear_timeline, score, [score, chords], api_name="clear_timeline", **_QUIET)
    found = [
        sheet.upload(
            scoring.read_sheet,
            [sheet, score],
            [score, bpm, meter, seconds, chords, heard],
            api_name="read_sheet",
            **_QUIET,
        ),
        hum.change(scoring.hear_tune, [hum, score], [score, heard], api_name="hear_tune", show_progress_on=heard),
        beat.change(scoring.hear_beat, [beat, score], [score, heard], api_name="hear_beat", show_progress_on=heard),
        pads.input(scoring.tap_beat, [pads, score], [score, heard], api_name="tap_beat", **_QUIET),
    ]
    for each in found:
        # What was found is to be seen, and corrected.
        each.success(lambda: gr.update(open=True), None, write, **_OWN)
    shown = [text, instruments, drumless, *(facts[name] for name in ("mood", "energy", "key")), bpm, seen]
    painting.upload(picture.see_picture, [painting, text], shown, api_name="see_picture", **_QUIET)
    pads.submit(scoring.tap_tempo, pads, bpm, api_name="tap_tempo", **_QUIET).then(
        scoring.set_score, length, score, **_OWN
    )
    return Request(
        {
            "text": text, "chords": chords, "mode": mode, "seconds": seconds, "bars": bars, "story": story, "bpm": bpm,
            "meter": meter, "instruments": instruments, "drumless": drumless, **facts, "unwanted": unwanted,
            "score": score, "stretch": stretch, "style_detail": detail, "style_timbre": timbre,
            "model": model,
            "adapters": adapters, "adapter_scale": scale, "pseudowords": pseudowords, "own_strength": own,
            **{f"weight_{name}": slider for name, slider in weights.items()},
            "seed": seed, "count": count, "best_of": best_of, "steps": steps, "mono": mono,
            "loop": loop, "style": style,
        }
    )  # fmt: skip


def _tools(acts: Acts, takes: Any, line: Any, told: Any, wanted: Request) -> list[tuple[str, Any, list[Any]]]:
    """What can be done with the chosen take; acts that make takes with their button and inputs."""
    with gr.Accordion("Work on the chosen take", open=False, elem_id="tools"):
        with gr.Row():
            text = gr.Textbox(value="", label="New words", placeholder="the same", elem_id="new-text", max_length=2000)
            chords = gr.Textbox(
                value="", label="New chords", placeholder="the same", elem_id="new-chords", max_length=10_000
            )
            seed = _number("Seed", "new-seed", "drawn")
            count = gr.Slider(1, MOST_TAKES, 1, step=1, label="Takes", elem_id="new-count", min_width=110)
        with gr.Row(equal_height=True):
            region = gr.Textbox(
                value="", label="Bars to make anew", placeholder="3-4, or drag over the ruler", elem_id="edit-bars"
            )
            edit = gr.Button("Make these bars anew", elem_id="edit", min_width=150)
        with gr.Row(equal_height=True):
            more = gr.Slider(1, 64, 4, step=1, label="Bars to add", elem_id="extend-bars")
            before = gr.Checkbox(label="before it", elem_id="extend-before", min_width=90)
            extend = gr.Button("Go on", elem_id="extend", min_width=150)
        with gr.Row(equal_height=True):
            strength = gr.Slider(0, 1, 0.6, step=0.05, label="How much may change", elem_id="vary-strength")
            vary = gr.Button("Vary", elem_id="vary", min_width=150)
    with gr.Row():
        again = gr.Button("Use these settings", elem_id="use-settings", min_width=130)
        style = gr.Button("Send to style", elem_id="send-to-style", min_width=130)
        save = gr.Button("Download", elem_id="download", min_width=130)
        studio = gr.Button("Stems and MIDI", elem_id="studio", min_width=130)
    files = gr.File(label="Files of the take", file_count="multiple", interactive=False, elem_id="files")
    save.click(acts.download, takes, files, api_name="download", **_QUIET)
    studio.click(acts.export, takes, files, api_name="export")
    style.click(acts.send_to_style, takes, wanted["style"], api_name="send_to_style", **_QUIET)
    outputs = [*wanted.inputs(), told]

    def use_settings(take: str, request: gr.Request) -> list[Any]:
        """Every field as it was for a take; the timeline too."""
        try:
            found = acts.record_of(take, request)
            form, notes = form_of(found)
            return [*_values(form, wanted, acts), parts.status("the settings of the chosen take", notes=notes)]
        except Exception as error:
            fail(error)

    again.click(use_settings, takes, outputs, api_name="use_settings", **_QUIET)
    return [
        ("edit", edit, [takes, line, region, text, chords, seed, count]),
        ("extend", extend, [takes, more, before, text, chords, seed, count]),
        ("vary", vary, [takes, strength, text, chords, seed, count]),
    ]


def _values(form: Form, wanted: Request, acts: Acts) -> list[Any]:
    """The value of every field for a form; files are not kept with a take, so their fields are emptied."""
    making, score = form.making, form.score
    values: dict[str, Any] = {
        "text": form.text, "chords": form.chords, "mode": form.mode, "bars": form.bars, "story": "",
        "seconds": min(form.seconds, scoring.MOST_SECONDS), "bpm": _shown(form.bpm),
        "meter": form.meter or "4/4", "instruments": list(form.instruments),
        "drumless": form.drumless, **{fact: getattr(form, fact) for fact in CLOSED_FACTS}, "unwanted": form.unwanted,
        "score": None if score is None else _drawn(form), "loop": None, "stretch": False, "style": None,
        "style_detail": 0, "style_timbre": "",
        "model": making.model if making.model in acts.choices.models else gr.skip(),
        "adapters": [], "adapter_scale": 1, "pseudowords": [], "own_strength": bool(making.guidance),
        **{f"weight_{name}": making.guidance.get(name, 0) for name in WEIGHTS},
        "seed": _shown(making.seed), "count": 1, "best_of": 1, "steps": "", "mono": making.mono,
    }  # fmt: skip
    return [values[name] for name in wanted.fields]


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:g}" if isinstance(number, float) else str(number)


def _drawn(form: Form) -> Any:
    from dataclasses import replace

    assert form.score is not None
    kept = replace(form.score, beats=None, downbeats=None, seconds=None)
    return to_value(kept, seconds=form.seconds, bpm=form.bpm)


def _lengths(mode: str) -> list[Any]:
    """Which length is asked for in which mode."""
    return [gr.update(visible=mode == each) for each in (TAKE, LOOP, STORY)]


def _sound(label: str, name: str) -> gr.Audio:
    """A recording: by microphone, or a file of a kind that can be decoded."""
    return gr.Audio(label=label, type="filepath", elem_id=name, sources=["upload", "microphone"],
                    buttons=[])  # fmt: skip


def _number(label: str, name: str, left: str) -> gr.Textbox:
    """A number that may be left out; a number field of Gradio would fill in a 0.  ``left``: what it is then."""
    return gr.Textbox(value="", label=label, placeholder=left, elem_id=name, max_length=30, min_width=110)


def _fact(fact: str) -> Any:
    """A closed choice: chips where there are few, a list where there are many."""
    values = CHOICES[fact]
    if len(values) < 6:
        chips = [("any", ""), *((value, value) for value in values)]
        return gr.Radio(chips, value="", label=fact.capitalize(), elem_id=fact, min_width=280)
    return gr.Dropdown(["", *values], value="", label=fact.capitalize(), elem_id=fact, min_width=160)


def _of_weight(name: str) -> str:
    return {"all": "everything", "text": "words, and more", "facts": "who plays and mood, and more"}.get(
        name, f"{name}, and more"
    )
