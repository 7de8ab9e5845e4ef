"""Captions of a recording: from files beside it, from a table, or composed from what is known of the music.

Composed captions name genre, mood, instruments, tempo and key, and never an artist or a title: a model should learn
what music sounds like, not who made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowmusic import limits, plain
from flowmusic.corpus.splits import SPLITS
from flowmusic.data import tables

CAPTION_KEYS = ("caption", "captions", "text", "description")
LICENCE_KEYS = ("licence", "license")
MUSIC_KEYS = ("genre", "genres", "moods", "mood", "instrument", "instruments", "keywords", "bpm", "key")
"""What a caption is composed of, in a music info file of Audiocraft's and elsewhere."""
LABEL_KEYS = frozenset({"chords", "melody", "beats", "drums", "notes"})
MOST_LETTERS = 200_000
"""Of captions and tags that a file beside a recording holds; a line of a manifest has room for them."""
_PATH_COLUMNS = ("path", "file", "filename", "file_name")
_TEXT_COLUMNS = ("caption", "captions", "text", "description")
_COLUMNS = (*_PATH_COLUMNS, *_TEXT_COLUMNS, *LICENCE_KEYS, "split")


@dataclass(frozen=True)
class Said:
    """What a source says of one recording."""

    captions: tuple[str, ...] = ()
    licence: str | None = None
    split: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def distinct(captions: Iterable[str]) -> tuple[str, ...]:
    """Captions without surrounding space, empty ones and repetitions, in their order."""
    return tuple(dict.fromkeys(" ".join(each.split()) for each in captions if each.strip()))


def words_of(value: Any) -> list[str]:
    """A value of a tag or an info file as a list of words: text at commas and semicolons, a list as it is."""
    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [word for each in value for word in words_of(each)]
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return [" ".join(word.split()) for word in text.replace(";", ",").split(",") if word.strip()]


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def compose(info: Mapping[str, Any]) -> str | None:
    """One caption from music facts; None where there is none.

    >>> compose({"genre": "Jazz", "moods": ["calm"], "instrument": "piano, bass", "bpm": 92})
    'calm jazz with piano and bass, 92 bpm'
    """
    given = {name: words_of(info.get(name)) for name in MUSIC_KEYS}
    moods = [word.lower() for word in given["moods"] + given["mood"]]
    genres = [word.lower() for word in given["genre"] + given["genres"]]
    instruments = [word.lower() for word in given["instrument"] + given["instruments"]]
    keywords = [word.lower() for word in given["keywords"]]
    parts = []
    lead = " ".join(part for part in (", ".join(dict.fromkeys(moods)), ", ".join(dict.fromkeys(genres))) if part)
    if instruments:
        lead = f"{lead or 'music'} with {listed(list(dict.fromkeys(instruments)))}"
    if lead:
        parts.append(lead)
    said = set(moods + genres + instruments)
    parts += [word for word in dict.fromkeys(keywords) if word not in said]
    tempo = _tempo(given["bpm"])
    if tempo is not None:
        parts.append(f"{tempo} bpm")
    if given["key"] and parts:
        parts.append(f"in {given['key'][0]}")
    return ", ".join(parts) or None


def _tempo(words: Sequence[str]) -> int | None:
    try:
        return round(limits.of_text("bpm", words[0])) if words else None
    except limits.LimitError:
        return None


def of_info(info: Mapping[str, Any]) -> Said:
    """What a JSON beside a recording says: its captions, and one that is composed where it describes music.

    Audiocraft's music info (``title, artist, key, bpm, genre, moods, keywords, description, name, instrument``) is one
    kind; title and artist become tags.
    """
    written = [text for key in CAPTION_KEYS for text in _texts(info.get(key))]
    # Our corpus tells captions and its own tags; composing from the latter would only repeat the former.
    composed = None if LABEL_KEYS & set(info) else compose(info)
    licence = next((str(info[key]) for key in LICENCE_KEYS if info.get(key)), None)
    tags = {}
    for key in ("title", "name", "artist", "album", *MUSIC_KEYS):
        joined = ", ".join(words_of(info.get(key))) if not isinstance(info.get(key), Mapping) else ""
        if joined and not LABEL_KEYS & set(info):
            tags[key] = joined
    return Said(distinct([*written, *([composed] if composed else [])]), licence, None, tags)


def of_json(path: Path) -> tuple[Said, bool]:
    """What a sidecar says, and whether it holds labels.  Raises: ValueError naming the file."""
    try:
        info = plain.read_json(path, missing=True)
    except (ValueError, OSError) as error:
        raise ValueError(f"{plain.shown(path.name)} beside it is not readable JSON ({error})") from None
    if not isinstance(info, Mapping):
        raise ValueError(f"{plain.shown(path.name)} beside it holds {type(info).__name__}, not a JSON object")
    return _brief(of_info(info), path), bool(LABEL_KEYS & set(info))


def of_text(path: Path) -> Said:
    """A caption a line.  Raises: ValueError naming the file."""
    try:
        return _brief(Said(distinct(plain.read_text(path).splitlines())), path)
    except (plain.PlainError, OSError) as error:
        raise ValueError(f"{plain.shown(path.name)} beside it is not text in UTF-8 ({error})") from None


