"""What the page does when a person presses something; every public method is also a function of its API.

A method reads what the components hold, calls the code that needs no browser, and returns what they are to show.
Nothing of a request stays here between two calls, but the takes on their shelf and the models in memory.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any, NoReturn

import gradio as gr

from flowmusic import limits
from flowmusic.annotations.annotation import Annotations
from flowmusic.errors import UsageError, one_line
from flowmusic.page import listening, settings, shelf
from flowmusic.page.choices import Choices
from flowmusic.page.form import EDIT, EXTEND, LOOP, VARY, Change, Form, Making
from flowmusic.page.making import Made, Models, make
from flowmusic.page.parts import status
from flowmusic.page.shelf import Shelf, Shelves, Take
from flowmusic.page.timeline_value import at_tempo, read, to_value
from flowmusic.page.work import Desk, Stopped
from flowmusic.plain import shortened

COOKIE = "flowmusic_owner"
TAKES_AT = "/takes"
"""Address under which a browser hears its takes."""
SHEETS = (".mid", ".musicxml", ".cho")
"""Sheets of what a take was asked for, which can be downloaded."""
WEIGHTS = ("all", "text", "chords", "melody", "drums", "style")
"""Controls whose strength has a slider."""


@dataclass(frozen=True)
class Acts:
    """The functions of one page.

    Args:
        shelves: whose takes are where.
        choices: what can be chosen.
        models: those in memory.
        desk: where work is done.
        cache: folder of the files that are handed to browsers.
    """

    shelves: Shelves
    choices: Choices
    models: Models
    cache: Path
    desk: Desk = field(default_factory=Desk)

    # --- takes -------------------------------------------------------------------------------------------------------

    def generate(
        self,
        text: str,
        chords: str,
        mode: str,
        seconds: float,
        bars: int,
        story: str,
        bpm: float | None,
        meter: str,
        instruments: list[str],
        drumless: bool,
        genre: str | None,
        mood: str | None,
        energy: str | None,
        key: str | None,
        unwanted: str,
        score: dict[str, Any],
        loop: str | None,
        stretch: bool,
        style: str | None,
        style_detail: float,
        model: str,
        adapters: list[str],
        adapter_scale: float,
        pseudowords: list[str],
        own_strength: bool,
        weight_all: float,
        weight_text: float,
        weight_chords: float,
        weight_melody: float,
        weight_drums: float,
        weight_style: float,
        seed: float | None,
        count: float,
        best_of: float,
        steps: float | None,
        request: gr.Request,
    ) -> Iterator[tuple[Any, Any, Any]]:
        """New takes.  The status while they are made; then the list, and the timeline of the newest."""
        weights = (weight_all, weight_text, weight_chords, weight_melody, weight_drums, weight_style)

        def form() -> Form:
            return Form(
                mode=mode,
                text=text,
                instruments=tuple(instruments or ()),
                drumless=bool(drumless),
                genre=genre or "",
                mood=mood or "",
                energy=energy or "",
                key=key or "",
                unwanted=unwanted or "",
                seconds=limits.number("seconds", seconds, "the length"),
                bars=limits.whole("bars", bars, "bars"),
                story=story or "",
                bpm=bpm or None,
                meter=meter or None,
                chords=chords or "",
                score=read(score).annotations,
                loop=Path(loop) if loop else None,
                stretch=bool(stretch),
                style=Path(style) if style else None,
                style_detail=int(style_detail) or None,
                making=Making(
                    model=self.choices.model(model),
                    guidance=dict(_weights(weights)) if own_strength else {},
                    adapters=tuple((file, adapter_scale) for file in self.choices.adapter_files(adapters or ())),
                    pseudowords=self.choices.pseudoword_files(pseudowords or ()),
                    steps=None if not steps else int(steps),
                    **_seeds(seed, count, best_of),
                ),
            )

        yield from self._made(form, request)

    def edit(
        self, take: str, timeline: dict[str, Any], bars: str, text: str, chords: str, seed: float | None, count: float,
        request: gr.Request,
    ) -> Iterator[tuple[Any, Any, Any]]:  # fmt: skip
        """Some bars of a take anew: those typed, as in 3-4, or those dragged over on the timeline of the take."""

        def change() -> Change:
            region = _bars(bars) or read(timeline).region
            return Change(EDIT, self._take(take, request).audio, text, chords, bars=region, making=_again(seed, count))

        yield from self._made(change, request)

    def extend(
        self, take: str, bars: float, before: bool, text: str, chords: str, seed: float | None, count: float,
        request: gr.Request,
    ) -> Iterator[tuple[Any, Any, Any]]:  # fmt: skip
        """More bars after a take, or before it."""

        def change() -> Change:
            audio, more = self._take(take, request).audio, limits.whole("bars", bars, "bars")
            return Change(EXTEND, audio, text, chords, more=more, before=bool(before), making=_again(seed, count))

        yield from self._made(change, request)

    def vary(
        self, take: str, strength: float, text: str, chords: str, seed: float | None, count: float, request: gr.Request
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Music like a take, as near to it as the strength says: 0 the take, 1 a new one."""

        def change() -> Change:
            much = limits.number("share", strength, "strength")
            return Change(
                VARY, self._take(take, request).audio, text, chords, strength=much, making=_again(seed, count)
            )

        yield from self._made(change, request)

    def cancel(self, request: gr.Request) -> str:
        """End what this browser has asked for."""
        count = self.desk.stop(self._owner(request))
        return status("stopping after this step" if count else "nothing is being made")

    def takes(self, request: gr.Request) -> Any:
        """The takes of this browser, the newest first."""
        with _shown():
            return self._rows(self._shelf(request), "")

    def choose(self, take: str, request: gr.Request) -> tuple[Any, Any]:
        """A take on its timeline: what was asked for, what was heard, and its waveform."""
        with _shown():
            found = self._take(take, request)
            return _line_of(found), status("", notes=_told(found))

    def star(self, take: str, request: gr.Request) -> Any:
        """Star a take, or take its star away."""
        with _shown():
            own = self._shelf(request)
            own.star(take, not own.take(take).starred)
            return self._rows(own, take)

    def download(self, take: str, request: gr.Request) -> list[str]:
        """Files of a take: the audio, its record, and what it was asked for as MIDI and sheets."""
        with _shown():
            return [str(path) for path in self._files(self._take(take, request))]

    def send_to_style(self, take: str, request: gr.Request) -> str:
        """A take as the style clip of what is generated next."""
        with _shown():
            return str(self._copy(self._take(take, request).audio))

    def record_of(self, take: str, request: gr.Request) -> Mapping[str, Any]:
        """What the record of a take says.  Raises: UsageError where there is no such take."""
        return self._take(take, request).record

    # --- the timeline ------------------------------------------------------------------------------------------------

    def write_chords(self, chords: str, score: dict[str, Any]) -> Any:
        """Chords as text, written on the timeline."""
        from flowmusic.controls.chords import parse

        if not chords.strip():
            return gr.skip()
        with _shown():
            line = read(score)
            found = parse(chords, line.seconds, line.bpm, line.beats_per_bar)
            changes = list(found.changes)
            ends = [start for start, _ in changes[1:]] + [line.seconds]
            spans = tuple((s, e, label) for (s, label), e in zip(changes, ends, strict=True) if e > s)
            return _with(score, chords=spans)

    def written_chords(self, chords: str, score: dict[str, Any]) -> Any:
        """The text of the chords, emptied once the timeline says others, so that what is seen counts."""
        if not chords.strip():
            return gr.skip()
        wanted = self.write_chords(chords, score)
        same = read(wanted).annotations.chords == read(score).annotations.chords
        return gr.skip() if same else ""

    def set_length(
        self, mode: str, seconds: float, bars: float, bpm: float | None, meter: str, score: dict[str, Any]
    ) -> Any:
        """The timeline at this length and tempo; its music keeps to the beat."""
        from flowmusic.controls.meter import parse_meter

        with _shown():
            line = read(score)
            beats = parse_meter(meter or "4/4")
            tempo = limits.number("bpm", bpm or 120.0, "the tempo")
            length = bars * beats.bar_seconds(tempo) if mode == LOOP else seconds
            length = limits.number("seconds", length, "the length")
            moved = at_tempo(line.annotations, line.bpm, tempo) if line.bpm != tempo else line.annotations
            cut = replace(moved, seconds=max(length, moved.seconds or 0.0)).part(0.0, length)
            cut = replace(cut, seconds=None, bpm=bpm or None, meter=beats.name, beats=None, downbeats=None)
            return to_value(cut, seconds=length, bpm=tempo, beats_per_bar=beats.beats_per_bar)

    def read_sheet(self, sheet: str | None, score: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """A lead sheet or a MIDI file, written on the timeline: chords and melody, tempo and meter."""
        if not sheet:
            return (gr.skip(),) * 5
        from flowmusic.sheets import formats

        with _shown(sheet):
            found = formats.read(sheet)
            line, known = read(score), found.annotations
            bpm, meter = known.bpm or (found.sheet.bpm if found.sheet else None), known.meter or "4/4"
            length = limits.number(
                "seconds", min(known.seconds or line.seconds, limits.limit("seconds").high), "length"
            )
            kept = replace(known.only("chords", "melody", "drums"), seconds=known.seconds or length).part(0.0, length)
            value = to_value(
                replace(kept, seconds=None, text=None), seconds=length, bpm=bpm or line.bpm,
                beats_per_bar=line.beats_per_bar,
            )  # fmt: skip
            notes = [_named(note, [Path(sheet)]) for note in found.notices]
            line_told = status(f"read as {found.format}", notes=notes)
            return value, gr.update(value=bpm), gr.update(value=meter), gr.update(value=round(length, 2)), line_told

    def hear_tune(self, hum: str | None, score: dict[str, Any]) -> tuple[Any, Any]:
        """The notes of a voice that hums, sings or whistles, written on the timeline."""
        if not hum:
            return gr.skip(), gr.skip()
        with _shown(hum):
            found = listening.tune(Path(hum), read(score).seconds)
            count = len(found.notes)
            told = status(
                f"{count} {'note' if count == 1 else 'notes'} found: listen, and correct them", notes=found.notices
            )
            return _with(score, melody=found.notes), told

    def hear_beat(self, beat: str | None, score: dict[str, Any]) -> tuple[Any, Any]:
        """The hits of a beatbox or a table that is beaten, written on the timeline."""
        if not beat:
            return gr.skip(), gr.skip()
        with _shown(beat):
            hits, notices = listening.beatbox(Path(beat), read(score).seconds)
            return _with(score, drums=hits), status(f"{len(hits.onsets)} hits found", notes=notices)

    def tap_beat(self, pads: dict[str, Any], score: dict[str, Any]) -> tuple[Any, Any]:
        """Tapped hits as a pattern that repeats, written on the timeline."""
        with _shown():
            line = read(score)
            hits = listening.pattern(
                [(time, kind) for time, kind in pads["hits"]], line.bpm, line.beats_per_bar, line.seconds
            )
            return _with(score, drums=hits), status(f"{len(hits.onsets)} hits on the timeline")

    def tap_tempo(self, pads: dict[str, Any]) -> float:
        """Beats a minute of taps."""
        with _shown():
            return listening.tempo_of(pads["taps"])

    def clear_timeline(self, score: dict[str, Any]) -> tuple[Any, str]:
        """A timeline of the same length and tempo on which nothing is asked for; and no chords as text."""
        line = read(score)
        return to_value(Annotations(), seconds=line.seconds, bpm=line.bpm, beats_per_bar=line.beats_per_bar), ""

    # --- how it is done ----------------------------------------------------------------------------------------------

    def _owner(self, request: gr.Request) -> str:
        """The name of a browser; of a client without cookies, that of its session."""
        cookie = (request.cookies or {}).get(COOKIE)
        if shelf.is_owner(cookie):
            return str(cookie)
        return shelf.owner_of_session(request.session_hash or "")

    def _shelf(self, request: gr.Request) -> Shelf:
        return self.shelves.of(self._owner(request))

    def _take(self, name: str, request: gr.Request) -> Take:
        if not name:
            raise UsageError("choose a take in the list first")
        return self._shelf(request).take(name)

    def _rows(self, own: Shelf, chosen: str) -> tuple[list[dict[str, Any]], str]:
        return [take.row(TAKES_AT) for take in own.takes()], chosen

    def _made(self, build: Callable[[], Form | Change], request: gr.Request) -> Iterator[tuple[Any, Any, Any]]:
        """Hand the work in, tell how far it is, and show what came of it."""
        own = self._shelf(request)
        asked: Form | Change | None = None
        try:
            asked = build()
            wanted = asked
            work = self.desk.begin(self._owner(request), lambda: make(wanted, own, self.models))
            for line, share in work.states():
                yield status(line, share), gr.skip(), gr.skip()
            made: Made = work.outcome()
        except Stopped:
            yield status("stopped"), gr.skip(), gr.skip()
            return
        except Exception as error:
            fail(error, _files_of(asked))
        notes = [_named(note, _files_of(asked)) for note in made.notes]
        first = made.takes[0]
        count = len(made.takes)
        line = "a take is ready" if count == 1 else f"{count} takes are ready"
        yield status(line, notes=notes), self._rows(own, first.name), _line_of(first)

    def _files(self, take: Take) -> list[Path]:
        from flowmusic.paths import sibling
        from flowmusic.sheets import formats
        from flowmusic.sheets.sheet import of_annotations

        found = [self._copy(take.audio), self._copy(sibling(take.audio, ".json"))]
        asked = settings.asked_of(take.record)
        if asked.chords or asked.melody:
            try:
                sheet = of_annotations(asked)
            except ValueError:
                return found  # without beats there are no bars to write
            reading = formats.Reading("take", sheet, asked, (), True)
            folder = Path(tempfile.mkdtemp(dir=self.cache))
            found += [formats.write(reading, folder / f"{take.audio.stem}{ending}") for ending in SHEETS]
        return found

    def _copy(self, path: Path) -> Path:
        """A copy that may be handed to a browser: the shelf itself is not."""
        folder = Path(tempfile.mkdtemp(dir=self.cache))
        return Path(shutil.copyfile(path, folder / path.name))


def _weights(values: Sequence[float]) -> Iterator[tuple[str, float]]:
    for name, value in zip(WEIGHTS, values, strict=True):
        if value or name == "all":
            yield name, limits.number("guidance", value, f"the strength of {name}")


def _seeds(seed: float | None, count: float, best_of: float) -> dict[str, Any]:
    return {
        "seed": None if seed is None or seed == "" else limits.whole("seed", seed, "seed"),
        "count": limits.whole("takes", count, "takes"),
        "best_of": limits.whole("takes", best_of, "best of"),
    }


def _again(seed: float | None, count: float) -> Making:
    """How a change of a take is made: by the take's own model."""
    return Making(model="", **_seeds(seed, count, 1))


def _bars(text: str) -> tuple[int, int] | None:
    """``3-4`` or ``3``.  Raises: ValueError for anything else but nothing."""
    if not text or not text.strip():
        return None
    found = re.fullmatch(r"\s*(\d{1,5})\s*(?:[-–]\s*(\d{1,5}))?\s*", text)
    if found is None:
        raise ValueError(f"bars are written as 3-4, or 3 for one, and counted from 1; not {shortened(text, 40)!r}")
    return int(found[1]), int(found[2] or found[1])


def _with(value: dict[str, Any], **controls: Any) -> dict[str, Any]:
    """A timeline with a control replaced."""
    line = read(value)
    return to_value(
        replace(line.annotations, **controls),
        recognised=line.recognised,
        seconds=line.seconds,
        bpm=line.bpm,
        beats_per_bar=line.beats_per_bar,
        region=line.region,
    )


def _line_of(take: Take) -> dict[str, Any]:
    """A take on its timeline; a record that cannot be drawn leaves the waveform alone."""
    asked, heard = settings.asked_of(take.record), settings.heard_of(take.record)
    seconds = asked.seconds or 10.0
    more: dict[str, Any] = {"waveform": shelf.peaks(take.audio), "audio": f"{TAKES_AT}/{take.name}", "seconds": seconds}
    try:
        return to_value(replace(asked, seconds=None), recognised=heard, **more)
    except ValueError:
        return to_value(Annotations(), **more)


def _told(take: Take) -> list[str]:
    warnings = (take.record.get("controls") or {}).get("warnings")
    return [shortened(str(note)) for note in warnings] if isinstance(warnings, list) else []


def _files_of(request: Form | Change | None) -> list[Path]:
    """Files whose places a person need not know."""
    if request is None:
        return []
    making = request.making
    mine = [request.take] if isinstance(request, Change) else [request.loop, request.style]
    return [path for path in (*mine, *(file for file, _ in making.adapters), *making.pseudowords) if path]


def _named(message: str, files: Sequence[Path]) -> str:
    """A message of a command for this page: files by their names alone, and flags as words."""
    for path in files:
        message = message.replace(str(path), path.name)
    message = re.sub(r"\S*/flowmusic-\w+/?(?:controls\.json|story\.txt)?", "the timeline", message)
    return re.sub(r"(?<!\S)--([a-z][a-z-]*)", lambda flag: f"“{flag[1].replace('-', ' ')}”", message)


def fail(error: BaseException, files: Sequence[Path] = ()) -> NoReturn:
    """Tell a person what is wrong, as text on one line.

    Raises: gr.Error.  What no person has caused is told in full where the page was started, too.
    """
    if isinstance(error, gr.Error):
        raise error
    if not isinstance(error, UsageError | ValueError | OSError):
        traceback.print_exception(error)
    # Gradio shows messages as markup.
    message = escape(shortened(_named(one_line(error), files)), quote=False)
    raise gr.Error(message, duration=20, print_exception=False) from None


class _shown:
    """Around an act: what goes wrong is told by :func:`fail`."""

    def __init__(self, *files: str) -> None:
        self.files = [Path(file) for file in files]

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, Exception):
            fail(error, self.files)
