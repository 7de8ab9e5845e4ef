"""Story files: what a piece is to be from when on, a section a line.

    # a comment
    0:00  | waking up, gentle piano       | chords=C G Am F
    0:15  | running, fast drums           | chords=Am F C G guidance.text=2 fade=0
    bar 17 | resting by the sea, strings  | style=calm.wav blur.chords=0.5
    1:00  | end

>>> script = parse("0 | calm | chords=C G Am F fade=0\\n0:15 | loud\\n0:30 | end", "story.txt")
>>> [(str(line.start), line.words, dict(line.settings)) for line in script.lines], str(script.end)
([('0 s', 'calm', {'chords': 'C G Am F', 'fade': '0'}), ('15 s', 'loud', {})], '30 s')
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import limits, options, plain
from flowmusic.curves import Curve, GuidanceOverTime, Moment, Value, placed, told
from flowmusic.plain import shown

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.generate.story import Story
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.types import Controls, FrameGrid

KEYS = ("chords", "melody", "drums", "style", "style-detail", "fade")
GROUPS = {"guidance": options.GUIDANCE_KEYS, "blur": options.BLUR_KEYS}
ALLOWED = f"{', '.join(KEYS)}, guidance.NAME, blur.NAME"
FORM = "TIME | WORDS | KEY=VALUE ..., as in '0:15 | waking up, gentle piano | chords=C G Am F', or TIME | end"
MOST_LINES = 1000
DEFAULT_BPM = 120.0
_KEY = re.compile(r"(?:^|\s)([A-Za-z][\w.-]*)\s*=")


@dataclass(frozen=True)
class Line:
    """A section as it is written: its number in the file, its beginning, words (None: those before) and settings."""

    number: int
    start: Moment
    words: str | None
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Script:
    """A story file: its name for messages, its sections, its end where it says one, and where it lies."""

    name: str
    lines: tuple[Line, ...]
    end: Moment | None = None
    path: Path = Path()

    def place(self, line: Line) -> str:
        """Where a section stands, for a message."""
        return f"{self.name}, line {line.number}"

    @property
    def counted(self) -> bool:
        """Whether it needs bars."""
        timed = [line.start for line in self.lines] + ([] if self.end is None else [self.end])
        return any(moment.in_bars for moment in timed) or any(
            {"chords", "drums"} & line.settings.keys() or "bar" in " ".join(line.settings.values()).lower()
            for line in self.lines
        )


def read(path: Path) -> Script:
    """A story file.  Raises: ValueError naming the file and the line; FileNotFoundError."""
    return replace(parse(plain.read_text(path), shown(path)), path=path)


def parse(text: str, name: str) -> Script:
    """The content of a story file.  Raises: ValueError naming the line, what is allowed, and what to do."""
    lines: list[Line] = []
    end: Moment | None = None
    for number, written in enumerate(text.splitlines(), start=1):
        content = written.split("#", 1)[0].strip() if written.lstrip().startswith("#") else written.strip()
        if not content:
            continue
        if len(lines) >= MOST_LINES:
            raise ValueError(f"{name} has more than {MOST_LINES} sections; make several pieces of it")
        try:
            if end is not None:
                raise ValueError("nothing may follow the end")
            line = _line(number, content)
            if line is None:
                end = Moment.of(content.partition("|")[0])
            else:
                lines.append(line)
        except ValueError as error:
            raise ValueError(f"{name}, line {number}: {error}") from None
    if not lines:
        raise ValueError(f"{name} holds no section; write lines of {FORM}")
    return Script(name, tuple(lines), end)


def _line(number: int, content: str) -> Line | None:
    """One section; None for the end."""
    time, bar, rest = (part.strip() for part in content.partition("|"))
    if not bar:
        raise ValueError(f"{limits.shown(content)} is no section; write {FORM}")
    start = Moment.of(time)
    words, _, settings = (part.strip() for part in rest.partition("|"))
    if words.lower() == "end" and not settings:
        return None
    if not words and not settings:
        raise ValueError(f"the section asks for nothing; write {FORM}")
    return Line(number, start, words or None, _settings(settings))


def _settings(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    matches = list(_KEY.finditer(text))
    before = text[: matches[0].start()] if matches else text
    if before.strip():
        raise ValueError(f"{limits.shown(before.strip())} is not KEY=VALUE; keys: {ALLOWED}")
    ends = [*(match.start() for match in matches[1:]), len(text)]
    for match, end in zip(matches, ends, strict=False):
        key, value = match[1], text[match.end() : end].strip().strip("\"'")
        group, _, inner = key.partition(".")
        if key == "bpm":
            raise ValueError("one tempo runs through the whole story; give --bpm to the command")
        if key not in KEYS and inner not in GROUPS.get(group, ()):
            names = f" ({group}.{{{'|'.join(GROUPS[group])}}})" if group in GROUPS else ""
            raise ValueError(f"unknown key {limits.shown(key)}; allowed: {ALLOWED}{names}")
        if key in found:
            raise ValueError(f"{key} is given twice")
        if not value:
            raise ValueError(f"{key} has no value; write {key}=VALUE, or leave it out")
        found[key] = value
    return found


@dataclass(frozen=True)
class Section:
    """A section as it was read: seconds, words, and what it asks for beside them.

    ``origin`` is where its chords and drums begin: the bar line nearest to its start.
    """

    line: Line
    start: float
    origin: float
    words: str | None
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
                **{key: value for key, value in each.line.settings.items() if key in ("chords", "style-detail")},
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
            sections.append(
                Section(
                    line,
                    starts[number],
                    origins[number],
                    _together(args.text, words),
                    _asked(script, line, args, words, end - origins[number], bar_s is not None),
                    values["guidance"],
                    values["blur"],
                    None if fade is None else limits.of_text("short_time", fade, "fade"),
                )
            )
        except (ValueError, OSError) as error:
            raise ValueError(f"{script.place(line)}: {error}") from None
        asked = sections[-1].asked
        notices += [f"{script.place(line)}: {notice}" for notice in (asked.notices if asked else ())]
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


def _asked(
    script: Script, line: Line, args: argparse.Namespace, words: str | None, seconds: float, counted: bool
) -> GenerateRequest | None:
    """What a section asks for by chords and files, as a request of its own; None for words alone."""
    from flowmusic.inputs import request

    names = ("chords", "melody", "drums", "style")
    given: dict[str, Any] = {name: line.settings.get(name) for name in names}
    detail = line.settings.get("style-detail")
    if detail is not None and given["style"] is None:
        raise ValueError("style-detail says how closely to follow style=FILE, which is not given")
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
        "style_detail": None if detail is None else limits.of_text("style_detail", detail, "style-detail"),
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


def for_model(
    asked: Request,
    controls: Controls,
    generator: Generator,
    grid: FrameGrid,
    guidance: GuidanceOverTime,
    fade: float | None = None,
) -> Story:
    """The story as a model reads it.

    Args:
        controls: of the whole piece, as the model reads them.
        guidance: where a section has none of its own, and for the weights that it does not name.
        fade: seconds of a change; None: one bar, or two seconds where no bar is known.

    Raises: ValueError naming the line.
    """
    from flowmusic.generate import story
    from flowmusic.types import Controls as Asked

    sections = []
    for section in asked.sections:
        style = controls.style
        if section.asked is not None and section.asked.style is not None:
            if not generator.has_style:
                raise ValueError(
                    f"{asked.script.place(section.line)}: {generator.name} has no style control; leave the style out"
                )
            style = (generator.style(section.asked.style.sound, section.asked.style.detail),)
        own = GuidanceOverTime({**guidance.weights, **section.guidance}, guidance.interval, guidance.apg)
        try:
            own.at(0.0)
        except ValueError as error:
            raise ValueError(f"{asked.script.place(section.line)}: {error}") from None
        sections.append(story.Section(section.start, Asked((section.words,), {}, style), own, section.fade))
    usual = story.DEFAULT_FADE_SECONDS if asked.bar_seconds is None else asked.bar_seconds
    return story.tell(sections, grid, guidance=guidance, tracks=controls.tracks, fade=usual if fade is None else fade)
