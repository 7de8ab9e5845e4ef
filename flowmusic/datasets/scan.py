"""A folder of recordings as a manifest: what is there, what is said of it, what repeats, what is broken."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowmusic.audio_files import LOSSLESS, SUFFIXES
from flowmusic.datasets import captions, fingerprint, splits
from flowmusic.datasets.manifest import LEAST_SECONDS, Entry, write
from flowmusic.datasets.probe import SILENT_DB, Facts
from flowmusic.datasets.probe_many import Cache, look, look_at
from flowmusic.files import TEXT, replacing
from flowmusic.paths import sibling

UNREADABLE, SHORT, SILENT, SIDECAR, MISSING = "unreadable", "too short", "silent", "sidecar", "not found"
ROW = "table row"
CHANNELS, TRUNCATED = "channels", "truncated"
"""Problems of a recording that is used all the same."""
STEMS = ("drums", "bass", "chords", "pad", "melody", "vocals", "guitar", "piano", "other")
"""``X.drums.flac`` beside ``X.flac`` is a part of it and not a recording of its own."""
Progress = Callable[[int], object]


@dataclass(frozen=True)
class Settings:
    """How a folder is read.

    Attributes:
        table: captions by file.
        licence: of recordings of which nothing else says one.
        dataset: name of the collection.
        least_seconds, silent_db: what is shorter, or has no second that is louder (RMS, dBFS), is left out.
        validation, test: shares of the splits.
        by_folder: recordings of one folder stay in one split.
        comments: the comment tag is a caption.
        near: look for near duplicates, not only for equal files.
        workers: processes.
    """

    table: Path | None = None
    licence: str | None = None
    dataset: str = ""
    least_seconds: float = LEAST_SECONDS
    silent_db: float = SILENT_DB
    validation: float = 0.05
    test: float = 0.05
    by_folder: bool = False
    comments: bool = False
    near: bool = True
    workers: int = 1


@dataclass(frozen=True)
class Problem:
    """A file that is left out, or a part of it, and why; ``detail`` says so where it is used all the same."""

    path: str
    problem: str
    detail: str


@dataclass(frozen=True)
class Scan:
    """What was found.  ``reused``: files of which the facts were known."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    reused: int = 0
    wrong: dict[str, float] = field(default_factory=dict)
    """Path of a near duplicate -> share of fingerprint bits in which it differs."""


def find(folder: Path) -> tuple[list[Path], frozenset[Path]]:
    """Audio files under a folder in order of their paths, and all files.  Hidden ones and linked folders are left out.

    Raises: ValueError if there is no audio.
    """
    everything: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        everything += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    audio = [path for path in everything if path.suffix.lower() in SUFFIXES]
    if not audio:
        raise ValueError(f"no audio under {folder}; looked for {', '.join(sorted(SUFFIXES))}")
    return audio, frozenset(everything)


def stems_of(files: Sequence[Path]) -> dict[Path, dict[str, str]]:
    """Recording -> its parts by name; the parts are among the files too."""
    wholes = {path.with_suffix(""): path for path in reversed(files)}
    found: dict[Path, dict[str, str]] = {}
    for path in files:
        base, _, part = path.stem.rpartition(".")
        whole = wholes.get(path.with_name(base)) if base and part in STEMS else None
        if whole is not None and whole != path:
            found.setdefault(whole, {})[part] = str(path)
    return found


