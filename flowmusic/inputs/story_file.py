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

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowmusic import limits, options, plain
from flowmusic.curves import Moment
from flowmusic.plain import shown

KEYS = ("chords", "melody", "drums", "style", "style-detail", "style-timbre", "fade")
GROUPS = {"guidance": options.GUIDANCE_KEYS, "blur": options.BLUR_KEYS}
ALLOWED = f"{', '.join(KEYS)}, guidance.NAME, blur.NAME"
FORM = "TIME | WORDS | KEY=VALUE ..., as in '0:15 | waking up, gentle piano | chords=C G Am F', or TIME | end"
MOST_LINES = 1000
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
