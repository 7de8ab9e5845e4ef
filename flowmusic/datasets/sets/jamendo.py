"""MTG-Jamendo: 55 000 full tracks under Creative Commons licences, tagged by those who uploaded them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowmusic import beside, plain
from flowmusic.datasets import captions
from flowmusic.datasets.scan import Problem, Scan
from flowmusic.datasets.sets.base import Begin, DataSet, Draft, complete, drafted, first_file, rows
from flowmusic.datasets.splits import choose

TABLES = ("data/autotagging.tsv", "autotagging.tsv", "data/autotagging_*.tsv", "autotagging_*.tsv")
SPLITS = ("train", "validation", "test")
LICENCES = "audio_licenses.txt"
_URL = re.compile(r"creativecommons\.org/(?:licenses/([a-z-]+)/([0-9.]+)|publicdomain/(zero|mark)/([0-9.]+))", re.I)
_TRACK = re.compile(r"(?:\b\d\d/(\d+)(?:\.low)?\.mp3|track[/_]0*(\d+))")
WORDS = {
    "acidjazz": "acid jazz", "alternativerock": "alternative rock", "bluesrock": "blues rock",
    "classicrock": "classic rock", "dancehall": "dancehall", "darkambient": "dark ambient", "darkwave": "dark wave",
    "deephouse": "deep house", "drumnbass": "drum and bass", "easylistening": "easy listening",
    "electropop": "electropop", "ethnicrock": "ethnic rock", "hardrock": "hard rock", "heavymetal": "heavy metal",
    "hiphop": "hip hop", "indiepop": "indie pop", "instrumentalpop": "instrumental pop",
    "instrumentalrock": "instrumental rock", "jazzfunk": "jazz funk", "jazzfusion": "jazz fusion",
    "newage": "new age", "newwave": "new wave", "popfolk": "pop folk", "poprock": "pop rock", "postrock": "post rock",
    "punkrock": "punk rock", "rnb": "rhythm and blues", "rocknroll": "rock and roll",
    "singersongwriter": "singer-songwriter", "swing": "swing", "symphonic": "symphonic", "synthpop": "synth pop",
    "triphop": "trip hop", "worldfusion": "world fusion", "acousticbassguitar": "acoustic bass guitar",
    "acousticguitar": "acoustic guitar", "classicalguitar": "classical guitar", "doublebass": "double bass",
    "drummachine": "drum machine", "electricguitar": "electric guitar", "electricpiano": "electric piano",
    "pipeorgan": "pipe organ",
}  # fmt: skip
"""Tags are written without spaces; a text encoder reads words."""


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """The data set's repository with the audio below it, ``14/214.mp3`` or ``14/214.low.mp3``.

    Splits are those of ``splits/split-0``; tracks that are in none of them are left out.  Without split files whole
    artists are drawn.
    """
    table = source if source.is_file() else first_file(source, TABLES, "MTG-Jamendo")
    root = table.parent.parent if table.parent.name == "data" else table.parent
    splits = dict(_splits(table))
    licences = licences_of(root / LICENCES)
    places = places_of(root)
    lost: list[Problem] = []

    def draft(row: Mapping[str, Any]) -> Draft | None:
        identity, artist, album, path, tags = (row[name] for name in ("track", "artist", "album", "path", "tags"))
        if splits and identity not in splits:
            lost.append(Problem(path, "no split", "it is in none of the files of split-0"))
            return None
        given = {kind: [WORDS.get(word, word) for word in words] for kind, words in tags.items()}
        info = {"genre": given.get("genre"), "instrument": given.get("instrument"), "moods": given.get("mood/theme")}
        composed = captions.compose(info)
        return Draft(
            places.get(path, root / beside.relative(path, "the path")),
            text=(composed,) if composed else (),
            licence=licences.get(str(int(identity.rpartition("_")[2]))),
            split=splits.get(identity) or choose(f"artist:{artist}", 0.05, 0.05),
            tags={
                "track": identity,
                "artist": artist,
                "album": album,
                **{kind.partition("/")[0]: ", ".join(words) for kind, words in given.items()},
            },
        )

    drafts, problems = drafted(tracks(table), draft, table)
    return complete(drafts, [*lost, *problems], "mtg-jamendo", out, workers, begin)


def tracks(table: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """``track``, ``artist``, ``album``, ``path`` and ``tags`` by kind, by line; or what is wrong with the line.

    The tags are as many fields at the end of a line as there are.
    """
    lines = plain.lines(table)
    _, first = next(lines, (0, ""))
    if first.split("\t")[:4] != ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH"]:
        raise ValueError(f"{plain.shown(table)} is not a table of MTG-Jamendo: its first line is {first[:80]!r}")
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) < 5:
            yield number, f"{len(fields)} fields, at least 5 are needed"
            continue
        tags: dict[str, list[str]] = {}
        for tag in fields[5:]:
            kind, _, word = tag.partition("---")
            if word:
                tags.setdefault(kind, []).append(word)
        yield number, {**dict(zip(("track", "artist", "album", "path"), fields)), "tags": tags}


def _splits(table: Path) -> Iterator[tuple[str, str]]:
    for split in SPLITS:
        file = table.parent / "splits" / "split-0" / f"{table.stem}-{split}.tsv"
        if file.is_file():
            for _, row in rows(file, ("TRACK_ID",), "\t"):
                if not isinstance(row, str):  # a track without a split is told of in any case
                    yield row["TRACK_ID"], split


def places_of(root: Path) -> dict[str, Path]:
    """``14/214.mp3`` -> where it lies, also where only the smaller ``14/214.low.mp3`` does."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*.mp3")):
        name = f"{path.parent.name}/{path.name}"
        plain = name.replace(".low.mp3", ".mp3")
        if plain not in found or name == plain:
            found[plain] = path
    return found


def licences_of(path: Path) -> dict[str, str]:
    """Track number -> licence; empty without the file.

    A licence belongs to the last track that was named before it, by its file or its page, on the same line or above.
    """
    found: dict[str, str] = {}
    if not path.is_file():
        return found
    track: str | None = None
    for line in path.read_text(encoding="utf-8-sig", errors="replace").split("\n"):
        named = _TRACK.search(line)
        if named:
            track = str(int(named.group(1) or named.group(2)))
        licence = _URL.search(line)
        if licence and track is not None:
            kind, version, public, public_version = licence.groups()
            found[track] = f"CC {kind.upper()} {version}" if kind else f"CC {public} {public_version}"
    return found


SET = DataSet(
    name="mtg-jamendo",
    title="MTG-Jamendo",
    hours="about 3 800 (55 609 tracks)",
    licence="Creative Commons, another one for every track (audio_licenses.txt); metadata CC BY-NC-SA 4.0",
    commercial="only tracks whose licence allows it; most are NC",
    layout="data/autotagging.tsv, data/splits/split-0/autotagging-{train,validation,test}.tsv, audio_licenses.txt, and "
    "NN/NNN.mp3 or NN/NNN.low.mp3 anywhere below",
    where="github.com/MTG/mtg-jamendo-dataset",
    cite="Bogdanov et al., The MTG-Jamendo Dataset for Automatic Music Tagging, ML4MD workshop, ICML 2019",
    gives="a caption of genre, instrument and mood tags; a licence a track; its own splits",
    read=read,
)
