"""What a reader of a data set is, and the work that all of them share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from flowmusic import beside, disk, plain
from flowmusic.data import tables
from flowmusic.datasets.manifest import Entry
from flowmusic.datasets.probe import Unusable, header
from flowmusic.datasets.probe_many import look_at
from flowmusic.datasets.scan import MISSING, ROW, SIDECAR, UNREADABLE, Problem, Progress, Scan
from flowmusic.files import write_text
from flowmusic.hashes import of_file
from flowmusic.paths import sibling

Item = TypeVar("Item", Mapping[str, Any], dict[str, str], Entry)
Begin = Callable[[int, int], Progress] | None
Reader = Callable[[Path, Path, int, Begin], Scan]
"""``read(source, out, workers, begin)``: the data set, the manifest to be, processes, and the progress of a scan."""


@dataclass(frozen=True)
class DataSet:
    """A known data set: what it is, in words, and how it is read.

    Attributes:
        name: on the command line.
        hours, licence, commercial, layout, where, cite: for people.
        gives: what an entry has beside audio.
        read: None where there is no sound to read: what is written has to be rendered first.
    """

    name: str
    title: str
    hours: str
    licence: str
    commercial: str
    layout: str
    where: str
    cite: str
    gives: str
    read: Reader | None


@dataclass(frozen=True)
class Draft:
    """What a reader knows of one recording before anybody looked at the file.

    Attributes:
        audio: the file, which may be missing.
        start, seconds: the part that is meant; None is all of it.
        labels: a function of a module, or a partial of one, that makes exact labels; or a JSON that holds them.
        label_name: where made labels are written, below the folder of labels.
        prepare: makes the audio and the stems that are missing; a function of a module, or a partial of one.
    """

    audio: Path
    text: tuple[str, ...] = ()
    licence: str | None = None
    split: str = "train"
    tags: Mapping[str, str] = field(default_factory=dict)
    start: float = 0.0
    seconds: float | None = None
    labels: Callable[[], Mapping[str, Any]] | Path | None = None
    label_name: str = ""
    stems: Mapping[str, Path] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None


def complete(
    drafts: Sequence[Draft], problems: Sequence[Problem], dataset: str, out: Path, workers: int, begin: Begin
) -> Scan:
    """Drafts as entries: files are opened and hashed, labels written into ``OUT.labels/``, in parallel.

    What is missing or broken becomes a problem; a recording whose labels cannot be read is used without them.
    """
    told = list(problems)
    present = []
    for draft in drafts:
        if draft.prepare is None and not draft.audio.is_file():
            told.append(Problem(str(draft.audio), MISSING, f"{dataset} names it"))
        else:
            present.append(draft)
    tell = begin(len(present), 0) if begin is not None else None
    jobs = [_Job(number, draft, dataset, labels_folder(out)) for number, draft in enumerate(present)]
    entries: dict[int, Entry] = {}
    for job, found in look_at(jobs, workers, finish):
        if isinstance(found, str):
            told.append(Problem(str(job.draft.audio), UNREADABLE, found))
        else:
            entries[job.number] = found[0]
            if found[1]:
                told.append(Problem(str(job.draft.audio), SIDECAR, f"{found[1]}; the recording is used without it"))
        if tell is not None:
            tell(1)
    return Scan(tuple(entries[number] for number in sorted(entries)), tuple(told))


@dataclass(frozen=True)
class _Job:
    number: int
    draft: Draft
    dataset: str
    labels: Path


def finish(job: _Job) -> tuple[Entry, str] | str:
    """The entry and what is wrong with its labels ("" for nothing), or why there is no entry."""
    draft = job.draft
    try:
        if draft.prepare is not None:
            draft.prepare()
        if draft.audio.stat().st_size == 0:
            raise Unusable("the file is empty")
        rate, channels, duration = header(draft.audio)
        if duration - draft.start < 0.05:
            raise Unusable(f"it lasts {duration:.2f} s, and the part from {draft.start:g} s is meant")
        meant = duration - draft.start if draft.seconds is None else min(draft.seconds, duration - draft.start)
        entry = Entry(
            path=str(draft.audio.absolute()),
            duration=round(meant, 6),
            rate=rate,
            channels=channels,
            hash=of_file(draft.audio),
            start=draft.start,
            text=draft.text,
            licence=draft.licence,
            split=draft.split,
            dataset=job.dataset,
            tags=dict(draft.tags),
            stems={name: str(path.absolute()) for name, path in draft.stems.items() if path.is_file()},
        )
    except Exception as error:
        if disk.is_of_the_machine(error):
            raise
        if isinstance(error, (ValueError, OSError)):
            return plain.reason(error)
        # Decoders meet hostile headers with errors of any kind, memory among them.
        return f"it cannot be decoded ({type(error).__name__}: {plain.reason(error)})"
    if draft.labels is None:
        return entry, ""
    if isinstance(draft.labels, Path):
        return replace(entry, labels=str(draft.labels.absolute())), ""
    try:
        path = beside.beside(f"{draft.label_name}.json", job.labels, "the labels")
        made = dict(draft.labels())
    except Exception as error:
        # Whatever is wrong with the notes of one recording.
        return entry, plain.reason(error)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(made, ensure_ascii=False) + "\n")
    text = entry.text or ((str(made["caption"]),) if made.get("caption") else ())
    return replace(entry, labels=str(path.absolute()), text=text), ""


def labels_folder(out: Path) -> Path:
    """``maestro.jsonl`` -> ``maestro.labels`` beside it."""
    return sibling(out, ".labels")


def audio_folder(out: Path) -> Path:
    """``musdb18.jsonl`` -> ``musdb18.audio`` beside it: what had to be unpacked or mixed."""
    return sibling(out, ".audio")


def rows(path: Path, needed: Sequence[str], delimiter: str = ",") -> Iterator[tuple[int, dict[str, str] | str]]:
    """Line number and fields of the rows of a table, or what is wrong with a row.

    Raises: ValueError naming what is missing.
    """
    if not path.is_file():
        raise ValueError(f"{path} not found; it belongs to the data set")
    columns = tables.header(path, delimiter)
    missing = [name for name in needed if name not in columns]
    if missing:
        has = plain.shown(", ".join(columns))
        raise ValueError(f"{plain.shown(path)} has no column {missing[0]!r}; it has: {has}")
    yield from tables.rows(path, delimiter, spare=True)


def drafted(
    told: Iterable[tuple[int | str, Item | str]], make: Callable[[Item], Draft | None], source: Path
) -> tuple[list[Draft], list[Problem]]:
    """A draft of every row of a table; what cannot be made is one problem, and ends nothing.

    Args:
        told: lines or names with rows, or with what is wrong with them.
        make: raises ValueError, KeyError or TypeError for a row that cannot be used; None leaves it out.
        source: the table, for messages.
    """
    drafts: list[Draft] = []
    problems: list[Problem] = []
    for place, row in told:
        try:
            if isinstance(row, str):
                raise ValueError(row)
            draft = make(row)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            line = f"line {place}" if isinstance(place, int) else plain.shown(place)
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__} "
            why = f"{line}: {kind}{plain.reason(error)}; the row is left out"
            problems.append(Problem(str(source.absolute()), ROW, why))
        else:
            drafts += [] if draft is None else [draft]
    return drafts, problems


def first_file(folder: Path, names: Sequence[str], what: str) -> Path:
    """The first of some paths below a folder that is there.  Raises: ValueError naming all of them."""
    for name in names:
        for found in sorted(folder.glob(name)):
            return found
    raise ValueError(f"{folder} is not {what}: it has none of {', '.join(names)}")
