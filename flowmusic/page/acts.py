"""What the page does when a person presses something; every public method is also a function of its API.

A method reads what the components hold, calls the code that needs no browser, and returns what they are to show.
Nothing of a request stays here between two calls, but the takes on their shelf and the models in memory.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr

from flowmusic import limits
from flowmusic.annotations.annotation import Annotations
from flowmusic.errors import UsageError
from flowmusic.page import settings, shelf
from flowmusic.page.choices import Choices
from flowmusic.page.form import EDIT, EXTEND, VARY, Change, Form, Making
from flowmusic.page.making import Made, Models, make
from flowmusic.page.messages import fail, given, named, telling, whole
from flowmusic.page.parts import status
from flowmusic.page.shelf import Shelf, Shelves, Take
from flowmusic.page.timeline_value import read, to_value
from flowmusic.page.work import Desk, Stopped
from flowmusic.plain import shortened

COOKIE = "flowmusic_owner"
TAKES_AT = "/takes"
"""Address under which a browser hears its takes."""
HANDED, KEPT_S = "handed-", 3600.0
"""Folders of files on their way to a browser, and seconds until they go."""
SHEETS = (".mid", ".musicxml", ".cho")
"""Sheets of what a take was asked for, which can be downloaded."""
WEIGHTS = ("all", "text", "facts", "chords", "melody", "drums", "beats", "style")
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
        bpm: str | float | None,
        meter: str,
        instruments: list[str],
        drumless: bool,
        genre: str | None,
        mood: str | None,
        energy: str | None,
        key: str | None,
        unwanted: str,
        score: dict[str, Any],
        stretch: bool,
        style_detail: float,
        style_timbre: str | float | None,
        model: str,
        adapters: list[str],
        adapter_scale: float,
        pseudowords: list[str],
        own_strength: bool,
        weight_all: float,
        weight_text: float,
        weight_facts: float,
        weight_chords: float,
        weight_melody: float,
        weight_drums: float,
        weight_beats: float,
        weight_style: float,
        seed: str | float | None,
        count: float,
        best_of: float,
        steps: str | float | None,
        mono: bool,
        loop: str | None = None,
        style: str | None = None,
        request: gr.Request = None,  # type: ignore[assignment]  # Gradio's; clients may leave out what stands before
    ) -> Iterator[tuple[Any, Any, Any]]:
        """New takes.  The status while they are made; then the list, and the timeline of the newest."""
        of_tracks = (weight_chords, weight_melody, weight_drums, weight_beats)
        weights = (weight_all, weight_text, weight_facts, *of_tracks, weight_style)

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
                bpm=given("bpm", bpm, "beats a minute"),
                meter=meter or None,
                chords=chords or "",
                score=read(score).annotations,
                loop=Path(loop) if loop else None,
                stretch=bool(stretch),
                style=Path(style) if style else None,
                style_detail=int(style_detail) or None,
                style_timbre=given("style_timbre", style_timbre, "the timbre"),
                making=Making(
                    model=self.choices.model(model),
                    guidance=dict(_weights(weights)) if own_strength else {},
                    adapters=tuple((file, adapter_scale) for file in self.choices.adapter_files(adapters or ())),
                    pseudowords=self.choices.pseudoword_files(pseudowords or ()),
                    steps=whole("solver_steps", steps, "solver steps"),
                    mono=bool(mono),
                    **_seeds(seed, count, best_of),
                ),
            )

        yield from self._made(form, request)

    def edit(
        self,
        take: str,
        timeline: dict[str, Any],
        bars: str,
        text: str,
        chords: str,
        seed: str | float | None,
        count: float,
        request: gr.Request,
    ) -> Iterator[tuple[Any, Any, Any]]:  # fmt: skip
        """Some bars of a take anew: those typed, as in 3-4, or those dragged over on the timeline of the take."""

        def change() -> Change:
            region, found = _bars(bars) or read(timeline).region, self._take(take, request)
            return Change(EDIT, found.audio, text, chords, bars=region, making=self._again(found, seed, count))

        yield from self._made(change, request)

    def extend(
        self, take: str, bars: float, before: bool, text: str, chords: str, seed: str | float | None, count: float,
        request: gr.Request,
    ) -> Iterator[tuple[Any, Any, Any]]:  # fmt: skip
        """More bars after a take, or before it."""

        def change() -> Change:
            found, more = self._take(take, request), limits.whole("bars", bars, "bars")
            how = self._again(found, seed, count)
            return Change(EXTEND, found.audio, text, chords, more=more, before=bool(before), making=how)

        yield from self._made(change, request)

    def vary(
        self,
        take: str,
        strength: float,
        text: str,
        chords: str,
        seed: str | float | None,
        count: float,
        request: gr.Request,
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Music like a take, as near to it as the strength says: 0 the take, 1 a new one."""

        def change() -> Change:
            found, much = self._take(take, request), limits.number("share", strength, "strength")
            return Change(VARY, found.audio, text, chords, strength=much, making=self._again(found, seed, count))

        yield from self._made(change, request)

    def strengths(self, own: bool, model: str) -> list[Any]:
        """The strengths that a model follows by itself, from which one's own begin; one number for each slider."""
        if not own:
            return [gr.skip() for _ in WEIGHTS]
        with telling():
            named, device = self.choices.model(model), self.models.device
            weights = self.models(named, device=device, precision="fp32").defaults.guidance  # as the commands load it
            return [weights.get(name, 0.0) for name in WEIGHTS]

    def cancel(self, request: gr.Request) -> Any:
        """End what this browser has asked for; the job itself then tells that it stopped."""
        return gr.skip() if self.desk.stop(self._owner(request)) else status("nothing is being made")

    def takes(self, request: gr.Request) -> Any:
        """The takes of this browser, the newest first."""
        with telling():
            rows, _ = self._rows(self._shelf(request), "")
            return rows, rows[0]["name"] if rows else ""

    def choose(self, take: str, request: gr.Request) -> tuple[Any, Any]:
        """A take on its timeline: what was asked for, what was heard, and its waveform."""
        if not take:
            return gr.skip(), gr.skip()
        with telling():
            found = self._take(take, request)
            return _line_of(found), status("", notes=_told(found))

    def star(self, take: str, request: gr.Request) -> Any:
        """Star a take, or take its star away."""
        with telling():
            own = self._shelf(request)
            own.star(take, not own.take(take).starred)
            return self._rows(own, take)

    def download(self, take: str, request: gr.Request) -> list[str]:
        """Files of a take: the audio, its record, and what it was asked for as MIDI and sheets."""
        with telling():
            return [str(path) for path in self._files(self._take(take, request))]

    def export(self, take: str, request: gr.Request) -> list[str]:
        """A take for a studio, as ``flowmusic export`` writes it: stems, MIDI and sheets, in one ZIP file."""
        from flowmusic.studio.export import MIDI, SHEETS, STEMS, Wanted, export, read
        from flowmusic.studio.stems import separator_of

        with telling():
            found = self._take(take, request)
            out = self._handed() / found.audio.stem
            export(read(found.audio, found.record), Wanted(frozenset({STEMS, MIDI, SHEETS}), separator_of(None)), out)
            return [shutil.make_archive(str(out), "zip", out.parent, out.name)]

    def send_to_style(self, take: str, request: gr.Request) -> str:
        """A take as the style clip of what is generated next."""
        with telling():
            return str(self._copy(self._take(take, request).audio))

    def record_of(self, take: str, request: gr.Request) -> Mapping[str, Any]:
        """What the record of a take says.  Raises: UsageError where there is no such take."""
        return self._take(take, request).record

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

    def _again(self, take: Take, seed: str | float | None, count: float) -> Making:
        """How a change of a take is made: by its own model, which a record tells by name alone, in as many channels."""
        own = self.choices.models.get(str(take.record.get("model")), "")
        return Making(model=own, mono=take.record.get("channels") == 1, **_seeds(seed, count, 1))

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
            # Of several takes, those that were finished are there.
            yield status("stopped"), self._rows(own, ""), gr.skip()
            return
        except Exception as error:
            fail(error, _files_of(asked))
        notes = [named(note, _files_of(asked)) for note in made.notes]
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
            folder = self._handed()
            found += [formats.write(reading, folder / f"{take.audio.stem}{ending}") for ending in SHEETS]
        return found

    def _copy(self, path: Path) -> Path:
        """A copy that may be handed to a browser: the shelf itself is not."""
        return Path(shutil.copyfile(path, self._handed() / path.name))

    def _handed(self) -> Path:
        """A new folder for files on their way to a browser; those of an hour ago are removed."""
        for old in self.cache.glob(f"{HANDED}*"):
            if old.stat().st_mtime < time.time() - KEPT_S:
                shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=HANDED, dir=self.cache))


