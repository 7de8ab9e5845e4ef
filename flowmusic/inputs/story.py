"""A story that is asked for: its sections in seconds, what they say, and how a model hears them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from flowmusic import limits, options
from flowmusic.curves import Curve, GuidanceOverTime, Value, placed, told
from flowmusic.inputs.facts import AskedFacts
from flowmusic.inputs.story_file import GROUPS, Line, Script
from flowmusic.plain import shown

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.generate.story import Story
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.types import Controls, FrameGrid

DEFAULT_BPM = 120.0
CLOSELY = ("style-detail", "style-timbre")
"""Keys that say how closely a section's style is followed; beside its chords, what a record repeats as it was said."""


@dataclass(frozen=True)
class Section:
    """A section as it was read: seconds, words, the facts that they say, and what it asks for beside them.

    ``origin`` is where its chords and drums begin: the bar line nearest to its start.
    """

    line: Line
    start: float
    origin: float
    words: str | None
    facts: AskedFacts
    asked: GenerateRequest | None
    guidance: Mapping[str, Value]
    blur: Mapping[str, Value]
    fade: float | None


@dataclass(frozen=True)
class Request:
    """A story as it was read, before a model is there."""

    script: Script
    sections: tuple[Section, ...]
    seconds: float
    bar_seconds: float | None
    notices: list[str] = field(default_factory=list)

    @property
    def bars(self) -> list[float]:
        """Where the first bars begin; others go on like them."""
        return [] if self.bar_seconds is None else [0.0, self.bar_seconds]

    def whole(self, args: argparse.Namespace) -> argparse.Namespace:
        """The command's flags for the piece as a whole: its length, and a tempo where bars are counted."""
        bpm = args.bpm or (DEFAULT_BPM if self.bar_seconds is not None else None)
        text = self.sections[0].words or ""
        return argparse.Namespace(**{**vars(args), "text": text, "seconds": self.seconds, "bpm": bpm})

    def all_words(self, asked: GenerateRequest) -> GenerateRequest:
        """The request with the words of all sections, for those who look for pseudowords."""
        asked.sources["story"] = str(self.script.path)
        asked.notices.extend(notice for notice in self.notices if notice not in asked.notices)
        return replace(asked, text=" ".join(each.words for each in self.sections if each.words) or None)

    def record(self) -> list[dict[str, Any]]:
        """The sections for a take's record."""
        return [
            {
                "start": round(each.start, 4),
                "text": each.words,
                **{key: value for key, value in each.line.settings.items() if key in ("chords", *CLOSELY)},
                **({"fade": each.fade} if each.fade is not None else {}),
                **({"guidance": told(each.guidance)} if each.guidance else {}),
                **({"blur": told(each.blur)} if each.blur else {}),
            }
            for each in self.sections
        ]


def settle(script: Script, args: argparse.Namespace) -> Request:
    """Judge times, and read what the sections name; ``args`` are those of ``generate``.

    The piece ends at the line ``TIME | end``, or after ``--seconds``; without both the last section lasts as long as
    the one before it, or ten seconds if it is alone.

    Raises: ValueError naming the line.
    """
    from flowmusic.controls.meter import parse_meter

    counted = script.counted or args.bpm is not None
    bar_s = None
    if counted:
        bar_s = parse_meter(args.meter or "4/4").bar_seconds(args.bpm or DEFAULT_BPM)
    bars = [] if bar_s is None else [0.0, bar_s]
    starts = _starts(script, bars)
    seconds = _seconds(script, starts, bars, args.seconds)
    notices: list[str] = []
    origins = [start if bar_s is None else round(start / bar_s) * bar_s for start in starts]
    sections: list[Section] = []
    words = None
    for number, line in enumerate(script.lines):
        words = line.words or words
        end = origins[number + 1] if number + 1 < len(origins) else seconds
        try:
            values = {group: _values(line, group, bars) for group in GROUPS}
            fade = line.settings.get("fade")
            said = _together(args.text, words)
            own = _asked(script, line, args, said, end - origins[number], bar_s is not None)
            told_facts: list[str] = []
            known = own.facts if own is not None else _facts(args, said, told_facts)
            sections.append(
                Section(
                    line,
                    starts[number],
                    origins[number],
                    said,
                    known,
                    own,
                    values["guidance"],
                    values["blur"],
                    None if fade is None else limits.of_text("short_time", fade, "fade"),
                )
            )
        except (ValueError, OSError) as error:
            raise ValueError(f"{script.place(line)}: {error}") from None
        # What the first section says is told for the piece as a whole.
        heard = own.notices if own is not None else told_facts if number else []
        notices += [f"{script.place(line)}: {notice}" for notice in heard]
    return Request(script, tuple(sections), seconds, bar_s, notices)