def _brief(said: Said, path: Path) -> Said:
    """Itself, if a person could have written it.  Raises: ValueError naming the file."""
    letters = sum(map(len, said.captions)) + sum(map(len, said.tags.values())) + len(said.licence or "")
    if letters > MOST_LETTERS:
        raise ValueError(f"{plain.shown(path.name)} beside it says {letters} letters, at most {MOST_LETTERS} are taken")
    return said


def of_tags(tags: Mapping[str, str], comments: bool = False) -> Said:
    """A caption composed from tags of the file; its comment too, where those are known to describe the music."""
    composed = compose({**tags, "comment": ""})
    written = [tags["comment"]] if comments and tags.get("comment") else []
    return Said(distinct([*written, *([composed] if composed else [])]), tags.get("licence"))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(each) for each in value if each] if isinstance(value, list) else []


@dataclass
class Table:
    """A table of captions: a row per caption, several for one file.

    Attributes:
        rows: by path as written, what is said.
        source: its file, for messages.
        wrong: what is wrong with rows that are not taken, each with its line.
    """

    rows: dict[str, Said]
    source: Path
    wrong: Sequence[str] = ()

    @staticmethod
    def read(path: Path) -> Table:
        """A table of :mod:`flowmusic.data.tables`.

        A row that has no path, another split or too many fields is left out, and told of in ``wrong``.

        Raises: ValueError naming an unknown column; or the first row, where there are rows and none can be taken.
        """
        delimiter = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
        _check_columns(path, [name.lower() for name in tables.header(path, delimiter)])
        found: dict[str, Said] = {}
        wrong: list[str] = []
        for number, row in tables.rows(path, delimiter):
            try:
                if isinstance(row, str):
                    raise ValueError(row)
                _add(found, {name.lower(): value for name, value in row.items()})
            except ValueError as error:
                wrong.append(f"line {number}: {error}")
        if wrong and not found:
            raise ValueError(f"{plain.shown(path)}, {wrong[0]}")
        return Table(found, path, wrong)

    def placed(self, folder: Path, files: Sequence[Path]) -> tuple[dict[Path, Said], dict[str, str]]:
        """The rows by file, and why the others belong to none.

        A name is a path from the folder, an absolute one, or a file name (with or without its suffix) that is there
        once.
        """
        known = set(files)
        by_name: dict[str, list[Path]] = {}
        for file in files:
            for name in {file.name, file.stem}:
                by_name.setdefault(name, []).append(file)
        found: dict[Path, Said] = {}
        lost: dict[str, str] = {}
        for written, said in self.rows.items():
            direct = Path(str(folder / written))
            matches = [direct] if direct in known else by_name.get(written, [])
            if len(matches) > 1:
                both = " and ".join(plain.shown(match) for match in matches[:2])
                lost[written] = f"it names {len(matches)} files, {both} among them; write paths from the folder"
            elif matches:
                found[matches[0]] = said if matches[0] not in found else _merged(found[matches[0]], said)
            else:
                lost[written] = f"named in {self.source.name}"
        return found, lost


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown:
        raise ValueError(f"{path} has an unknown column {plain.shown(unknown[0])!r}; known: {', '.join(_COLUMNS)}")
    if sum(name in _PATH_COLUMNS for name in columns) != 1:
        raise ValueError(f"{path} needs one column that names the file: {' or '.join(_PATH_COLUMNS)}")
    if not set(columns) - set(_PATH_COLUMNS):
        raise ValueError(f"{path} says nothing of its files; add a column: {', '.join(_TEXT_COLUMNS[:1])}")


def _add(rows: dict[str, Said], row: Mapping[str, str]) -> None:
    given = {name: value.strip() for name, value in row.items()}
    name = next((given[column] for column in _PATH_COLUMNS if given.get(column)), "")
    if not name:
        raise ValueError("no file is named")
    split = given.get("split") or None
    if split is not None and split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {plain.shown(split)!r}")
    licence = next((given[key] for key in LICENCE_KEYS if given.get(key)), None)
    said = Said(distinct(given.get(column, "") for column in _TEXT_COLUMNS), licence, split)
    rows[name] = said if name not in rows else _merged(rows[name], said)


def _merged(first: Said, second: Said) -> Said:
    return Said(
        distinct([*first.captions, *second.captions]),
        first.licence or second.licence,
        first.split or second.split,
        {**second.tags, **first.tags},
    )


def merged(table: Said | None, sidecar: Said | None, text: Said | None, tags: Said, licence: str | None) -> Said:
    """Everything that is said of one recording.

    Captions that people wrote are all kept: of the table, the JSON and the text file, in this order; what tags compose
    counts only where nobody wrote any.  Licence: table, JSON, tags, the default; split: the table.
    """
    together = Said()
    for source in (table, sidecar, text):
        if source is not None:
            together = _merged(together, source)
    captions = together.captions or tags.captions
    return Said(captions, together.licence or tags.licence or licence, together.split, together.tags)