def scan(folder: Path, out: Path, settings: Settings, begin: Callable[[int, int], Progress] | None = None) -> Scan:
    """Look at every recording under a folder; ``OUT.facts.jsonl`` remembers what was seen.

    Args:
        folder: searched with all folders below it.
        out: the manifest to be; what is remembered lies beside it.
        begin: called with the number of files and of those already known; returns what counts the rest.

    Raises: ValueError for a folder without audio, a table that does not fit, or impossible settings.
    """
    splits.check_shares(settings.validation, settings.test)
    folder = folder.absolute()
    files, everything = find(folder)
    stems = stems_of(files)
    parts = {Path(part) for each in stems.values() for part in each.values()}
    problems: list[Problem] = []
    wanted = [path for path in files if path not in parts]
    told: dict[Path, captions.Said] = {}
    if settings.table is not None:
        table = captions.Table.read(settings.table)
        told, lost = table.placed(folder, wanted)
        problems += [Problem(name, MISSING, why) for name, why in lost.items()]
        problems += [Problem(str(settings.table.absolute()), ROW, f"{why}; the row is left out") for why in table.wrong]
    facts, reused = _facts(wanted, facts_file(out), settings.workers, problems, begin)
    kept = [each for each in facts if _usable(each, settings, problems)]
    entries = [
        _entry(each, told.get(Path(each.path)), everything, stems.get(Path(each.path), {}), settings, problems)
        for each in kept
    ]
    described = [bool(entry.text) + bool(entry.labels) + bool(entry.stems) for entry, _ in entries]
    originals, wrong = duplicates(kept, settings.near, described)
    # Below the folder, so that the same recordings have the same splits wherever that lies.
    places = [Path(each.path).parent.relative_to(folder).as_posix() for each in kept]
    names = [
        [*splits.bonds({**each.tags, **entry.tags}, place, settings.by_folder), original]
        for each, (entry, _), place, original in zip(kept, entries, places, originals)
    ]
    given = [split for _, split in entries]
    hashes = {each.path: each.hash for each in kept}
    own = [hashes[original] for original in originals]
    assigned = splits.assign(own, names, given, settings.validation, settings.test)
    # What somebody wrote of a copy is true of the original as well.
    lent: dict[str, tuple[str, ...]] = {}
    for (entry, _), original in zip(entries, originals):
        if entry.text:
            lent.setdefault(original, entry.text)
    finished = []
    for each, (entry, _), original, split in zip(kept, entries, originals, assigned):
        repeats = None if original == each.path else original
        text = entry.text or (lent.get(each.path, ()) if repeats is None else ())
        finished.append(replace(entry, text=text, split=split, duplicate_of=repeats))
    return Scan(tuple(finished), tuple(problems), reused, wrong)


def save(found: Scan, out: Path) -> list[Path]:
    """Write the manifest and, beside it, the problems (an empty file where there are none)."""
    problems = problems_file(out)
    folder = out.parent.absolute()
    with replacing(problems) as temporary, temporary.open("w", **TEXT) as file:
        for each in found.problems:
            path = Path(each.path)
            name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else each.path
            line = {"path": name, "problem": each.problem, "detail": each.detail}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return [write(found.entries, out), problems]


def problems_file(out: Path) -> Path:
    """``manifest.jsonl`` -> ``manifest.problems.jsonl``."""
    return sibling(out, ".problems.jsonl")


def facts_file(out: Path) -> Path:
    """``manifest.jsonl`` -> ``manifest.facts.jsonl``."""
    return sibling(out, ".facts.jsonl")


def duplicates(
    facts: Sequence[Facts], near: bool = True, described: Sequence[int] | None = None
) -> tuple[list[str], dict[str, float]]:
    """For each file the path of the one that it repeats (its own where it repeats none), and how far near ones differ.

    Of several, the original is lossless rather than not, then the longest, then of the highest rate, then the one of
    which most is said (``described``), then the first by path.
    """
    said = described or [0] * len(facts)
    order = sorted(range(len(facts)), key=lambda index: _worth(facts[index], said[index]))
    rank = {index: place for place, index in enumerate(order)}
    original = list(range(len(facts)))
    first: dict[str, int] = {}
    for index in order:
        original[index] = first.setdefault(facts[index].hash, index)
    wrong: dict[str, float] = {}
    if near:
        singles = sorted(set(original))
        found = fingerprint.pairs([facts[index].words for index in singles])
        edges: dict[int, list[tuple[int, float]]] = {}
        for pair in found:
            one, other = sorted((singles[pair.first], singles[pair.second]), key=lambda index: rank[index])
            edges.setdefault(other, []).append((one, pair.wrong))
        # In order of worth, so that whatever an original repeats is settled before its copies ask.
        settled: dict[int, int] = {}
        for index in order:
            if original[index] == index and index in edges:
                best, share = min(edges[index], key=lambda edge: (rank[edge[0]], edge[1]))
                settled[index] = settled.get(best, best)
                wrong[facts[index].path] = round(share, 4)
        original = [settled.get(index, index) for index in original]
    return [facts[index].path for index in original], wrong