def _starts(script: Script, bars: Sequence[float]) -> list[float]:
    starts: list[float] = []
    for line in script.lines:
        start = line.start.seconds(bars)
        if not starts and start != 0.0:
            raise ValueError(
                f"{script.place(line)}: the first section begins at {line.start}, and nothing is asked before it; "
                "begin with 0:00 or bar 1"
            )
        if starts and start <= starts[-1]:
            raise ValueError(
                f"{script.place(line)}: the section begins at {line.start}, and the one before it at {starts[-1]:g} s; "
                "times must ascend"
            )
        starts.append(start)
    return starts


def _seconds(script: Script, starts: Sequence[float], bars: Sequence[float], given: float | None) -> float:
    end = None if script.end is None else script.end.seconds(bars)
    if end is not None and given is not None and abs(end - given) > 1e-6:
        raise ValueError(f"{script.name} ends at {end:g} s, and --seconds says {given:g}; leave one of them out")
    if end is None:
        end = given
    if end is None:
        end = starts[-1] + (starts[-1] - starts[-2] if len(starts) > 1 else 10.0)
    if end <= starts[-1]:
        last = script.lines[-1]
        raise ValueError(
            f"{script.place(last)}: the section begins at {last.start}, and the piece ends at {end:g} s; "
            "give a later end"
        )
    return limits.number("seconds", end, f"{script.name}: its length")


def _values(line: Line, group: str, bars: Sequence[float]) -> dict[str, Value]:
    """``guidance.text=2``, ``blur.drums=0@0 0.2@bar9``: numbers or curves, by name."""
    found: dict[str, Value] = {}
    for key, text in line.settings.items():
        name = key.removeprefix(f"{group}.")
        if name != key:
            curve = Curve.of(text, options.VALUE_LIMITS[group])
            found[name] = curve if "@" in text else curve.knots[0][1]
    return placed(found, bars)


def _together(common: str | None, words: str | None) -> str | None:
    """What the whole piece and a section say."""
    return ", ".join(part.strip() for part in (common, words) if part and part.strip()) or None


def _facts(args: argparse.Namespace, words: str | None, notices: list[str]) -> AskedFacts:
    """What flags and words say of a section without files of its own.  Adds to ``notices``."""
    from flowmusic.inputs import facts

    return facts.asked(argparse.Namespace(**{**vars(args), "text": words or "", "drums": None}), notices)


def _asked(
    script: Script, line: Line, args: argparse.Namespace, words: str | None, seconds: float, counted: bool
) -> GenerateRequest | None:
    """What a section asks for by chords and files, as a request of its own; None for words alone."""
    from flowmusic.inputs import request

    names = ("chords", "melody", "drums", "style")
    given: dict[str, Any] = {name: line.settings.get(name) for name in names}
    closely = {key: line.settings.get(key) for key in CLOSELY}
    for key, value in closely.items():
        if value is not None and given["style"] is None:
            raise ValueError(f"{key} says how closely to follow style=FILE, which is not given")
    if not any(given.values()):
        return None
    if seconds < limits.limit("seconds").low:
        raise ValueError(f"the section lasts {max(0.0, seconds):g} s from its first bar line, too short for controls")
    for name in names[1:]:
        if given[name] is not None:
            path = script.path.parent / given[name]
            if not path.is_file():
                raise ValueError(f"{name}: file not found: {shown(path)}")
            given[name] = path
    drums = given["drums"] is not None
    own = {
        **given,
        "text": words or "",
        "controls": None,
        "lead": None,
        "use": None,
        "seconds": seconds,
        "bpm": (args.bpm or DEFAULT_BPM) if counted else None,
        "stretch": args.stretch and drums,
        "loop_bpm": args.loop_bpm if drums else None,
        **{
            key.replace("-", "_"): None if value is None else limits.of_text(key.replace("-", "_"), value, key)
            for key, value in closely.items()
        },
    }
    return request.read(argparse.Namespace(**{**vars(args), **own}))