def _weights(values: Sequence[float]) -> Iterator[tuple[str, float]]:
    for name, value in zip(WEIGHTS, values, strict=True):
        if value or name == "all":
            yield name, limits.number("guidance", value, f"the strength of {name}")


def _seeds(seed: str | float | None, count: float, best_of: float) -> dict[str, Any]:
    return {
        "seed": whole("seed", seed, "the seed"),
        "count": limits.whole("takes", count, "takes"),
        "best_of": limits.whole("takes", best_of, "best of"),
    }


def _bars(text: str) -> tuple[int, int] | None:
    """``3-4`` or ``3``.  Raises: ValueError for anything else but nothing."""
    if not text or not text.strip():
        return None
    found = re.fullmatch(r"\s*(\d{1,5})\s*(?:[-–]\s*(\d{1,5}))?\s*", text)
    if found is None:
        raise ValueError(f"bars are written as 3-4, or 3 for one, and counted from 1; not {shortened(text, 40)!r}")
    return int(found[1]), int(found[2] or found[1])


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
    return [shortened(named(str(note), [])) for note in warnings] if isinstance(warnings, list) else []


def _files_of(request: Form | Change | None) -> list[Path]:
    """Files whose places a person need not know."""
    if request is None:
        return []
    making = request.making
    mine = [request.take] if isinstance(request, Change) else [request.loop, request.style]
    return [path for path in (*mine, *(file for file, _ in making.adapters), *making.pseudowords) if path]
