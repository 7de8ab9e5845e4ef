"""ChordPro (version 6): grids with bars, or chords over words.

Grids (``{start_of_grid}``) say what the bars are; of a song without one every chord is taken for a bar, and this is
told.  ``{key}``, ``{tempo}`` and ``{time}`` hold from where they stand.  A comment names the section that begins with
the next bar, or, where that has a name, is its words: ``{start_of_verse}{comment: soft, piano alone}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from flowmusic.controls.meter import Meter, check_bpm, parse_meter
from flowmusic.sheets.repeats import Marks
from flowmusic.sheets.sheet import FOUR, Bar, Sheet
from flowmusic.sheets.written import HOLD, SheetError, Written, cells_of, chords_of_cells, label_of, played

SUFFIXES = (".cho", ".crd", ".chopro", ".chordpro", ".pro")
BARS_IN_A_LINE = 4
MOST_WORDS = 200
"""Letters of the comments on a section."""
_COMMENTS = frozenset({"comment", "c", "comment_italic", "ci", "comment_box", "cb", "highlight"})
_DIRECTIVE = re.compile(r"\s*\{\s*([\w-]+)\s*(?:[:\s]\s*(.*?))?\s*\}\s*$")
_STARTS = {"sog": "grid", "soc": "chorus", "sov": "verse", "sob": "bridge", "sot": "tab"}
_ENDS = {"eog": "grid", "eoc": "chorus", "eov": "verse", "eob": "bridge", "eot": "tab"}
_LABEL = re.compile(r'label\s*=\s*"([^"]*)"')
_BAR_LINE = re.compile(r"(:?)\|([|.]?)(:?)(\d*)(>?)")
_INLINE = re.compile(r"\[([^\[\]]*)\]")
_SILENT = frozenset({"tab", "abc", "ly", "svg", "textblock"})
"""Environments whose lines hold no chords."""


def matches(text: str) -> bool:
    """Whether a text is ChordPro: it has a directive of it."""
    known = {"title", "t", "key", "tempo", "time", "comment", "c", "subtitle", "artist", "composer", "meta", *_STARTS}
    names = (match[1].lower() for line in text.splitlines() if (match := _DIRECTIVE.match(line)))
    return any(name in known or name.startswith("start_of_") for name in names)


def read(text: str) -> Sheet:
    """Read a song.  Raises: SheetError naming the line."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), start=1):
        reader.line(number, line)
    return reader.sheet()


