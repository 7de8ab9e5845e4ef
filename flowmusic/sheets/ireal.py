"""iReal Pro songs: ``irealbook://`` as it is written, and ``irealb://``, whose chords are shuffled.

The format is that of the app's page for developers: ``Title=Composer=Style=Key=n=Chords``, all percent-encoded; in
``irealb`` songs are parted by ``===``, and more is told after the chords.  A bar's chords share it equally; a ``p``
lets the one before go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from urllib.parse import quote, unquote

from flowmusic.controls.meter import Meter, parse_meter
from flowmusic.sheets.chordpro import key_in_words, short_key
from flowmusic.sheets.repeats import Marks
from flowmusic.sheets.sheet import FOUR, Bar, Sheet
from flowmusic.sheets.written import HOLD, SheetError, Written, cells_of, chords_of_cells, label_of, played

SUFFIXES = (".irealbook", ".ireal", ".html")
OPEN, SHUFFLED = "irealbook://", "irealb://"
_PREFIX = "1r34LbKcu7"
_ADDRESS = re.compile(r"ireal(?:book|b)://[^\s\"'<>]+")
_SECTIONS = {"A": "A", "B": "B", "C": "C", "D": "D", "i": "intro", "v": "verse"}
_METERS = {"12": "12/8", "44": "4/4", "34": "3/4", "24": "2/4", "54": "5/4", "64": "6/4", "74": "7/4"}
_TOKEN = re.compile(
    r"T(?P<time>\d\d)|\*(?P<section>\w)|N(?P<ending>\d)|<(?P<comment>[^>]*)>|(?P<line>[|\[\]{}Z])|"
    r"(?P<chord>[A-GW][#b]?[^\s,|\[\]{}Z<>()/SQ]*(?:/[A-G][#b]?)?)|(?P<alternate>\([^)]*\))|"
    r"(?P<sign>[xrpnSQf])|(?P<other>.)",
    re.DOTALL,
)


def matches(text: str) -> bool:
    """Whether a text holds a song's address."""
    return _ADDRESS.search(text) is not None


def read(text: str) -> Sheet:
    """Read the first song of an address, which may stand in other text.  Raises: SheetError."""
    found = _ADDRESS.search(text)
    if found is None:
        raise SheetError("no irealbook:// or irealb:// address is in it; export the song from the app as HTML")
    shuffled = found[0].startswith(SHUFFLED)
    body = unquote(found[0].partition("://")[2])
    songs = body.split("===") if shuffled else _open_songs(body)
    notices = [f"of {len(songs)} songs the first is read"] if len(songs) > 1 else []
    fields = re.split(r"=+", songs[0]) if shuffled else songs[0].split("=")
    if len(fields) < 5:
        raise SheetError("the address has too few parts; it is Title=Composer=Style=Key=n=Chords")
    chords = next((each for each in fields[4:] if _PREFIX in each), None) if shuffled else fields[5:6] and fields[5]
    if not chords:
        raise SheetError("the address holds no chords; export the song again")
    if shuffled:
        chords = _in_order(chords.partition(_PREFIX)[2])
    title, composer, _, key = fields[:4]
    reader = _Reader(notices)
    reader.read(chords)
    written = reader.written
    if not written:
        raise SheetError("the song holds no bars")
    try:
        written[0] = replace(written[0], bar=replace(written[0].bar, key=key_in_words(key.replace("-", "m"))))
    except ValueError:
        notices.append(f"the key {key[:20]!r} is none, and left out")
    bars = played(written)
    return Sheet(bars, title or None, composer or None, notices=tuple(reader.notices))


def _open_songs(body: str) -> list[str]:
    """Songs of an open address, each of six parts."""
    fields = body.split("=")
    return ["=".join(fields[n : n + 6]) for n in range(0, max(1, len(fields) - 5), 6)]


def _in_order(text: str) -> str:
    """Undo the shuffling: blocks of fifty characters, of which the outer five and 10 to 23 change places with the end.

    Applied twice it does nothing, so it shuffles too.
    """
    found = []
    while len(text) > 51:
        found.append(_swapped(text[:50]))
        text = text[50:]
    joined = "".join([*found, text])
    return joined.replace("Kcl", "| x").replace("LZ", " |").replace("XyQ", "   ")


def _swapped(block: str) -> str:
    letters = list(block)
    for place in (*range(5), *range(10, 24)):
        letters[place], letters[49 - place] = letters[49 - place], letters[place]
    return "".join(letters)


