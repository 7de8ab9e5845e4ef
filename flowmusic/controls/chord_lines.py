"""Which lines of a pasted text hold chords: the rest (headings, words, tablature, remarks) is skipped and said.

People paste chord sheets from web pages, word processors and chat, so the layout is cleaned first: line ends of every
system, spaces of every width, marks that nobody sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flowmusic.controls import chord_hints
from flowmusic.controls.harmony import ChordError, reads, shown

MOST = 10_000
"""Characters of a text that is read; a song has a thousand."""

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_UNSEEN = re.compile("[\u200c-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe0e\ufe0f\xad]")
_LAYOUT = str.maketrans(
    {
        "\u200b": " ", "｜": "|", "¦": "|", "│": "|", "┃": "|", "‖": "||", "∥": "||", "𝄀": "|", "𝄁": "||", "𝄂": "||",
        "𝄃": "||", "𝄆": "||:", "𝄇": ":||", "…": "...", "，": ",", "；": ";", "：": ":", "（": "(", "）": ")",
        "【": "[", "】": "]", "×": "x", "✕": "x", "✖": "x", "％": "%", "٪": "%", "𝄎": "%",
    }
)  # fmt: skip
QUOTES = "\"'`´“”„‘’‚«»"

_SECTION = (
    r"(?:intro|verse?|strophe|(?:pre|post)[ -]?chorus|chorus|refrain|bridge|(?:\w+ )?solo|interlude|instrumental|outro|"
    r"coda|ending|end|hook|break(?:down)?|tag|vamp|turnaround|head|theme|part|section|riff|middle(?: 8| eight)?|loop|"
    r"drop|build[ -]?up|progression|chords|couplet|estribillo|estrofa|coro|ponte|ritornello|strofa)"
)
_COUNT = r"(?:\s*\(?\s*(?:x\s*(\d+)|(\d+)\s*x)\s*\)?)"
_BARE_HEADING = re.compile(rf"\(?{_SECTION}(?:\s*\d+|\s+[A-D])?\)?{_COUNT}?\s*\.?", re.IGNORECASE)
_LEADING = re.compile(rf"{_SECTION}(?:\s*\d+)?(?:\s*[-–—])?\s+", re.IGNORECASE)
_BRACKET = re.compile(rf"\[([^\[\]|]*)\](?:{_COUNT}(?=\s*$))?", re.IGNORECASE)
_COLON = re.compile(rf"([^|:\[\]]{{1,40}}?){_COUNT}?\s*:(?=\s|$)", re.IGNORECASE)
_REMARK = re.compile(
    r"\{.*\}|(?:#|//)\s.*|\d+\s*bpm\b.*|(?:capo|key|tempo|bpm|tuning|time|title|artist|album|author|composer|written|"
    r"words|music|by|strum\w*|difficulty)\b.*",
    re.IGNORECASE,
)
_NO_WORD = re.compile(r"x\d+$|\d+x$|[\d.]+:", re.IGNORECASE)
_TABLATURE = re.compile(r"-{2,}\d|\d-{2,}|-{4,}")


@dataclass(frozen=True)
class Line:
    """A line of chords, or a pause between two parts of the text.

    ``number`` counts from 1; ``times`` is how often the part that begins here is to be played (``[Chorus] x2``), and 0
    at an empty line, which leaves that to the heading before it; ``heading`` is what stands over the part.
    """

    text: str
    number: int
    begins_part: bool = False
    times: int = 1
    heading: str = ""


@dataclass(frozen=True)
class Sheet:
    """The lines of a text that hold chords, and a notice of what was skipped."""

    lines: tuple[Line, ...]
    notices: tuple[str, ...]
    many: bool
    """Whether the text had several lines, so that a place in it needs one."""


def clean(text: str) -> str:
    """The text with one kind of line end, space and bar line."""
    return "\n".join(
        " ".join(line.split()) for line in _UNSEEN.sub("", _LINE_ENDS.sub("\n", text)).translate(_LAYOUT).split("\n")
    )


def sort_lines(text: str) -> Sheet:
    """Find the lines of chords.

    Raises: ChordError for a text that is too long, or in which nothing is left.

    >>> sheet = sort_lines("[Verse 1]\\nC  Am  F  G\\nHello my dear friend")
    >>> [(line.number, line.text) for line in sheet.lines if line.text]
    [(2, 'C Am F G')]
    >>> sheet.notices
    ("skipped in the chord text, being no chords: '[Verse 1]', 'Hello my dear friend'",)
    """
    if len(text) > MOST:
        raise ChordError(f"the chord text has {len(text)} characters, more than {MOST}; give the chords of one song")
    written = clean(text).split("\n")
    filled = [line for line in written if line]
    if not text.replace("|", " ").split():
        raise ChordError(f"the chord text {shown(text)} is empty; write chords such as 'C Am F G' or '0:C 2.5:Am7'")
    many = len(filled) > 1
    lines: list[Line] = []
    skipped: list[str] = []
    words: list[Line] = []
    for number, line in enumerate(written, start=1):
        for part in _parts(line, number, many, skipped):
            if many and part.text and is_prose(part.text):
                words.append(part)
                skipped.append(part.text)
            else:
                lines.append(part)
    if not any(line.text for line in lines):
        if not words:
            raise ChordError(f"the chord text {shown(text)} holds no chords; write chords such as 'C Am F G'")
        # Nothing but words: the reader of chords will say what is wrong with the line most like chords.
        return Sheet((max(words, key=lambda line: sum(map(_chord_like, line.text.split()))),), (), many)
    return Sheet(tuple(lines), _told(skipped), many)


def _told(skipped: list[str]) -> tuple[str, ...]:
    if not skipped:
        return ()
    some = ", ".join(shown(text, 30) for text in skipped[:3])
    more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return (f"skipped in the chord text, being no chords: {some}{more}",)


def _parts(line: str, number: int, many: bool, skipped: list[str]) -> Iterator[Line]:
    """A line without its heading; headings and remarks go to ``skipped``."""
    if not line:
        yield Line("", number, begins_part=True, times=0)
        return
    remark = _REMARK.fullmatch(line)
    if many and (remark or _TABLATURE.search(line)):
        skipped.append(line)
        return
    line = line.strip(QUOTES + " ")
    heading, times, line = _heading(line, number, many)
    if heading:
        skipped.append(heading)
        yield Line("", number, begins_part=True, times=times, heading=_name(heading))
    line = _without_asides(_inline(line, skipped), skipped)
    if line:
        yield Line(line, number)


def _name(heading: str) -> str:
    """The words of a heading, without brackets, colon and count.

    >>> _name("[Chorus] x2"), _name("Verse 1:")
    ('Chorus', 'Verse 1')
    """
    bare = re.sub(rf"{_COUNT}\s*:?\s*$", "", heading, flags=re.IGNORECASE)
    return bare.strip(" []().:–—-")


def _heading(line: str, number: int, many: bool) -> tuple[str, int, str]:
    """The heading at the start of a line or ``""``, how often its part sounds, and the rest of the line."""
    bare = _BARE_HEADING.fullmatch(line)
    if bare is not None:
        return line, _times(bare[1] or bare[2], number), ""
    bracket = _BRACKET.match(line)
    if bracket is not None:
        inside, rest = bracket[1].strip(), line[bracket.end() :].strip()
        # [A] before or above chords is a rehearsal mark; [A]words is a chord over words, and [A] [D] are chords.
        letter = re.fullmatch("[A-H]", inside) is not None and "[" not in rest
        mark = letter and (_holds_chords(rest) or (not rest and many))
        if mark or not _holds_chords(inside):
            return line[: bracket.end()], _times(bracket[2] or bracket[3], number), rest
    leading = _LEADING.match(line)
    if leading is not None and _holds_chords(line[leading.end() :]):
        return line[: leading.end()].strip(), 1, line[leading.end() :]
    colon = _COLON.match(line)
    if colon is not None and re.search(r"[^\W\d]", colon[1]):
        rest = line[colon.end() :].strip()
        if (re.fullmatch("[A-H]", colon[1]) and rest) or not _holds_chords(colon[1]):
            return line[: colon.end()], _times(colon[2] or colon[3], number), rest
    return "", 1, line


def _times(count: str | None, number: int) -> int:
    return 1 if count is None else check_count(count, f"x{count}", f"(line {number})")


def check_count(digits: str, written: str, place: str) -> int:
    """How often something is repeated.  Raises: ChordError."""
    if len(digits) > 2 or not int(digits):
        hint = chord_hints.of(written, reads)
        raise ChordError(f"{shown(written)} is no number of repeats from 1 to 99{f'; {hint}' if hint else ''} {place}")
    return int(digits)


def _holds_chords(text: str) -> bool:
    names = re.findall(r"[^\s|,;]+", text)
    return bool(names) and all(reads(name) or re.fullmatch(r"x\d+|[%/.:-]+", name) for name in names)


def _inline(line: str, skipped: list[str]) -> str:
    """Of ``[C]Hello [Am]world`` the chords."""
    found = [inside for inside in re.findall(r"\[([^\[\]]+)\]", line) if reads(inside)]
    outside = re.sub(r"\[[^\[\]]*\]", " ", line)
    if not found or not re.search(r"[^\W\d_]{2,}", outside) or _holds_chords(outside):
        return line
    skipped.append(" ".join(outside.split()))
    return " ".join(found)


def _without_asides(line: str, skipped: list[str]) -> str:
    """A line without brackets that hold nothing but words: ``(let ring)``, ``[Chorus]``."""

    def cut(aside: re.Match[str]) -> str:
        words = aside[1].split()
        # A capital A to H begins a chord, or what was meant for one.
        plain = [re.fullmatch(rf"[a-zI-Z][^\W\d_]{{2,}}|{_SECTION}", word) and not _chord_like(word) for word in words]
        if not words or not all(plain):
            return aside[0]
        skipped.append(aside[0])
        return " "

    return re.sub(r"[(\[]([^()\[\]|]*)[)\]]", cut, line).strip()


def is_prose(line: str) -> bool:
    """Whether a line is words: two or more that are neither chords nor like some, and more than half of the line.

    Names of another notation (``H7``, ``am``, ``vi``) count as chords, so that they are refused with advice, but for
    the commonest of English words beside a plain one.
    """
    if "|" in line:
        return False
    stripped = (name.strip(QUOTES + ".,;:!?()") for name in line.split())
    names = [name for name in stripped if re.search(r"[^\W\d_]", name)]
    plain = [name for name in names if not _NO_WORD.match(name) and not _chord_like(name)]
    common = sum(name.lower() in ("a", "i", "am", "do", "la", "so", "me") for name in names) if plain else 0
    return len(plain) + common >= 2 and 2 * (len(plain) + common) > len(names)


def _chord_like(name: str) -> bool:
    return reads(name) or chord_hints.of(name, reads) is not None
