"""MusicXML (4.0): harmony and melody of a lead sheet, with repeats, endings, jumps, pick-up bars and changes.

Read are the first part that has chord symbols, else the first that has pitched notes, and of it the highest notes of
the first voice that has any.  Transposing parts are read as they sound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element

from flowmusic.controls.meter import Meter, parse_meter
from flowmusic.controls.vocabulary import transpose
from flowmusic.sheets.repeats import Marks
from flowmusic.sheets.sheet import FOUR, Bar, Note, Sheet
from flowmusic.sheets.written import SheetError, Written, label_of, played
from flowmusic.sheets.xml_tree import parse, read_bytes

SUFFIXES = (".musicxml", ".mxl", ".xml")
KINDS = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7", "major-seventh": "maj7",
    "minor-seventh": "m7", "diminished-seventh": "dim7", "augmented-seventh": "aug7", "half-diminished": "m7b5",
    "major-minor": "mmaj7", "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "m11", "dominant-13th": "13",
    "major-13th": "maj13", "minor-13th": "m13", "suspended-second": "sus2", "suspended-fourth": "sus4", "power": "5",
}  # fmt: skip
"""MusicXML's kinds of chords, as a lead sheet writes them."""
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MAJORS = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
MINORS = ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")
"""Tonics from seven flats to seven sharps."""
MOST_ALTER = 3


def read(path: Path) -> Sheet:
    """Read a file, packed or not.  Raises: SheetError naming the file, or the measure."""
    return of_tree(parse(read_bytes(path), path))


def of_tree(score: Element) -> Sheet:
    """The sheet of a parsed score.  Raises: SheetError naming the measure."""
    if score.tag not in ("score-partwise", "score-timewise"):
        raise SheetError(f"the document is a {score.tag[:40]!r}, not a score of MusicXML; export it as MusicXML")
    parts = _parts(score)
    chosen = next((p for p in parts if any(m.find(".//harmony") is not None for m in p)), None)
    chosen = chosen or next((p for p in parts if any(m.find(".//pitch") is not None for m in p)), None)
    if chosen is None:
        raise SheetError("the score has neither chord symbols nor notes")
    reader = _Reader(_voice(chosen))
    for measure in chosen:
        reader.measure(measure)
    bars = played(reader.finished())
    title = score.findtext("work/work-title") or score.findtext("movement-title")
    composer = next((c.text for c in score.iterfind("identification/creator") if c.get("type") == "composer"), None)
    melody = any(bar.notes for bar in bars)
    return Sheet(bars, _words(title), _words(composer), melody, tuple(reader.notices))


def _words(text: str | None) -> str | None:
    return " ".join(text.split())[:200] or None if text else None


def _parts(score: Element) -> list[list[Element]]:
    """The measures of every part, in either order of the two."""
    if score.tag == "score-partwise":
        return [list(part.iterfind("measure")) for part in score.iterfind("part")]
    found: dict[str, list[Element]] = {}
    for measure in score.iterfind("measure"):
        for part in measure.iterfind("part"):
            part.attrib.update({key: value for key, value in measure.attrib.items() if key != "id"})
            found.setdefault(part.get("id", ""), []).append(part)
    return list(found.values())


def _voice(measures: list[Element]) -> str | None:
    """The first voice with pitched notes."""
    for measure in measures:
        for note in measure.iterfind("note"):
            if note.find("pitch") is not None:
                return note.findtext("voice")
    return None


