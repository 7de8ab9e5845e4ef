"""Audiocraft's manifests, with what they do not say filled in: channels and hashes."""

from __future__ import annotations

from pathlib import Path

from flowmusic.datasets import manifest
from flowmusic.datasets.scan import Problem, Scan
from flowmusic.datasets.sets.base import Begin, DataSet, Draft, complete, drafted


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """A ``data.jsonl[.gz]``, or all of them below a folder (``egs/NAME/{train,valid,evaluate,generate}``).

    A recording that several of them name (``evaluate`` and ``generate`` often do) is taken once.
    """
    files = [source] if source.is_file() else sorted([*source.rglob("data.jsonl"), *source.rglob("data.jsonl.gz")])
    if not files:
        raise ValueError(f"{source} has no data.jsonl and no data.jsonl.gz below it")
    drafts: dict[str, Draft] = {}
    problems: list[Problem] = []
    for file in files:
        made, wrong = drafted(manifest.read_lines(file), _draft, file)
        problems += wrong
        for draft in made:
            drafts.setdefault(str(draft.audio), draft)
    return complete(list(drafts.values()), problems, "", out, workers, begin)


def _draft(entry: manifest.Entry) -> Draft:
    return Draft(Path(entry.path), entry.text, entry.licence, entry.split, entry.tags)


SET = DataSet(
    name="audiocraft",
    title="Manifests of Audiocraft",
    hours="yours",
    licence="yours",
    commercial="yours to say",
    layout="data.jsonl or data.jsonl.gz, in folders train, valid, evaluate, generate; music info as NAME.json",
    where="python -m audiocraft.data.audio_dataset",
    cite="nothing",
    gives="captions from description, genre, moods, instrument, keywords, bpm and key",
    read=read,
)
