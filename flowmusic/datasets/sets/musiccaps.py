"""MusicCaps: captions by musicians for 10 s of 5 521 videos; the sound has to be got by whoever has a right to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from flowmusic.audio_files import SUFFIXES
from flowmusic.data import tables
from flowmusic.datasets import captions
from flowmusic.datasets.probe import header
from flowmusic.datasets.scan import MISSING, Problem, Scan
from flowmusic.datasets.sets.base import Begin, DataSet, Draft, complete, drafted, first_file, rows

TABLES = ("musiccaps-public.csv", "*/musiccaps-public.csv", "*musiccaps*.csv")
LICENCE = "captions CC BY-SA 4.0; the sound is of YouTube videos and under its owners' rights"
CLIP_SECONDS = 10.0
MOST_SECONDS = 86_400.0
_BRACKETED = re.compile(r"\[([A-Za-z0-9_-]{11})\]")


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """``musiccaps-public.csv`` and clips anywhere below its folder, named by their video.

    All of it is the test split: published figures are of all of MusicCaps, and a model that has heard part of it cannot
    be compared with them.  A file much longer than 10 s is taken for the whole video, of which the row's seconds count.
    """
    table = source if source.is_file() else first_file(source, TABLES, "MusicCaps")
    clips = index(table.parent)
    lost: list[Problem] = []

    def draft(row: dict[str, str]) -> Draft | None:
        clip = clips.get(row["ytid"])
        if clip is None:
            lost.append(Problem(f"{row['ytid']}", MISSING, f"no clip of this video below {table.parent}"))
            return None
        begins, ends = (float(tables.decimal(row[name])) for name in ("start_s", "end_s"))
        if not 0.0 <= begins < ends < MOST_SECONDS:
            raise ValueError(f"start_s and end_s are {begins:g} and {ends:g}, no part of a video")
        try:
            whole = header(clip)[2] > ends - begins + 2.0
        except Exception:
            whole = False  # complete() says what is wrong with it
        return Draft(
            clip,
            text=captions.distinct([row["caption"]]),
            licence=LICENCE,
            split="test",
            tags=_tags(row),
            start=begins if whole else 0.0,
            seconds=ends - begins,
        )

    drafts, problems = drafted(rows(table, ("ytid", "start_s", "end_s", "caption")), draft, table)
    return complete(drafts, [*lost, *problems], "musiccaps", out, workers, begin)


def index(folder: Path) -> dict[str, Path]:
    """Video id -> its clip, by the names that downloaders give.

    ``ID.wav``, ``ID_30.wav``, ``ID_30_40.wav``, ``ID-[30-40].wav``, ``[ID].wav``, ``[ID]-[30-40].wav``,
    ``Title [ID].wav``.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        bracketed = _BRACKETED.search(path.stem)
        name = bracketed.group(1) if bracketed else path.stem[:11]
        if len(name) == 11:
            found.setdefault(name, path)
    return found


def _tags(row: Mapping[str, str]) -> dict[str, str]:
    tags = {"ytid": row["ytid"]}
    for name in ("author_id", "is_balanced_subset", "is_audioset_eval", "audioset_positive_labels"):
        if row.get(name):
            tags[name] = row[name]
    try:
        aspects = ast.literal_eval(row.get("aspect_list") or "[]")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        aspects = []
    if isinstance(aspects, list) and aspects:
        tags["aspects"] = ", ".join(map(str, aspects))
    return tags


SET = DataSet(
    name="musiccaps",
    title="MusicCaps",
    hours="15 (5521 clips of 10 s)",
    licence=LICENCE,
    commercial="captions yes, if what is made of them is shared alike; the sound no, without its owners",
    layout="musiccaps-public.csv and a folder of clips named by video id (ID.wav, [ID]-[30-40].wav, ...)",
    where="huggingface.co/datasets/google/MusicCaps (captions; the sound is not distributed)",
    cite="Agostinelli et al., MusicLM: Generating Music From Text, 2023, arXiv 2301.11325",
    gives="a caption each, aspects as tags; all in the test split",
    read=read,
)