def _worth(facts: Facts, said: int) -> tuple[bool, float, int, int, str]:
    lossy = Path(facts.path).suffix.lower() not in LOSSLESS
    return (lossy, -facts.duration, -facts.rate, -said, facts.path)


def _facts(
    files: Sequence[Path],
    remembered: Path,
    workers: int,
    problems: list[Problem],
    begin: Callable[[int, int], Progress] | None,
) -> tuple[list[Facts], int]:
    """Facts of the readable files in their order."""
    cache = Cache(remembered)
    known: dict[Path, Facts] = {}
    broken: dict[Path, str] = {}
    try:
        for path in files:
            facts = cache.find(path)
            if facts is not None:
                known[path] = facts
        reused = len(known)
        tell = begin(len(files), reused) if begin is not None else None
        for path, looked in look_at([path for path in files if path not in known], workers, look):
            if isinstance(looked, str):
                broken[path] = looked
            else:
                cache.add(looked)
                known[path] = looked
            if tell is not None:
                tell(1)
    finally:
        cache.close()
    problems += [Problem(str(path), UNREADABLE, broken[path]) for path in files if path in broken]
    facts_in_order = [known[path] for path in files if path in known]
    cache.keep(facts_in_order)
    return facts_in_order, reused


def _usable(facts: Facts, settings: Settings, problems: list[Problem]) -> bool:
    if facts.duration < settings.least_seconds:
        detail = f"{facts.duration:.2f} s, at least {settings.least_seconds:g} s are needed"
        problems.append(Problem(facts.path, SHORT, detail))
    elif facts.level_db < settings.silent_db:
        detail = f"its loudest second has {facts.level_db:g} dBFS, below {settings.silent_db:g}"
        problems.append(Problem(facts.path, SILENT, detail))
    else:
        if facts.channels_notice is not None:
            problems.append(Problem(facts.path, CHANNELS, facts.channels_notice))
        if facts.cut_notice is not None:
            detail = f"{facts.cut_notice}; the recording is used as far as it goes"
            problems.append(Problem(facts.path, TRUNCATED, detail))
        return True
    return False


def _entry(
    facts: Facts,
    table: captions.Said | None,
    everything: frozenset[Path],
    stems: dict[str, str],
    settings: Settings,
    problems: list[Problem],
) -> tuple[Entry, str | None]:
    """The entry without its split, and the split that somebody gave it."""
    path = Path(facts.path)
    beside, labelled, text = None, False, None
    for ending in (".json", ".txt"):
        if path.with_suffix(ending) not in everything:
            continue
        try:
            if ending == ".json":
                beside, labelled = captions.of_json(path.with_suffix(ending))
            else:
                text = captions.of_text(path.with_suffix(ending))
        except ValueError as error:
            problems.append(Problem(facts.path, SIDECAR, f"{error}; the recording is used without it"))
    said = captions.merged(table, beside, text, captions.of_tags(facts.tags, settings.comments), settings.licence)
    entry = Entry(
        path=facts.path,
        duration=facts.duration,
        rate=facts.rate,
        channels=facts.channels,
        hash=facts.hash,
        text=said.captions,
        licence=said.licence,
        dataset=settings.dataset,
        tags={**said.tags, **facts.tags},
        labels=str(path.with_suffix(".json")) if labelled else None,
        stems=stems,
    )
    return entry, said.split


def summary(found: Scan) -> str:
    """What was found, in a few lines."""
    entries = found.entries
    hours = sum(entry.duration for entry in entries) / 3600
    split = Counter(entry.split for entry in entries)
    repeated = sum(entry.duplicate_of is not None for entry in entries)
    known = f" ({found.reused} files known from before)" if found.reused else ""
    lines = [
        f"{len(entries)} recordings, {hours:.2f} h{known}; "
        + ", ".join(f"{name} {split[name]}" for name in ("train", "validation", "test")),
        f"{sum(bool(entry.text) for entry in entries)} with captions, "
        f"{sum(entry.licence is not None for entry in entries)} with a licence, "
        f"{sum(entry.labels is not None for entry in entries)} with labels, "
        f"{repeated} repeat another ({len(found.wrong)} nearly)",
    ]
    kinds = Counter(each.problem for each in found.problems)
    if kinds:
        lines.append("problems: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    return "\n".join(lines)
