"""ABC notation (2.1) with chord symbols: one voice, repeats and endings, changes of meter, key, tempo and unit.

Of a file with several tunes the first is read, of a tune with several voices the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from flowmusic.controls.meter import Meter, parse_meter
from flowmusic.controls.vocabulary import ROOTS
from flowmusic.sheets.chordpro import short_key
from flowmusic.sheets.repeats import Marks
from flowmusic.sheets.sheet import FOUR, Bar, Note, Sheet
from flowmusic.sheets.written import SheetError, Written, label_of, played

SUFFIXES = (".abc",)
_FIELD = re.compile(r"([A-Za-z]):\s*(.*)")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS, _FLATS = "FCGDAEB", "BEADGCF"
_TONICS = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F": -1}
_MODES = {"maj": 0, "ion": 0, "mix": -1, "dor": -2, "min": -3, "m": -3, "aeo": -3, "phr": -4, "loc": -5, "lyd": 1}
"""Fifths from the major key of the same tonic."""
_TUPLETS = {2: 3, 3: 2, 4: 3, 5: 2, 6: 2, 7: 2, 8: 3, 9: 2}
"""``(n``: n notes in the time of so many (of 5, 7 and 9 in simple meters)."""
_TOKEN = re.compile(
    r'"(?P<text>[^"]*)"|!(?P<mark>[^!|]*)!|\[(?P<inline>[A-Za-z]):(?P<value>[^\]]*)\]|\{[^}]*\}|'
    r"(?P<bar>:*\|[|\]:]*|\[\||::+)(?P<ending>[ \t]*\[?\d[\d,-]*)?|\[(?P<only>\d[\d,-]*)|"
    r"\((?P<tuplet>\d)(?::(?P<time>\d?))?(?::(?P<count>\d?))?|"
    r"\[(?P<chord>(?:[\^_=]*[A-Ga-g][,']*[\d/]*)+)\](?P<chord_length>[\d/]*)|"
    r"(?P<accidental>\^{1,2}|_{1,2}|=)?(?P<note>[A-Ga-gzxZ])(?P<octave>[,']*)(?P<length>[\d/]*)|"
    r"(?P<broken>[<>]+)|(?P<tie>-)|(?P<comment>%.*)|."
)
_PITCH = re.compile(r"([\^_=]*)([A-Ga-g])([,']*)([\d/]*)")


def matches(text: str) -> bool:
    """Whether a text is a tune: it has a key, and a number or a title before it."""
    return re.search(r"^[XT]:.*^K:", text, re.MULTILINE | re.DOTALL) is not None


def read(text: str) -> Sheet:
    """Read the first tune.  Raises: SheetError naming the line."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), start=1):
        if not reader.line(number, line):
            break
    return reader.sheet()


@dataclass
class _Reader:
    """What holds after the lines so far."""

    about: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    body: bool = False
    voice: str | None = None
    silent: bool = False
    """In another voice than the first."""
    meter: Meter = FOUR
    unit: Fraction | None = None
    fifths: int = 0
    bpm: float | None = None
    key: str | None = None
    section: str | None = None
    endings: frozenset[int] = frozenset()
    start: bool = False
    signs: Marks = field(default_factory=Marks)
    chords: list[tuple[Fraction, str]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    at: Fraction = Fraction(0)
    """Quarters from the start of the bar."""
    accidentals: dict[tuple[str, str], int] = field(default_factory=dict)
    tuplet: tuple[int, Fraction] = (0, Fraction(1))
    broken: Fraction = Fraction(1)
    tie: bool = False
    place: str = ""

    def line(self, number: int, line: str) -> bool:
        """Read a line; whether the tune goes on."""
        self.place = f"line {number}"
        if line.startswith("%") or not line.strip():
            return not (self.body and not line.strip() and self.written)
        told = _FIELD.fullmatch(line.split("%")[0].rstrip())
        if told is not None and (not self.body or told[1] in "KLMPQTVwWsIrR"):
            if told[1] == "X" and self.body:
                return False
            self._field(told[1], told[2])
        elif self.body and not self.silent:
            self._music(line)
        return True

    def sheet(self) -> Sheet:
        self._close("")
        if not self.written:
            raise SheetError("the tune has no bars; music begins after a line K: with the key")
        bars = played(self.written)
        melody = any(bar.notes for bar in bars)
        return Sheet(bars, self.about.get("T"), self.about.get("C"), melody, tuple(self.notices))

    def _field(self, name: str, value: str) -> None:
        try:
            if name in "TC":
                self.about.setdefault(name, value)
            elif name == "M":
                self.meter = parse_meter({"C": "4/4", "C|": "2/2", "none": "4/4"}.get(value, value))
            elif name == "L":
                self.unit = Fraction(value)
            elif name == "Q":
                self._tempo(value)
            elif name == "K":
                self._key(value)
                self.body = True
            elif name == "P" and self.body:
                self.section = value
            elif name == "V":
                voice = value.split()[0] if value.split() else ""
                self.voice = self.voice or voice
                self.silent = voice != self.voice
        except (ValueError, ZeroDivisionError) as error:
            raise SheetError(f"{self.place}: {name}:{value[:30]} cannot be read ({error})") from None

    def _tempo(self, value: str) -> None:
        """``1/4=120``, ``120`` (of the unit), or words, which say nothing exact."""
        match = re.search(r"(?:(\d+/\d+)\s*=\s*)?(\d+(?:\.\d+)?)\s*$", re.sub(r'"[^"]*"', "", value))
        if match is not None:
            unit = Fraction(match[1]) if match[1] else Fraction(1, 4)
            self.bpm = round(float(match[2]) * float(unit) * 4.0 / self.meter.beat_quarters, 4)

    def _key(self, value: str) -> None:
        match = re.match(r"([A-G])([#b]?)\s*([A-Za-z]*)", value)
        if match is None or value.lower().startswith("none"):
            self.fifths, self.key = 0, None
            return
        mode = match[3].lower()
        name = next((each for each in sorted(_MODES, key=len, reverse=True) if mode.startswith(each)), "maj")
        self.fifths = _TONICS[match[1]] + 7 * {"#": 1, "b": -1, "": 0}[match[2]] + _MODES[name]
        minor = _MODES[name] < -1 and name != "mix"
        self.key = f"{match[1]}{match[2]} {'minor' if minor else 'major'}"

    def _music(self, line: str) -> None:
        for found in _TOKEN.finditer(line):
            if found["comment"] is not None:
                break
            if found["inline"] is not None:
                self._field(found["inline"], found["value"].strip())
            elif found["text"] is not None:
                self._text(found["text"])
            elif found["mark"] is not None:
                self._mark(found["mark"])
            elif found["bar"] is not None:
                self._close(found["bar"])
                self._ending(found["ending"])
            elif found["only"] is not None:
                self._ending(found["only"])
            elif found["tuplet"] is not None:
                count = int(found["tuplet"])
                time = int(found["time"] or _TUPLETS.get(count, 2))
                self.tuplet = (int(found["count"] or count), Fraction(time, max(1, count)))
            elif found["chord"] is not None:
                self._stack(found["chord"], found["chord_length"])
            elif found["note"] is not None:
                self._note(found["note"], found["accidental"] or "", found["octave"], found["length"])
            elif found["broken"] is not None:
                self._break(found["broken"])
            elif found["tie"] is not None:
                self.tie = True

    def _text(self, text: str) -> None:
        """A chord symbol, but for what begins with a sign of place: such is a remark."""
        if not text.strip() or text[0] in "^_<>@":
            return
        beat = self.at / Fraction(self.meter.beat_quarters)
        label = label_of(text.strip(), self.place, self.notices)
        self.chords = [chord for chord in self.chords if chord[0] != beat] + [(beat, label)]

    def _mark(self, name: str) -> None:
        lower = name.lower().replace(".", "").replace(" ", "")
        if lower == "segno":
            self.signs = replace(self.signs, segno=True)
        elif lower == "coda":
            self.signs = replace(self.signs, coda=True)
        elif lower == "fine":
            self.signs = replace(self.signs, fine=True)
        elif lower.startswith(("dc", "dacapo")):
            self.signs = replace(self.signs, jump="D.C.")
        elif lower.startswith(("ds", "dalsegno")):
            self.signs = replace(self.signs, jump="D.S.")

    def _ending(self, text: str | None) -> None:
        digits = re.findall(r"\d+", text or "")
        if digits:
            low_high = re.fullmatch(r"\s*\[?(\d+)-(\d+)", text or "")
            numbers = range(int(low_high[1]), int(low_high[2]) + 1) if low_high else map(int, digits)
            self.endings = frozenset(numbers)

    def _length(self, text: str) -> Fraction:
        """Quarters of a note with this behind it; takes part in a tuplet and a broken rhythm."""
        if not re.fullmatch(r"\d{0,3}(?:/+|/\d{1,3})?", text):
            raise SheetError(f"{self.place}: {text[:20]!r} is no length")
        top, slash, bottom = text.partition("/")
        below = int(bottom) if bottom.isdigit() else 2 ** len(slash + bottom)
        if below == 0:
            raise SheetError(f"{self.place}: {text!r} is no length")
        unit = self.unit or (Fraction(1, 8) if 4 * self._quarters() >= 12 else Fraction(1, 16))
        length = 4 * unit * Fraction(int(top or 1), below) * self.broken
        self.broken = Fraction(1)
        left, factor = self.tuplet
        if left:
            self.tuplet = (left - 1, factor)
            length *= factor
        return length

    def _quarters(self) -> Fraction:
        """Of a bar of the present meter."""
        return Fraction(self.meter.beats_per_bar) * Fraction(self.meter.beat_quarters)

    def _note(self, letter: str, accidental: str, octave: str, length: str) -> None:
        if letter == "Z":
            for _ in range(min(int(length or 1), 1000) - 1):
                self.at = self._quarters()
                self._close("|")
            self.at = self._quarters()
            return
        quarters = self._length(length)
        if letter not in "zx":
            self._sound(self._midi(letter, accidental, octave), quarters)
        self.at += quarters

    def _stack(self, text: str, length: str) -> None:
        """Notes at once, of which the highest is the melody."""
        found = _PITCH.findall(text)
        midi = max(self._midi(letter, accidental, octave) for accidental, letter, octave, _ in found)
        inner = found[0][3]
        quarters = self._length(length or inner)
        self._sound(midi, quarters)
        self.at += quarters

    def _sound(self, midi: int, quarters: Fraction) -> None:
        beat = Fraction(self.meter.beat_quarters)
        tied, self.tie = self.tie, False
        if tied and self.notes and self.notes[-1][2] == midi:
            start, long, _ = self.notes[-1]
            self.notes[-1] = (start, long + quarters / beat, midi)
            return
        if tied and not self.notes and self.written and self.written[-1].bar.notes:
            last = self.written[-1]
            start, long, before = last.bar.notes[-1]
            if before == midi:
                notes = (*last.bar.notes[:-1], (start, long + quarters / beat, midi))
                self.written[-1] = replace(last, bar=replace(last.bar, notes=notes))
                return
        self.notes.append((self.at / beat, quarters / beat, midi))

    def _midi(self, letter: str, accidental: str, octave: str) -> int:
        name = letter.upper()
        if accidental:
            self.accidentals[(letter, octave)] = accidental.count("^") - accidental.count("_")
        signed = name in (_SHARPS[: self.fifths] if self.fifths > 0 else _FLATS[: -self.fifths])
        own = (1 if self.fifths > 0 else -1) if signed else 0
        alter = self.accidentals.get((letter, octave), own)
        midi = 60 + _STEPS[name] + 12 * letter.islower() + 12 * (octave.count("'") - octave.count(",")) + alter
        if not 0 <= midi <= 127:
            raise SheetError(f"{self.place}: {letter}{octave} is no note of MIDI's")
        return midi

    def _break(self, signs: str) -> None:
        """``>``: the note before is dotted, the next one cut; ``<`` the other way round."""
        cut = Fraction(1, 2 ** len(signs))
        first, second = (2 - cut, cut) if signs[0] == ">" else (cut, 2 - cut)
        if self.notes:
            start, long, midi = self.notes[-1]
            change = long * (first - 1)
            self.notes[-1] = (start, long + change, midi)
            self.at += change * Fraction(self.meter.beat_quarters)
        self.broken = second

    def _close(self, sign: str) -> None:
        """End the bar, unless nothing is in it; then what the bar line says of repeats."""
        if self.at or self.chords:
            whole, length = Fraction(self.meter.beats_per_bar), self.at / Fraction(self.meter.beat_quarters)
            # Notes and rests say how long a bar is: a pick-up, and the bar before the repeat that it leads into.
            short = length if 0 < length < whole else None
            bar = Bar(self.meter, tuple(self.chords), tuple(self.notes), short, self.bpm, self.key, self.section)
            marks = replace(self.signs, start=self.start, endings=self.endings)
            self.written.append(Written(bar, marks))
            self.bpm, self.key, self.section, self.start, self.signs = None, None, None, False, Marks()
        self.chords, self.notes, self.at, self.accidentals = [], [], Fraction(0), {}
        if sign.startswith(":") and self.written:
            last = self.written[-1]
            self.written[-1] = replace(last, marks=replace(last.marks, end=2))
        if sign.startswith(":") or sign in ("||", "|]"):
            self.endings = frozenset()
        if sign.endswith(":"):
            self.start = True


def write(sheet: Sheet) -> str:
    """The sheet as a tune; chords and melody, on the unit of an eighth."""
    first = sheet.bars[0] if sheet.bars else Bar()
    lines = ["X:1", f"T:{sheet.title or 'Untitled'}"]
    if sheet.composer:
        lines.append(f"C:{sheet.composer}")
    lines += [f"M:{first.meter.name}", "L:1/8"]
    if first.bpm is not None:
        lines.append(f"Q:{_tempo_of(first)}")
    lines.append(f"K:{short_key(first.key) if first.key else 'C'}")
    return "\n".join([*lines, *_bars(sheet)]) + "\n"


def _tempo_of(bar: Bar) -> str:
    return f"{Fraction(bar.meter.beat_quarters) / 4}={bar.bpm:g}"


def _bars(sheet: Sheet) -> Iterator[str]:
    meter = sheet.bars[0].meter if sheet.bars else FOUR
    over: tuple[int, Fraction] | None = None
    row: list[str] = []
    for number, bar in enumerate(sheet.bars):
        if bar.section is not None or len(row) == 4:
            if row:
                yield " | ".join(row) + " |"
            row = []
            if bar.section is not None:
                yield f"P:{bar.section}"
        told = f"[M:{bar.meter.name}]" if bar.meter != meter else ""
        told += f"[Q:{_tempo_of(bar)}]" if bar.bpm is not None and number else ""
        told += f"[K:{short_key(bar.key)}]" if bar.key is not None and number else ""
        meter = bar.meter
        music, over = _music_of(bar, over)
        row.append(told + music)
    if row:
        yield " | ".join(row) + " |]"


def _music_of(bar: Bar, over: tuple[int, Fraction] | None) -> tuple[str, tuple[int, Fraction] | None]:
    """The notes and rests of a bar, cut where a chord begins, for a symbol stands at a note; and what leads over."""
    sounding: list[tuple[Fraction, Fraction, int]] = [] if over is None else [(Fraction(0), over[1], over[0])]
    sounding += bar.notes
    ends = [*(start for start, _, _ in sounding[1:]), bar.beats]
    spans = [(start, min(start + long, end), midi) for (start, long, midi), end in zip(sounding, ends)]
    chords = dict(bar.chords)
    edges = sorted({Fraction(0), bar.beats, *chords, *(t for start, end, _ in spans for t in (start, end))})
    last = sounding[-1] if sounding else None
    beyond = last[0] + last[1] - bar.beats if last else Fraction(0)
    unit = Fraction(bar.meter.beat_quarters) * 2
    words = []
    for start, end in zip(edges, edges[1:], strict=False):
        symbol = f'"{"N.C." if chords[start] == "N" else chords[start]}"' if start in chords else ""
        span = next((each for each in spans if each[0] <= start < each[1]), None)
        length = _length_of((end - start) * unit)
        if span is None:
            words.append(f"{symbol}z{length}")
        else:
            goes_on = end < span[1] or (end == bar.beats and beyond > 0 and span is spans[-1])
            words.append(f"{symbol}{_name_of(span[2])}{length}{'-' if goes_on else ''}")
    return " ".join(words), (last[2], beyond) if last and beyond > 0 else None


def _length_of(units: Fraction) -> str:
    return "" if units == 1 else str(units)


def _name_of(midi: int) -> str:
    """A note with its accidental always written, so that neither key nor bar matters."""
    name = ROOTS[midi % 12]
    sign = {"#": "^", "b": "_"}.get(name[1:], "=")
    octave = midi // 12 - 5
    if octave <= 0:
        return f"{sign}{name[0]}{',' * -octave}"
    return f"{sign}{name[0].lower()}" + "'" * (octave - 1)
