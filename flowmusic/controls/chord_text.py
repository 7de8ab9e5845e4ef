"""The bars of a chord text as people write and paste it.

Spaces and commas separate chords; ``|`` or a line break ends a bar, whose chords share it equally; without any ``|``
each chord is a bar.  ``/`` or ``.`` alone repeats the chord before it, ``%`` the bar before it, ``||: :||`` what stands
between, and ``x2`` the bars since the line, the repeat or the bracket before it began.

>>> read_bars("||: C | Am / F / :|| x2").bars
(('C',), ('Am', 'Am', 'F', 'F'), ('C',), ('Am', 'Am', 'F', 'F'))
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from flowmusic.controls.chord_lines import QUOTES, Line, Sheet, check_count, sort_lines
from flowmusic.controls.harmony import ChordError, canonical, reads, shown

Bar = tuple[str, ...]
"""Labels that share a bar equally."""

MOST_BARS, MOST_IN_A_BAR = 10_000, 64
_DASHES = "-‐‑‒–—―−→>=~•"
_BAR_LINE = re.compile(r"(:*)(\|+)\]?(:*)")
_DASH = re.compile(rf"[{_DASHES}]+")
_SEPARATOR = re.compile(rf"[{_DASHES}]+|[&+]|and|then|to")
_HOLD = re.compile(r"[/._·]+")
_HELD = re.compile(r"(.*[^/._])([/._]{2,})")
_SIMILE = re.compile(r"%|[.·•']/[.·•,]")
_COUNT = re.compile(r"\(?x(\d+)\)?", re.IGNORECASE)
_COUNTED = re.compile(r"(.+?)(?:\(x(\d+)\)|x(\d+))", re.IGNORECASE)
_METER = re.compile(r"\d{1,2}/(?:2|4|8|16)")
_QUALITY = re.compile(
    r"(?i:maj(?:or)?|min(?:or)?|(?:half-?)?dim(?:inished)?|aug(?:mented)?|sus(?:pended)?|dom(?:inant)?|add|alt|flat|sharp)"
    r"[#b\d]*|[mM]\d*"
)


@dataclass(frozen=True)
class Bars:
    """What a chord text asks for, bar by bar, and what the person should know.

    ``sections`` are the numbers of the bars over which a heading stands, and its words.
    """

    bars: tuple[Bar, ...]
    notices: tuple[str, ...]
    sections: tuple[tuple[int, str], ...] = ()


def tokens(line: str) -> list[str]:
    """Bar lines, brackets, counts, signs and names of one line.

    A bracket belongs to a name where it holds no space (``C7(b9,#11)``, ``(C7)``), and else it stands alone.
    """
    line = re.sub(r"(?<![^\s|])\[(?=\|)|\[(?=:)", "|", line)
    line = re.sub(r":\]", ":|", line).replace("[", "(").replace("]", ")")
    line = re.sub(r"(?i)\b(?:repeat|play)\s+(?=x\s*\d|\d+\s*(?:x|times))", "", line)
    line = re.sub(r"(?i)(?<![\w#])(\d+)\s*(?:x|times)(?!\w)", r"x\1", line)
    line = re.sub(r"(?i)(?<![\w#])x\s+(\d+)(?!\w)", r"x\1", line)
    line = _BAR_LINE.sub(r" \1|\3 ", line)
    # A bracket with one name in it stays whole; so does one that is a part of a name.
    found = re.findall(r"(?:\(\s*(?:[^\s(),|]+|[^\s(),|A-GN][^()|]*)\s*\)|[^\s,;()]+(?:\([^()|]*\))?)+|[()]", line)
    return [name for token in found if (name := re.sub(r"\s", "", token).strip(QUOTES))]


def _names(found: list[str]) -> Iterator[str]:
    """Tokens with parts of one name joined and chains such as ``C-Am-F`` split."""
    joined: list[str] = []
    for token in found:
        before = joined[-1] if joined else ""
        continues = (
            reads(_word(before, token))
            and (
                token[:1] == "/"  # C /E
                or (token[:1] == "(" and token[-1:] == ")" and not reads(token))  # C7 (b9)
                or _QUALITY.fullmatch(token)  # C minor
                or (re.search(r"[a-z]{3}$", before) and re.fullmatch(r"[#b\d]+", token))  # C major 7
            )
        )
        if continues and reads(before):
            joined[-1] = _word(before, token)
        else:
            joined.append(token)
    for name in joined:
        chain = [part for part in re.split(rf"[{_DASHES}]++(?=\(?[A-GN])", name) if part]
        if len(chain) > 1 and not reads(name) and all(map(reads, chain)):
            yield from chain
        else:
            yield name


def _word(before: str, token: str) -> str:
    return before + token.lower() if re.match("[A-Za-z]{2}", token) and _QUALITY.fullmatch(token) else before + token


def timed_tokens(text: str) -> tuple[list[str], Sheet]:
    """The tokens of a text of the ``TIME:CHORD`` form, where a space or a comma may follow the colon or the chord."""
    sheet = sort_lines(text)
    found = [token.strip(QUOTES + ",;") for line in sheet.lines for token in line.text.split()]
    joined: list[str] = []
    for token in filter(None, found):
        if joined and re.fullmatch(r"[\d.]+:", joined[-1]) and ":" not in token:
            joined[-1] += token
        else:
            joined.append(token)
    return joined, sheet


def read_bars(text: str) -> Bars:
    """Read a text of chords in bars.

    Raises: ChordError naming the chord or the sign, its line, its bar as written and its place there.
    """
    sheet = sort_lines(text)
    lines = [(line, list(_names(tokens(line.text)))) for line in sheet.lines]
    found = [name for _, names in lines for name in names]
    reader = _Reader(
        barred=any("|" in name for name in found),
        # Two dashes in a row are beats on which a chord goes on; single ones stand between chords.
        dashes_hold=any(_DASH.fullmatch(a) and _DASH.fullmatch(b) for a, b in zip(found, found[1:])),
        many=sheet.many,
    )
    for line, names in lines:
        reader.line(line, names)
    reader.end()
    if not reader.bars:
        raise ChordError(f"the chord text {shown(text)} holds no chords; write chords such as 'C Am F G'")
    sections = tuple((bar, name) for bar, name in reader.sections if bar < len(reader.bars))
    return Bars(tuple(reader.bars), (*sheet.notices, *dict.fromkeys(reader.notices)), sections)


@dataclass
class _Reader:
    """The bars read so far; indices into ``bars`` say where a line, a part or a repeat began."""

    barred: bool
    dashes_hold: bool
    many: bool
    bars: list[Bar] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    sections: list[tuple[int, str]] = field(default_factory=list)
    cell: list[str] = field(default_factory=list)
    """Labels of the bar that is not closed yet; ``%`` for a repeated bar."""
    written: int = 0
    """Bars as written, each repeated one once."""
    last: str | None = None
    line_start: int = 0
    part_start: int = 0
    part_before: int = 0
    part_times: int = 1
    repeat_start: int = 0
    repeat_open: bool = False
    groups: list[tuple[int, int]] = field(default_factory=list)
    number: int = 0
    text: str = ""
    may_be_empty: bool = True
    """Whether a bar line may follow without a chord: at the start of a line, and after a repeat."""

    def line(self, line: Line, names: list[str]) -> None:
        """Read one line, or the pause before a part."""
        self.number, self.text = line.number, line.text
        if line.begins_part:
            self._end_part()
            self.part_times = line.times or self.part_times
            if line.heading:
                self.sections.append((len(self.bars), line.heading))
        self.line_start, self.may_be_empty = len(self.bars), True
        last_chord = max((index for index, name in enumerate(names) if reads(name)), default=-1)
        prefix = 1
        skip = False
        for index, name in enumerate(names):
            rest = names[index + 1 : index + 2]
            if skip:
                skip = False
            elif _BAR_LINE.fullmatch(name):
                skip = self._bar_line(name, rest)
            elif name == "(":
                self.groups.append((len(self.bars), len(self.cell)))
            elif name == ")":
                skip = self._close_group(rest)
            elif count := _COUNT.fullmatch(name):
                times = check_count(count[1], name, self._place())
                if len(self.bars) == self.line_start and not self.cell and last_chord > index:
                    prefix = times
                else:
                    self._count(times, name, last=last_chord < index)
            else:
                self._name(name)
        if self.barred:
            if len(self.cell) > 1 and not any("|" in name for name in names):
                self.notices.append(f"line {line.number} has no bar lines, so that its chords share one bar")
            self._close()
        self._repeat(self.line_start, prefix)

    def end(self) -> None:
        """The text is over."""
        self._end_part()
        if self.repeat_open:
            self.notices.append("a repeat |: is not closed by :| and its bars are taken once")

    def _end_part(self) -> None:
        """An empty line or a heading: a count alone repeats what follows here."""
        if len(self.bars) > self.part_start:
            self._repeat(self.part_start, self.part_times)
            self.part_times, self.part_before = 1, self.part_start
        self.part_start = len(self.bars)
        if not self.repeat_open:
            self.repeat_start = len(self.bars)

    def _place(self) -> str:
        line = f"line {self.number}, " if self.many else ""
        return f"({line}bar {self.written + 1}, chord {len(self.cell) + 1})"

    def _bar_line(self, name: str, rest: list[str]) -> bool:
        """End a bar, a repeat or both; whether the next token was read as well."""
        sign = _BAR_LINE.fullmatch(name)
        assert sign is not None
        if not self.cell and not self.may_be_empty:
            raise ChordError(
                f"bar {self.written + 1} of {shown(self.text)} is empty; "
                "write % to repeat the bar before, or N for no chord"
            )
        self._close()
        self.may_be_empty = bool(sign[1] or sign[3])
        counted = False
        if sign[1]:
            times, counted = self._count_next(rest, 2)
            if self.repeat_start == len(self.bars):
                raise ChordError(f"{shown(name)} has no bars before it to repeat {self._place()}")
            self._repeat(self.repeat_start, times)
            self.repeat_start = self.line_start = len(self.bars)
            self.repeat_open = False
        if sign[3]:
            self.repeat_start, self.repeat_open = len(self.bars), True
        return counted

    def _close_group(self, rest: list[str]) -> bool:
        """End a bracket, which means something only before a count; whether that was read as well."""
        bar, chord = self.groups.pop() if self.groups else (len(self.bars), len(self.cell))
        times, counted = self._count_next(rest, 1)
        if not counted:
            return False
        if bar == len(self.bars):
            self._extend(self.cell[chord:], times - 1)
            return True
        if chord:
            raise ChordError(f"what x{times} repeats must be whole bars, or lie in one bar {self._place()}")
        self._close()
        self._repeat(bar, times)
        self.line_start, self.may_be_empty = len(self.bars), True
        return True

    def _count(self, times: int, name: str, last: bool) -> None:
        """Repeat the bar that a count ends or, at the end of a line, the line; alone on its line, the part."""
        start = self.line_start
        if self.cell:
            self._close()
            start = start if last else len(self.bars) - 1
        elif start == len(self.bars):
            start = self.part_start if self.part_start < start else self.part_before
        if start == len(self.bars):
            raise ChordError(f"{shown(name)} has no bars before it to repeat {self._place()}")
        self._repeat(start, times)
        self.line_start, self.may_be_empty = len(self.bars), True

    def _name(self, name: str) -> None:
        """A chord, with the signs that are written onto it, or a sign that stands for one."""
        if _SIMILE.fullmatch(name):
            self._add("%")
        elif _METER.fullmatch(name):
            self.notices.append(f"{name} in the chord text is skipped; --meter sets the meter")
        elif re.fullmatch(r"\.{3,}", name) and not self.barred:
            pass  # an ellipsis: the progression repeats by itself
        elif _HOLD.fullmatch(name) or (self.dashes_hold and _DASH.fullmatch(name)):
            self._hold(len(name), name)
        elif not _SEPARATOR.fullmatch(name):
            held = None if reads(name) else _HELD.fullmatch(name)
            counted = None if reads(name) else _COUNTED.fullmatch(name)
            if counted is not None and reads(counted[1]):
                start = len(self.cell)
                self._chord(counted[1])
                more = check_count(counted[2] or counted[3], name, self._place()) - 1
                if self.barred:
                    self._extend(self.cell[start:], more)
                else:
                    self._repeat(len(self.bars) - 1, more + 1)
            elif held is not None and reads(held[1]):
                self._chord(held[1])
                self._name(held[2])
            else:
                self._chord(name)

    def _chord(self, name: str) -> None:
        try:
            label, warning = canonical(name)
        except ChordError as error:
            raise ChordError(f"{error} {self._place()}") from None
        if warning:
            self.notices.append(warning)
        self.last = label
        self._add(label)

    def _hold(self, times: int, name: str) -> None:
        if self.last is None:
            raise ChordError(f"{shown(name)} has no chord before it to repeat {self._place()}")
        for _ in range(times):
            self._add(self.last)

    def _extend(self, labels: list[str], times: int) -> None:
        """Say these chords so many times more in this bar."""
        if len(self.cell) + len(labels) * times > MOST_IN_A_BAR:
            raise ChordError(f"bar {self.written + 1} has more than {MOST_IN_A_BAR} chords {self._place()}")
        self.cell += labels * times

    def _add(self, label: str) -> None:
        self._extend([label], 1)
        if not self.barred:
            self._close()

    def _close(self) -> None:
        """End the bar, unless there is nothing in it."""
        if not self.cell:
            return
        self.written += 1
        if "%" in self.cell:
            if len(self.cell) > 1:
                got = " ".join(self.cell)
                raise ChordError(f"bar {self.written}: % repeats a whole bar and stands alone, got {shown(got)}")
            if not self.bars:
                raise ChordError(f"bar {self.written}: % has no bar before it to repeat")
            self.cell = list(self.bars[-1])
        self.bars.append(tuple(self.cell))
        self.cell = []

    def _repeat(self, start: int, times: int) -> None:
        """Sound the bars from ``start`` on ``times`` times in all."""
        if len(self.bars) + (len(self.bars) - start) * (times - 1) > MOST_BARS:
            raise ChordError(f"the chord text has more than {MOST_BARS} bars with its repeats; repeat less")
        self.bars += self.bars[start:] * (times - 1)

    def _count_next(self, rest: list[str], otherwise: int) -> tuple[int, bool]:
        """The count that follows at once, and whether there is one."""
        count = _COUNT.fullmatch(rest[0]) if rest else None
        return (otherwise, False) if count is None else (check_count(count[1], rest[0], self._place()), True)
