"""NSynth: single notes of 1 006 instruments, four seconds each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from flowmusic.data.scan import Scan
from flowmusic.data.sets.base import Begin, DataSet, Draft, complete, first_file

TABLES = ("examples.json", "nsynth-*/examples.json")
SPLITS = {"train": "train", "valid": "validation", "test": "test"}
LICENCE = "CC BY 4.0"
HELD_SECONDS = 3.0
"""A note is held for three of its four seconds and dies away in the last."""


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """``nsynth-{train,valid,test}`` below a folder, or one of them."""
    first_file(source, TABLES, "NSynth")
    drafts = []
    for table in sorted(found for name in TABLES for found in source.glob(name)):
        split = SPLITS.get(table.absolute().parent.name.rpartition("-")[2], "train")
        try:
            notes = json.loads(table.read_text(encoding="utf-8"))
            drafts += [_draft(table.parent, name, note, split) for name, note in sorted(notes.items())]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{table} is not the table of NSynth ({error})") from None
    return complete(drafts, (), "nsynth", out, workers, begin)


def _draft(folder: Path, name: str, note: Mapping[str, Any], split: str) -> Draft:
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