@dataclass
class _Reader:
    """What is known after the lines so far."""

    about: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    grid: list[Written] = field(default_factory=list)
    song: list[Written] = field(default_factory=list)
    chorus: tuple[int, int] | None = None
    """First bar and end of the last chorus among the bars of the grids, for ``{chorus}``."""
    environment: str = ""
    meter: Meter = FOUR
    bpm: float | None = None
    key: str | None = None
    section: str | None = None
    remark: str = ""
    """Comments since the last bar, as long as a section may begin."""
    endings: frozenset[int] = frozenset()

    def line(self, number: int, line: str) -> None:
        if line.lstrip().startswith("#") or not line.strip():
            return
        directive = _DIRECTIVE.match(line)
        if directive is not None:
            self._directive(number, directive[1].lower(), directive[2] or "")
        elif self.environment == "grid":
            self._grid_line(number, line)
        elif self.environment not in _SILENT:
            self._song_line(number, line)

    def sheet(self) -> Sheet:
        written = self.grid or self.song
        if not written:
            raise SheetError("the song holds no chords; write them in brackets, [C], or in a {start_of_grid}")
        if not self.grid:
            self.notices.append(
                "the song has no grid, so every chord is taken for a bar; a {start_of_grid} says what the bars are"
            )
        elif self.song:
            self.notices.append("the chords over the words are left out, for the grids say what the bars are")
        bars = played(written)
        return Sheet(bars, self.about.get("title"), self.about.get("composer"), notices=tuple(self.notices))

    def _directive(self, number: int, name: str, value: str) -> None:
        if name == "meta":
            name, _, value = value.partition(" ")
        environment = name.removeprefix("start_of_") if name.startswith("start_of_") else _STARTS.get(name)
        if environment is not None:
            self._begin(environment, value)
        elif name.startswith("end_of_") or name in _ENDS:
            self._end(name.removeprefix("end_of_") if name.startswith("end_of_") else _ENDS[name])
        elif name in ("title", "t"):
            self.about["title"] = value
        elif name in ("composer", "artist"):
            self.about.setdefault("composer", value)
        elif name == "chorus":
            self._again()
        elif name in _COMMENTS and value and (self.section is not None or not self.environment):
            self.remark = ", ".join(part for part in (self.remark, value) if part)[:MOST_WORDS]
        elif name in ("key", "tempo", "time") and value:
            self._change(number, name, value)

    def _change(self, number: int, name: str, value: str) -> None:
        try:
            if name == "tempo":
                self.bpm = check_bpm(float(value))
            elif name == "time":
                self.meter = parse_meter(value)
            else:
                self.key = key_in_words(value)
        except ValueError as error:
            raise SheetError(f"line {number}: {{{name}: {value[:30]}}} cannot be read ({error})") from None

    def _begin(self, environment: str, value: str) -> None:
        self.environment = environment
        label = _LABEL.search(value)
        words = label[1] if label else value if "=" not in value and not re.match(r"[\d+x]+$", value) else ""
        if environment not in _SILENT:
            self.section = words or (environment if environment != "grid" else self.section)
        if environment == "chorus":
            self.chorus = (len(self.grid or self.song), -1)

    def _end(self, environment: str) -> None:
        if environment == "chorus" and self.chorus is not None:
            self.chorus = (self.chorus[0], len(self.grid or self.song))
        self.environment = ""

    def _again(self) -> None:
        """``{chorus}``: the bars of the last chorus once more."""
        bars = self.grid or self.song
        if self.chorus is not None and self.chorus[1] > self.chorus[0]:
            again = bars[self.chorus[0] : self.chorus[1]]
            bars += [replace(again[0], bar=replace(again[0].bar, section="chorus")), *again[1:]]

    def _taken(self, chords: tuple[tuple[Fraction, str], ...]) -> Bar:
        """A bar with what was told since the one before."""
        named = self.section is not None
        section = self.section if named else self.remark or None
        words = self.remark if named else ""
        bar = Bar(self.meter, chords, bpm=self.bpm, key=self.key, section=section, words=words)
        self.bpm, self.key, self.section, self.remark = None, None, None, ""
        return bar

    def _song_line(self, number: int, line: str) -> None:
        for name in _INLINE.findall(line):
            if name.strip() and not name.startswith("*"):
                label = label_of(name, f"line {number}", self.notices)
                self.song.append(Written(self._taken(((Fraction(0), label),))))

    def _grid_line(self, number: int, line: str) -> None:
        """Cells between bar lines; what stands before the first and behind the last is a margin."""
        spaced = _BAR_LINE.sub(lambda sign: f" {sign[0]} ", line)
        # A cell is read once its bar is closed.
        cells: list[str] | None = None
        start = False
        for token in spaced.split():
            sign = _BAR_LINE.fullmatch(token)
            if sign is None:
                if cells is not None:
                    cells.append(token)
                continue
            if cells:
                self._measure(number, cells, start)
                start = False
            if sign[1]:
                self._repeat_end(number)
            start = bool(sign[3]) or (start and not cells)
            if sign[4]:
                self.endings = frozenset(int(digit) for digit in sign[4])
            elif sign[1] or sign[2]:
                self.endings = frozenset()
            cells = []

    def _cell(self, number: int, token: str) -> list[str]:
        if token in (HOLD, "/", "%", "%%"):
            return [token if token.startswith("%") else HOLD]
        return [label_of(name, f"line {number}", self.notices) for name in token.split("~") if name]

    def _measure(self, number: int, tokens: list[str], start: bool) -> None:
        cells = [self._cell(number, token) for token in tokens]
        marks = Marks(start=start, endings=self.endings)
        signs = [cell[0] for cell in cells if cell[0].startswith("%")]
        if signs:
            back = len(signs[0])
            if len(self.grid) < back or any(cell[0] not in (signs[0], HOLD) for cell in cells):
                raise SheetError(
                    f"line {number}: {signs[0]} repeats {back} bar(s) before it, and stands alone in its bar"
                )
            for earlier in self.grid[-back:]:
                self.grid.append(Written(replace(self._taken(()), chords=earlier.bar.chords), marks))
            return
        beats = Fraction(self.meter.beats_per_bar)
        self.grid.append(Written(self._taken(chords_of_cells(cells, beats)), marks))

    def _repeat_end(self, number: int) -> None:
        if not self.grid:
            raise SheetError(f"line {number}: a repeat ends before any bar")
        last = self.grid[-1]
        self.grid[-1] = replace(last, marks=replace(last.marks, end=2))


