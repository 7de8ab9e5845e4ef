"""``flowmusic data read midi``: a folder of MIDI files rendered into audio with exact labels, and a manifest of it.

``OUT/{train,validation,test}/NAME-HASH.flac`` with ``.drums.flac`` and ``.json`` beside it, as in a corpus, then
``OUT/manifest.jsonl``.  Files of the same bytes, and files with the same notes, are rendered once.  It can be stopped
at any time: what is rendered is not rendered again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flowmusic import options, plain
from flowmusic.annotations import midi, midi_labels, of_midi
from flowmusic.corpus.fonts import GPL_NOTICE, Font, FontError, choose_fonts
from flowmusic.corpus.splits import stream
from flowmusic.corpus.synth import FontSynth, SynthError
from flowmusic.datasets import scan
from flowmusic.datasets.probe_many import look_at
from flowmusic.datasets.sets.base import Draft, complete
from flowmusic.datasets.splits import choose
from flowmusic.errors import DONE, UsageError
from flowmusic.files import TEXT, replacing
from flowmusic.hashes import of_file

REPEATED, MENDED = "repeats", "mended"
MOST_SECONDS = 600.0
VERSION = 2
"""Raised when the same file is to give other audio or labels."""


@dataclass(frozen=True)
class Job:
    """One MIDI file: where it goes is ``base`` with endings."""

    path: Path
    base: Path
    font: Font
    most_seconds: float


def run(args: argparse.Namespace) -> int:
    """The command; its flags are those of `flowmusic data read`."""
    from flowmusic.progress import bar

    if args.out is None:
        raise UsageError("--out is missing; give the folder that the rendered files are to be written to")
    try:
        out = options.output_folder(str(args.out)).absolute()
        fonts, test_font = choose_fonts(args.soundfont, None)
    except (argparse.ArgumentTypeError, FontError) as error:
        raise UsageError(str(error)) from None
    files = find(args.source)
    if any(font.name.startswith("TimGM6mb") for font in fonts):
        print(GPL_NOTICE, file=sys.stderr)
    out.mkdir(exist_ok=True)
    problems: list[scan.Problem] = []
    most = MOST_SECONDS if args.max_seconds is None else args.max_seconds
    with bar("reading", "file") as begin:
        unique = distinct(files, args.workers, out / "read.jsonl", problems, begin)
    jobs = [plan(path, content, out, fonts, test_font, most) for path, content in unique]
    with bar("rendering", "file") as begin:
        made = render_all(jobs, args.workers, problems, begin)
    drafts = [_draft(job, problems) for job in made]
    found = complete(drafts, problems, "midi", out / "manifest.jsonl", args.workers, None)
    written = scan.save(found, out / "manifest.jsonl")
    if not found.entries:
        raise UsageError(f"nothing under {args.source} could be rendered; {written[1]} says why")
    for path in written:
        print(path)
    print(scan.summary(found), file=sys.stderr)
    return DONE


def find(source: Path) -> list[Path]:
    """MIDI files below a folder by what they hold, whatever they are called, in order.

    Raises: UsageError if there is none.
    """
    files = [source] if source.is_file() else sorted(source.rglob("*"))
    found = [path for path in files if midi.is_midi(path)]
    if not found:
        raise UsageError(f"no MIDI files under {source}; looked into every file, and for {', '.join(midi.SUFFIXES)}")
    return found


def distinct(
    files: Sequence[Path], workers: int, remembered: Path, problems: list[scan.Problem], begin: Any
) -> list[tuple[Path, str]]:
    """Files with different notes, the first of each, with the hash of their notes."""
    known: dict[str, dict[str, Any]] = {}
    if remembered.is_file():
        for line in remembered.read_text(**TEXT).split("\n"):
            try:
                each = json.loads(line)
            except ValueError:
                continue  # a line that a kill cut off
            if isinstance(each, dict) and each.get("version") == VERSION and {"content", "error"} & set(each):
                known[str(each.get("bytes"))] = each
    by_bytes: dict[str, Path] = {}
    hashes: dict[Path, str] = {}
    for path in files:
        hashes[path] = of_file(path)
        first = by_bytes.setdefault(hashes[path], path)
        if first != path:
            problems.append(scan.Problem(str(path), REPEATED, f"the same bytes as {first}"))
    unread = [path for name, path in by_bytes.items() if name not in known]
    tell = begin(len(by_bytes), len(by_bytes) - len(unread))
    with remembered.open("a", **TEXT) as file:
        for path, content in look_at(unread, workers, content_of):
            good = content.startswith("=")
            seen: dict[str, Any] = {
                "version": VERSION,
                "bytes": hashes[path],
                "content" if good else "error": content[1:] if good else content,
            }
            known[hashes[path]] = seen
            file.write("\n" + json.dumps(seen))
            file.flush()
            tell(1)
    found: dict[str, Path] = {}
    for name, path in by_bytes.items():
        seen = known[name]
        if "error" in seen:
            problems.append(scan.Problem(str(path), scan.UNREADABLE, seen["error"]))
            continue
        first = found.setdefault(seen["content"], path)
        if first != path:
            problems.append(scan.Problem(str(path), REPEATED, f"the same notes as {first}"))
    return [(path, content) for content, path in found.items()]


def content_of(path: Path) -> str:
    """``=`` and the hash of the notes, or why there are none."""
    try:
        return f"={midi.read(path).content}"
    except (midi.MidiError, OSError) as error:
        return " ".join(str(error).split())


def plan(path: Path, content: str, out: Path, fonts: Sequence[Font], test_font: Font, most_seconds: float) -> Job:
    """Split, font and name of a file depend on its notes alone; the test split is played by a font of its own."""
    split = choose(content, 0.05, 0.05)
    font = test_font if split == "test" else stream("midi", content).choice(fonts)
    stem = "".join(letter if letter.isalnum() else "_" for letter in path.stem)[:40]
    return Job(path, out / split / f"{stem}-{content[:12]}", font, most_seconds)


def render_all(jobs: Sequence[Job], workers: int, problems: list[scan.Problem], begin: Any) -> list[Job]:
    """Render what is missing; the jobs whose files are there."""
    done = [job for job in jobs if finished(job)]
    for job in jobs:
        job.base.parent.mkdir(parents=True, exist_ok=True)
    missing = [job for job in jobs if not finished(job)]
    tell = begin(len(jobs), len(done))
    for job, said in look_at(missing, workers, make):
        if said == "":
            done.append(job)
        else:
            problems.append(scan.Problem(str(job.path), scan.UNREADABLE, said))
        tell(1)
    order = {job.base: number for number, job in enumerate(jobs)}
    return sorted(done, key=lambda job: order[job.base])


def finished(job: Job) -> bool:
    """Whether the labels, which are written last, are there and were made in this way."""
    file = Path(f"{job.base}.json")
    if not file.is_file():
        return False
    made = plain.read_json(file).get("rendered")
    return bool(made == _way(job))


def _way(job: Job) -> dict[str, Any]:
    return {"version": VERSION, "font": job.font.sha256, "most_seconds": job.most_seconds}


_SYNTHS: dict[str, FontSynth] = {}


def make(job: Job) -> str:
    """Render and write one file; returns what went wrong, or nothing."""
    from flowmusic.corpus.midi import render

    try:
        score = midi.read(job.path)
        if job.font.sha256 not in _SYNTHS:
            _SYNTHS[job.font.sha256] = FontSynth(job.font.path)
        rendered = render(score, _SYNTHS[job.font.sha256], job.most_seconds)
    except (midi.MidiError, SynthError, OSError, MemoryError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    if not rendered.mix.any():
        return "it renders to silence"
    seconds = len(rendered.mix) / rendered.sample_rate
    labels = of_midi.labels(score)
    labels = {
        "source": job.path.name,
        "seconds": seconds,
        **cut(labels, seconds),
        "caption": midi_labels.caption(score, labels),
        "font": {"name": job.font.name, "sha256": job.font.sha256},
        "rendered": _way(job),
    }
    if score.notices:
        labels["notices"] = list(score.notices)
    _write(f"{job.base}.flac", partial(_flac, samples=rendered.mix, rate=rendered.sample_rate))
    if rendered.drums is not None:
        _write(f"{job.base}.drums.flac", partial(_flac, samples=rendered.drums, rate=rendered.sample_rate))
    _write(f"{job.base}.json", partial(_json, data=labels))
    return ""


def cut(labels: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Labels of the part of a piece that was rendered."""

    def times(given: Sequence[float]) -> list[float]:
        return [time for time in given if time < seconds]

    def notes(given: Sequence[Sequence[Any]]) -> list[list[Any]]:
        return [[row[0], min(row[1], seconds), *row[2:]] for row in given if row[0] < seconds]

    kept = dict(labels)
    kept["notes"] = {name: notes(rows) for name, rows in labels["notes"].items()}
    drums = labels["drums"]
    kept["drums"] = {
        "onsets": times(drums["onsets"]),
        "classes": {name: times(each) for name, each in drums["classes"].items()},
    }
    for name in ("beats", "downbeats"):
        if name in labels:
            kept[name] = times(labels[name])
    if "melody" in labels:
        kept["melody"] = notes(labels["melody"])
    return kept


def _write(name: str, write: Any) -> None:
    target = Path(name)
    with replacing(target) as temporary:
        write(temporary)


def _flac(path: Path, samples: Any, rate: int) -> None:
    import soundfile

    soundfile.write(os.fsencode(path), samples, rate, format="FLAC", subtype="PCM_16")


def _json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False) + "\n", **TEXT)


def _draft(job: Job, problems: list[scan.Problem]) -> Draft:
    """The rendered file; what was odd in the MIDI file is listed among the problems."""
    labels = Path(f"{job.base}.json")
    stem = Path(f"{job.base}.drums.flac")
    record = plain.read_json(labels)
    if record.get("notices"):
        problems.append(scan.Problem(str(job.path), MENDED, "; ".join(record["notices"])))
    return Draft(
        Path(f"{job.base}.flac"),
        text=(record["caption"],),
        split=job.base.parent.name,
        tags={"source": record["source"]},
        labels=labels,
        stems={"drums": stem} if stem.is_file() else {},
    )