def written(asked: Request, base: Controls, grid: FrameGrid) -> Controls:
    """The tracks of the whole piece: those of the command, and in each section those that it asks for itself.

    Raises: ValueError naming the line.
    """
    from flowmusic.generate.story import paste
    from flowmusic.inputs import request
    from flowmusic.types import FrameGrid as Grid

    tracks = dict(base.tracks)
    rate = float(grid.frame_rate)
    for number, section in enumerate(asked.sections):
        if section.asked is None:
            continue
        following = asked.sections[number + 1 :]
        first, last = round(section.origin * rate), round(following[0].origin * rate) if following else grid.length
        try:
            found = request.to_controls(section.asked, Grid(grid.frame_rate, last - first))
        except ValueError as error:
            raise ValueError(f"{asked.script.place(section.line)}: {error}") from None
        for name, track in found.tracks.items():
            if name != "beats":
                tracks[name] = paste(tracks.get(name), track, grid, first, last)
    return replace(base, tracks=tracks)


def silenced(asked: Request, controls: Controls, model: Generator, grid: FrameGrid, notices: list[str]) -> Controls:
    """The controls of the whole piece with silent drums in sections that want none.  Adds to ``notices``."""
    from flowmusic.controls.empty import empty
    from flowmusic.generate.story import paste
    from flowmusic.inputs import silence

    tracks, rate = dict(controls.tracks), float(grid.frame_rate)
    ends = [*(each.start for each in asked.sections[1:]), grid.seconds]
    for section, end in zip(asked.sections, ends, strict=True):
        given = section.asked is not None and section.asked.drums is not None
        if given or not silence.wanted(section.facts.said, model):
            continue
        first, last = round(section.start * rate), min(grid.length, round(end * rate))
        quiet = empty(silence.DRUMS, replace(grid, length=last - first))
        tracks[silence.DRUMS] = paste(tracks.get(silence.DRUMS), quiet, grid, first, last)
        notices.append(f"{asked.script.place(section.line)}: {silence.TOLD}")
    return replace(controls, tracks=tracks)


def for_model(
    asked: Request,
    controls: Controls,
    generator: Generator,
    grid: FrameGrid,
    guidance: GuidanceOverTime,
    fade: float | None,
    notices: list[str],
) -> Story:
    """The story as a model reads it.

    Args:
        controls: of the whole piece, as the model reads them.
        guidance: where a section has none of its own, and for the weights that it does not name.
        fade: seconds of a change; None: one bar, or two seconds where no bar is known.
        notices: for the person who asks; added to.

    Raises: ValueError naming the line.
    """
    from flowmusic.generate import story
    from flowmusic.inputs import facts
    from flowmusic.types import Controls as Asked

    sections = []
    for section in asked.sections:
        style = controls.style
        if section.asked is not None and section.asked.style is not None:
            if not generator.has_style:
                raise ValueError(
                    f"{asked.script.place(section.line)}: {generator.name} has no style control; leave the style out"
                )
            style = (section.asked.style.heard(generator),)
        own = GuidanceOverTime({**guidance.weights, **section.guidance}, guidance.interval, guidance.apg)
        try:
            own.at(0.0)
        except ValueError as error:
            raise ValueError(f"{asked.script.place(section.line)}: {error}") from None
        text = facts.text_for(section.facts, section.words, generator, notices)
        said = facts.for_model(section.facts.said, generator)
        sections.append(story.Section(section.start, Asked((text,), {}, style, said), own, section.fade))
    usual = story.DEFAULT_FADE_SECONDS if asked.bar_seconds is None else asked.bar_seconds
    return story.tell(sections, grid, guidance=guidance, tracks=controls.tracks, fade=usual if fade is None else fade)