def key_in_words(text: str) -> str:
    """``Am`` or ``A minor`` as ``A minor``.  Raises: ValueError for what is no key.

    >>> key_in_words("Am"), key_in_words("Eb"), key_in_words("F# minor")
    ('A minor', 'Eb major', 'F# minor')
    """
    match = re.fullmatch(r"([A-G])([#♯b♭]?)\s*(m|min|minor|-|maj|major|)", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"{text[:20]!r} is no key; write C, Am, Eb or F# minor")
    accidental = match[2].replace("♯", "#").replace("♭", "b")
    minor = match[3].lower() in ("m", "min", "minor", "-") and match[3] != "M"
    return f"{match[1].upper()}{accidental} {'minor' if minor else 'major'}"


def short_key(key: str) -> str:
    """``A minor`` as ``Am``."""
    tonic, _, mode = key.partition(" ")
    return f"{tonic}m" if mode == "minor" else tonic


def write(sheet: Sheet) -> str:
    """The sheet as a song of grids, a grid for every section; the melody has no place in it."""
    return "\n".join(_lines(sheet)) + "\n"


def _lines(sheet: Sheet) -> Iterator[str]:
    if sheet.title:
        yield f"{{title: {sheet.title}}}"
    if sheet.composer:
        yield f"{{composer: {sheet.composer}}}"
    meter: Meter | None = None
    row: list[str] = []
    is_open = False
    for bar in sheet.bars:
        long = bar.meter if bar.short is None else _meter_of(bar)
        changes = bar.section is not None or bar.bpm is not None or bar.key is not None or long != meter
        if (changes or len(row) == BARS_IN_A_LINE) and row:
            yield f"| {' | '.join(row)} |"
            row = []
        if changes:
            if is_open:
                yield "{end_of_grid}"
            if bar.key is not None:
                yield f"{{key: {short_key(bar.key)}}}"
            if bar.bpm is not None:
                yield f"{{tempo: {bar.bpm:g}}}"
            if long != meter:
                yield f"{{time: {long.name}}}"
            yield f'{{start_of_grid: label="{bar.section}"}}' if bar.section else "{start_of_grid}"
            if bar.words:
                yield f"{{comment: {bar.words}}}"
            is_open, meter = True, long
        row.append(" ".join(cells_of(bar)))
    if row:
        yield f"| {' | '.join(row)} |"
    if is_open:
        yield "{end_of_grid}"


def _meter_of(bar: Bar) -> Meter:
    """The meter that holds a short bar: grids know whole bars alone."""
    unit = int(bar.meter.name.partition("/")[2])
    notes = bar.beats * (3 if bar.meter.compound else 1)
    while notes.denominator != 1 and unit < 16:
        unit, notes = unit * 2, notes * 2
    return Meter.of(max(1, round(notes)), unit)