@dataclass
class _Reader:
    """The bars so far, and what has been read of the present one."""

    notices: list[str]
    written: list[Written] = field(default_factory=list)
    meter: Meter = FOUR
    cells: list[list[str]] = field(default_factory=list)
    marks: Marks = field(default_factory=Marks)
    endings: frozenset[int] = frozenset()
    section: str | None = None
    times: int = 2
    """How often the present repeat is played: told anywhere within it."""
    repeated: int = 0
    """Bars before this one that it stands for."""

    def read(self, chords: str) -> None:
        for found in _TOKEN.finditer(chords):
            kind, value = found.lastgroup, found[0]
            if kind == "time":
                self._time(found["time"])
            elif kind == "section":
                self.section = _SECTIONS.get(found["section"], found["section"])
            elif kind == "ending":
                self.endings = frozenset({int(found["ending"])})
            elif kind == "comment":
                self._comment(found["comment"])
            elif kind == "line":
                self._line(value)
            elif kind == "chord":
                self._chord(value)
            elif kind == "sign":
                self._sign(value)
            elif kind == "alternate":
                pass  # a second chord over the first, for those who like it
        self._close()

    def _place(self) -> str:
        return f"bar {len(self.written) + 1}"

    def _time(self, digits: str) -> None:
        name = _METERS.get(digits, f"{digits[0]}/{digits[1]}")
        try:
            self.meter = parse_meter(name)
        except ValueError as error:
            raise SheetError(f"{self._place()}: {error}") from None

    def _chord(self, name: str) -> None:
        if name.startswith("W"):
            # An invisible root: the chord before over another bass.
            before = next((c for cell in reversed(self.cells) for c in reversed(cell) if c != HOLD), None)
            bass = name.partition("/")[2]
            if before is None or not bass:
                self.cells.append([HOLD])
                return
            name = f"{before.partition('/')[0]}/{bass}"
        self.cells.append([label_of(_plain(name), self._place(), self.notices)])

    def _sign(self, sign: str) -> None:
        if sign == "p":
            self.cells.append([HOLD])
        elif sign == "n":
            self.cells.append(["N"])
        elif sign in "xr":
            self.repeated = 1 if sign == "x" else 2
        elif sign == "S":
            self.marks = replace(self.marks, segno=True)
        elif sign == "Q":
            # The first stands after the bar that leaves, the second before the coda.
            if any(each.marks.to_coda for each in self.written) or self.marks.to_coda:
                self.marks = replace(self.marks, coda=True)
            else:
                self.marks = replace(self.marks, to_coda=True)

    def _comment(self, text: str) -> None:
        jump = re.search(r"D\.?\s?([CS])\.?", text)
        if jump is not None:
            self.marks = replace(self.marks, jump=f"D.{jump[1]}.")
        elif re.match(r"\s*fine", text, re.IGNORECASE):
            self.marks = replace(self.marks, fine=True)
        elif times := re.match(r"\s*(\d)\s*x", text):
            self.times = max(1, int(times[1]))

    def _line(self, sign: str) -> None:
        self._close()
        if sign == "{":
            self.marks = replace(self.marks, start=True)
        elif sign == "}" and self.written:
            last = self.written[-1]
            self.written[-1] = replace(last, marks=replace(last.marks, end=self.times))
            self.endings, self.times = frozenset(), 2
        elif sign in "]Z":
            self.endings = frozenset()

    def _close(self) -> None:
        """End the bar, unless nothing is in it."""
        if not self.cells and not self.repeated:
            return
        marks = replace(self.marks, endings=self.endings)
        if self.repeated:
            if len(self.written) < self.repeated:
                raise SheetError(f"{self._place()}: it repeats a bar before it, and there is none")
            for earlier in self.written[-self.repeated :]:
                self.written.append(Written(Bar(self.meter, earlier.bar.chords, section=self.section), marks))
                self.section = None
        else:
            chords = chords_of_cells(self.cells, Fraction(self.meter.beats_per_bar))
            self.written.append(Written(Bar(self.meter, chords, section=self.section), marks))
        self.cells, self.section, self.repeated, self.marks = [], None, 0, Marks()


def _plain(name: str) -> str:
    """The app's ``C^7``, ``C-7``, ``Ch7`` are read as they are; ``Co`` is diminished, ``Csus`` a seventh there."""
    name = re.sub(r"^([A-G][#b]?)o", r"\1dim", name)
    return re.sub(r"^([A-G][#b]?)sus(?=/|$)", r"\g<1>7sus4", name)


def write(sheet: Sheet) -> str:
    """The address of the song, open; tempo, melody and what changes within it but the meter have no place in it."""
    key = next((bar.key for bar in sheet.bars if bar.key is not None), "C major")
    chords = "".join(_bars(sheet))
    fields = [sheet.title or "Untitled", sheet.composer or "Unknown", "Medium Swing", _app_key(key), "n", chords]
    return OPEN + quote("=".join(each.replace("=", "-") for each in fields)) + "\n"


def _app_key(key: str) -> str:
    return short_key(key).replace("m", "-")


def _bars(sheet: Sheet) -> Iterator[str]:
    meter: Meter | None = None
    held = "N"
    for number, bar in enumerate(sheet.bars):
        yield "[" if number == 0 else "|"
        if bar.section is not None:
            names = {name: sign for sign, name in _SECTIONS.items()}
            yield f"*{names.get(bar.section, (bar.section[:1] or 'A').upper())}"
        if bar.meter != meter:
            meter = bar.meter
            yield f"T{meter.name.replace('/', '') if meter.name != '12/8' else '12'}"
        cells = cells_of(bar)
        if cells[0] == HOLD:
            cells[0] = held
        held = next((cell for cell in reversed(cells) if cell != HOLD), held)
        yield " ".join("p" if cell == HOLD else "n" if cell == "N" else _app_chord(cell) for cell in cells)
        yield " "
    yield "Z"


def _app_chord(label: str) -> str:
    """A label in the app's spelling."""
    name, slash, bass = label.partition("/")
    for ours, theirs in (("maj7", "^7"), ("m7b5", "h7"), ("dim", "o"), ("aug", "+"), ("m", "-")):
        root = re.match(r"[A-G][#b]?", name)
        if root is not None and name[root.end() :].startswith(ours):
            name = root[0] + theirs + name[root.end() + len(ours) :]
            break
    return name + slash + bass
