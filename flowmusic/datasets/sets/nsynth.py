"""NSynth: single notes of 1 006 instruments, four seconds each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from flowmusic import beside, plain
from flowmusic.datasets.scan import Problem, Scan
from flowmusic.datasets.sets.base import Begin, DataSet, Draft, complete, drafted, first_file

TABLES = ("examples.json", "nsynth-*/examples.json")
SPLITS = {"train": "train", "valid": "validation", "test": "test"}
MOST_TABLE = 512 * plain.MIB
"""Bytes; the training notes have 140 MB."""
LICENCE = "CC BY 4.0"
HELD_SECONDS = 3.0
"""A note is held for three of its four seconds and dies away in the last."""


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """``nsynth-{train,valid,test}`` below a folder, or one of them."""
    first_file(source, TABLES, "NSynth")
    drafts: list[Draft] = []
    problems: list[Problem] = []
    for table in sorted(found for name in TABLES for found in source.glob(name)):
        split = SPLITS.get(table.absolute().parent.name.rpartition("-")[2], "train")
        try:
            notes = plain.read_json(table, MOST_TABLE)
            if not isinstance(notes, dict):
                raise ValueError(f"it holds {type(notes).__name__}")
        except ValueError as error:
            raise ValueError(f"{plain.shown(table)} is not the table of NSynth ({plain.reason(error)})") from None
        told = [(name, {"name": name, "note": note}) for name, note in sorted(notes.items())]
        made, wrong = drafted(told, partial(_draft, table.parent, split), table)
        if wrong and not made:
            raise ValueError(f"{plain.shown(table)} is not the table of NSynth ({wrong[0].detail})")
        drafts, problems = [*drafts, *made], [*problems, *wrong]
    return complete(drafts, problems, "nsynth", out, workers, begin)


def _draft(folder: Path, split: str, row: Mapping[str, Any]) -> Draft:
    """Raises: KeyError, TypeError, ValueError for what is no note; StrayName."""
    note, name = row["note"], beside.file_name(row["name"], "the name of a note")
    family, source = str(note["instrument_family_str"]), str(note["instrument_source_str"])
    qualities = [str(each) for each in note.get("qualities_str", [])]
    return Draft(
        folder / "audio" / f"{name}.wav",
        text=(caption(family, source, qualities),),
        licence=LICENCE,
        split=split,
        tags={
            "instrument": family,
            "source": source,
            "qualities": ", ".join(qualities),
            "pitch": str(note["pitch"]),
            "velocity": str(note["velocity"]),
        },
        labels=partial(labels, int(note["pitch"]), int(note["velocity"])),
        label_name=f"{split}/{name}",
    )


def caption(family: str, source: str, qualities: list[str]) -> str:
    """What is known of a note, in words.

    >>> caption("synth_lead", "synthetic", ["bright", "long_release"])
    'a single note of a synthetic synth lead, bright, long release'
    """
    words = [each.replace("_", " ").replace("-", " ") for each in (family, *qualities)]
    article = "an" if source[:1] in "aeiou" else "a"
    return ", ".join([f"a single note of {article} {source} {words[0]}", *words[1:]])


def labels(pitch: int, velocity: int) -> dict[str, Any]:
    """One note, which is the melody, and no drums."""
    return {
        "notes": {"note": [[0.0, HELD_SECONDS, pitch, velocity]]},
        "melody": [[0.0, HELD_SECONDS, pitch]],
        "drums": {"onsets": []},
    }


SET = DataSet(
    name="nsynth",
    title="NSynth",
    hours="340 (305 979 notes of 4 s)",
    licence=LICENCE,
    commercial="yes, with credit",
    layout="nsynth-{train,valid,test}/examples.json and audio/NAME.wav, or one of these folders",
    where="magenta.tensorflow.org/datasets/nsynth",
    cite="Engel et al., Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders, ICML 2017",
    gives="a caption of family, source and qualities; the note as melody; no drums; its own splits",
    read=read,
)
