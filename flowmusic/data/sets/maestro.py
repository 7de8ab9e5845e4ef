"""MAESTRO v3: piano recordings with the keys as they were pressed, to within 3 ms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flowmusic.controls import midi
from flowmusic.data.scan import Scan
from flowmusic.data.sets.base import Begin, DataSet, Draft, complete, first_file, rows

TABLES = ("maestro-v*.csv", "*/maestro-v*.csv", "maestro-v*.json", "*/maestro-v*.json")
COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename", "duration")
LICENCE = "CC BY-NC-SA 4.0"


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """The table of the data set with the audio and MIDI files that it names."""
    table = source if source.is_file() else first_file(source, TABLES, "MAESTRO")
    drafts = []
    for row in _rows(table):
        audio, score = table.parent / row["audio_filename"], table.parent / row["midi_filename"]
        drafts.append(
            Draft(
                audio,
                text=("solo classical piano",),
                licence=LICENCE,
                split=row["split"],
                tags={
                    "composer": row["canonical_composer"],
                    "title": row["canonical_title"],
                    "year": row["year"],
                    "genre": "classical",
                    "instrument": "piano",
                },
                labels=partial(labels, score),
                label_name=Path(row["audio_filename"]).with_suffix("").as_posix(),
            )
        )
    return complete(drafts, (), "maestro-v3", out, workers, begin)


def labels(path: Path) -> dict[str, Any]:
    """The notes exactly, that there are no drums, and a guess at the melody.

    The files have no beats: they were recorded without a click at a nominal 120 beats a minute.  The melody is the
    :func:`~flowmusic.controls.midi.skyline`, the upper line, and says so: exact in pitch and time, wrong where a middle
    voice or the left hand leads.  Raises: MidiError.
    """
    score = midi.read(path)
    notes = [note for part in score.parts for note in part.notes]
    return {
        "notes": {"piano": [[round(n.start, 4), round(n.end, 4), n.pitch, n.velocity] for n in sorted(notes)]},
        "melody": midi.skyline(notes),
        "melody_from": "skyline",
        "drums": {"onsets": []},
    }


def _rows(table: Path) -> Iterator[dict[str, str]]:
    if table.suffix == ".csv":
        yield from rows(table, COLUMNS)
        return
    try:
        columns = json.loads(table.read_text(encoding="utf-8"))
        for number in columns["audio_filename"]:
            yield {name: str(columns[name][number]) for name in COLUMNS}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{table} is not the table of MAESTRO ({error})") from None


SET = DataSet(
    name="maestro",
    title="MAESTRO v3",
    hours="199 (1276 performances)",
    licence=LICENCE,
    commercial="no",
    layout="maestro-v3.0.0.csv (or .json) beside the folders of years with .wav and .midi",
    where="magenta.tensorflow.org/datasets/maestro",
    cite="Hawthorne et al., Enabling Factorized Piano Music Modeling and Generation with the MAESTRO Dataset, 2019",
    gives="exact notes; melody as the skyline of them (a guess: exact notes, but the top voice does not always lead); "
    "no drums; one caption for all; its own splits",
    read=read,
)