@dataclass
class _Reader:
    """What holds after the measures so far."""

    voice: str | None
    notices: list[str] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    divisions: Fraction = Fraction(1)
    meter: Meter = FOUR
    shift: int = 0
    """Semitones from what is written to what sounds."""
    endings: frozenset[int] = frozenset()
    tied: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Pitches that a tie holds: bar and place of the note that they began with."""
    # Of the measure that is being read.
    bar: Bar = field(default_factory=Bar)
    marks: Marks = field(default_factory=Marks)
    chords: dict[Fraction, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    at: Fraction = Fraction(0)
    latest: Fraction = Fraction(0)
    place: str = ""
    ending_over: bool = False

    def finished(self) -> list[Written]:
        if not self.written:
            raise SheetError("the score has no measures")
        return self.written

    def measure(self, measure: Element) -> None:
        """Read a measure.  Positions are in quarters until its meter is known."""
        self.place = f"measure {measure.get('number', len(self.written) + 1)}"
        self.bar, self.marks = Bar(), Marks(endings=self.endings)
        self.chords, self.notes, self.at, self.latest = {}, [], Fraction(0), Fraction(0)
        self.ending_over = False
        for item in measure:
            if item.tag in _ITEMS:
                try:
                    _ITEMS[item.tag](self, item)
                except (ValueError, ZeroDivisionError, OverflowError) as error:
                    if isinstance(error, SheetError):
                        raise
                    raise SheetError(f"{self.place}: <{item.tag}> cannot be read ({str(error)[:80]})") from None
        # A beat may be more than a quarter.
        beat = Fraction(self.meter.beat_quarters)
        chords = tuple((at / beat, label) for at, label in sorted(self.chords.items()))
        notes = tuple((at / beat, long / beat, midi) for at, long, midi in self.notes)
        length, whole = self.latest / beat, Fraction(self.meter.beats_per_bar)
        # A pick-up, and the bar before the repeat that it leads into; others that fall short are written carelessly.
        early = measure.get("implicit") == "yes" or not self.written or bool(self.marks.end or self.marks.endings)
        short = length if early and 0 < length < whole else None
        bar = replace(self.bar, meter=self.meter, chords=chords, notes=notes, short=short)
        self.written.append(Written(bar, replace(self.marks, endings=self.endings)))
        if self.ending_over:
            self.endings = frozenset()

    def _attributes(self, item: Element) -> None:
        if (divisions := item.findtext("divisions")) is not None:
            self.divisions = Fraction(divisions)
            if self.divisions <= 0:
                raise ValueError("divisions must be above 0")
        time = item.find("time")
        if time is not None and time.find("senza-misura") is None:
            beats = sum(int(part) for part in (time.findtext("beats") or "4").split("+"))
            self.meter = parse_meter(f"{beats}/{time.findtext('beat-type') or '4'}")
        key = item.find("key")
        if key is not None and (fifths := key.findtext("fifths")) is not None:
            minor = (key.findtext("mode") or "major").strip() == "minor"
            number = int(fifths)
            if abs(number) > 7:
                raise ValueError(f"{number} fifths are no key")
            tonic = (MINORS if minor else MAJORS)[number + 7]
            self.bar = replace(self.bar, key=f"{tonic} {'minor' if minor else 'major'}")
        transposed = item.find("transpose")
        if transposed is not None:
            octaves = int(transposed.findtext("octave-change") or 0)
            self.shift = int(transposed.findtext("chromatic") or 0) + 12 * octaves

    def _note(self, item: Element) -> None:
        if item.find("grace") is not None:
            return
        duration = self._quarters(item.findtext("duration") or "0")
        start = self.at if item.find("chord") is None else self.at - duration
        if item.find("chord") is None:
            self.at += duration
            self.latest = max(self.latest, self.at)
        pitch = item.find("pitch")
        if pitch is None or item.findtext("voice") != self.voice or (item.findtext("staff") or "1") != "1":
            return
        midi = self._midi(pitch) + self.shift
        ties = {tie.get("type") for tie in item.iterfind("tie")}
        beat = Fraction(self.meter.beat_quarters)
        if "stop" in ties and midi in self.tied:
            number, place = self.tied[midi]
            self._lengthen(number, place, duration, beat)
            if "start" not in ties:
                del self.tied[midi]
            return
        self.notes.append((start, duration, midi))
        if "start" in ties:
            self.tied[midi] = (len(self.written), len(self.notes) - 1)

    def _lengthen(self, number: int, place: int, quarters: Fraction, beat: Fraction) -> None:
        """Let a note that is tied last longer; in bars before this one lengths are in beats already."""
        if number == len(self.written):
            start, long, midi = self.notes[place]
            self.notes[place] = (start, long + quarters, midi)
            return
        bar = self.written[number].bar
        notes = list(bar.notes)
        start, long, midi = notes[place]
        notes[place] = (start, long + quarters / beat, midi)
        self.written[number] = replace(self.written[number], bar=replace(bar, notes=tuple(notes)))

    def _backup(self, item: Element) -> None:
        self.at = max(Fraction(0), self.at - self._quarters(item.findtext("duration") or "0"))

    def _forward(self, item: Element) -> None:
        self.at += self._quarters(item.findtext("duration") or "0")
        self.latest = max(self.latest, self.at)

    def _quarters(self, text: str) -> Fraction:
        found = Fraction(text.strip()) / self.divisions
        if not 0 <= found <= 1000:
            raise ValueError(f"a duration of {found} quarters")
        return found

    def _harmony(self, item: Element) -> None:
        offset = item.findtext("offset")
        at = self.at + (Fraction(offset.strip()) / self.divisions if offset else 0)
        kind = item.find("kind")
        kind_name = (kind.text or "").strip() if kind is not None else ""
        if kind_name == "none":
            self.chords[max(Fraction(0), at)] = "N"
            return
        root = _named(item, "root")
        if root is None or kind is None:
            numeral = "a numeral or a function" if item.find("root") is None else "no step"
            self.notices.append(f"{self.place}: a chord symbol of {numeral} is left out")
            return
        suffix = KINDS.get(kind_name)
        if suffix is None:
            # "other" tells in its text alone what it is.
            suffix = kind.get("text", "") or kind_name
        degrees = "".join(self._degree(each) for each in item.iterfind("degree"))
        bass = _named(item, "bass")
        name = f"{root}{suffix}{degrees}{f'/{bass}' if bass else ''}"
        label = label_of(name, self.place, self.notices)
        # Where a pitch sounds elsewhere than it is written, so does its chord.
        self.chords[max(Fraction(0), at)] = transpose(label, self.shift % 12) if self.shift % 12 else label

    @staticmethod
    def _degree(item: Element) -> str:
        value, alter = item.findtext("degree-value") or "", int(item.findtext("degree-alter") or 0)
        if not value.strip().isdigit() or abs(alter) > MOST_ALTER:
            raise ValueError("a degree without a number")
        kind = (item.findtext("degree-type") or "add").strip()
        sign = ("#" * alter if alter > 0 else "b" * -alter) + value.strip()
        return f"no{value.strip()}" if kind == "subtract" else sign if kind == "alter" or alter else f"add{sign}"

    def _direction(self, item: Element) -> None:
        sound = item.find("sound")
        if sound is not None:
            self._sound(sound)
        rehearsal = item.findtext(".//rehearsal")
        if rehearsal and rehearsal.strip():
            self.bar = replace(self.bar, section=" ".join(rehearsal.split())[:60])
        if item.find(".//segno") is not None:
            self.marks = replace(self.marks, segno=True)
        words = " ".join(text.text or "" for text in item.iterfind(".//words"))
        told = sound is not None and any(sound.get(k) for k in ("dacapo", "dalsegno", "fine", "tocoda", "coda"))
        if not told:
            self._in_words(words, item)
        metronome = item.find(".//metronome")
        if metronome is not None and (sound is None or sound.get("tempo") is None):
            self._metronome(metronome)

    def _in_words(self, words: str, item: Element) -> None:
        jump = re.search(r"\bD\.?\s*([CS])\b\.?", words)
        if jump:
            self.marks = replace(self.marks, jump=f"D.{jump[1]}.")
        elif re.search(r"\bto\s+coda\b", words, re.IGNORECASE):
            self.marks = replace(self.marks, to_coda=True)
        elif re.fullmatch(r"\s*fine\s*", words, re.IGNORECASE):
            self.marks = replace(self.marks, fine=True)
        elif item.find(".//coda") is not None:
            self.marks = replace(self.marks, coda=True)

    def _sound(self, item: Element) -> None:
        if tempo := item.get("tempo"):
            self._tempo(float(tempo))
        if item.get("dacapo") == "yes":
            self.marks = replace(self.marks, jump="D.C.")
        if item.get("dalsegno"):
            self.marks = replace(self.marks, jump="D.S.")
        if item.get("fine"):
            self.marks = replace(self.marks, fine=True)
        if item.get("tocoda"):
            self.marks = replace(self.marks, to_coda=True)
        if item.get("coda"):
            self.marks = replace(self.marks, coda=True)
        if item.get("segno"):
            self.marks = replace(self.marks, segno=True)

    def _metronome(self, item: Element) -> None:
        unit, minute = (item.findtext("beat-unit") or "").strip(), item.findtext("per-minute") or ""
        lengths = {"whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25}
        number = re.search(r"\d+(?:\.\d+)?", minute)
        if unit in lengths and number:
            dots = 1.5 if item.find("beat-unit-dot") is not None else 1.0
            self._tempo(float(number[0]) * lengths[unit] * dots)

    def _tempo(self, quarters: float) -> None:
        """Told in quarters a minute; of several in a bar the first holds."""
        bpm = round(quarters / self.meter.beat_quarters, 4)
        if not 5.0 <= bpm <= 1000.0:
            raise ValueError(f"a tempo of {bpm:g}")
        if self.bar.bpm is None:
            self.bar = replace(self.bar, bpm=bpm)

    def _barline(self, item: Element) -> None:
        repeat = item.find("repeat")
        if repeat is not None and repeat.get("direction") == "forward":
            self.marks = replace(self.marks, start=True)
        elif repeat is not None:
            self.marks = replace(self.marks, end=max(2, int(repeat.get("times") or 2)))
        ending = item.find("ending")
        if ending is not None and ending.get("type") == "start":
            self.endings = frozenset(int(digits) for digits in re.findall(r"\d+", ending.get("number", "")))
        elif ending is not None:
            self.ending_over = True
        if item.find("segno") is not None:
            self.marks = replace(self.marks, segno=True)
        if item.find("coda") is not None:
            self.marks = replace(self.marks, coda=True)

    @staticmethod
    def _midi(pitch: Element) -> int:
        step, octave = (pitch.findtext("step") or "").strip(), int(pitch.findtext("octave") or "")
        if step not in _STEPS:
            raise ValueError(f"{step[:10]!r} is no step")
        midi = 12 * (octave + 1) + _STEPS[step] + round(float(pitch.findtext("alter") or 0))
        if not 0 <= midi <= 127:
            raise ValueError(f"note {midi} is none of MIDI's")
        return midi


def _named(item: Element, what: str) -> str | None:
    """``root`` or ``bass`` of a chord symbol, as a note name."""
    found = item.find(what)
    step = (found.findtext(f"{what}-step") or "").strip() if found is not None else ""
    if found is None or step not in _STEPS:
        return None
    alter = round(float(found.findtext(f"{what}-alter") or 0))
    if abs(alter) > MOST_ALTER:
        raise ValueError(f"{alter} accidentals")
    return step + ("#" * alter if alter > 0 else "b" * -alter)


_ITEMS = {
    "attributes": _Reader._attributes,
    "note": _Reader._note,
    "backup": _Reader._backup,
    "forward": _Reader._forward,
    "harmony": _Reader._harmony,
    "direction": _Reader._direction,
    "sound": _Reader._sound,
    "barline": _Reader._barline,
}
"""What of a measure is read, in the order in which it stands there."""
