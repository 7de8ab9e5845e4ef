"""MAESTRO v3: piano recordings with the keys as they were pressed, to within 3 ms."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flowmusic import beside, plain
from flowmusic.annotations import midi, midi_melody
from flowmusic.datasets.scan import Scan
from flowmusic.datasets.sets.base import Begin, DataSet, Draft, complete, drafted, first_file, rows

TABLES = ("maestro-v*.csv", "*/maestro-v*.csv", "maestro-v*.json", "*/maestro-v*.json")
COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename", "duration")
MOST_TABLE = 64 * plain.MIB
LICENCE = "CC BY-NC-SA 4.0"


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """The table of the data set with the audio and MIDI files that it names."""
    table = source if source.is_file() else first_file(source, TABLES, "MAESTRO")
    drafts, problems = drafted(_rows(table), partial(_draft, table.parent), table)
    return complete(drafts, problems, "maestro-v3", out, workers, begin)


def _draft(folder: Path, row: dict[str, str]) -> Draft:
    """Raises: StrayName for a file outside of the data set."""
    audio, score = (beside.relative(row[name], name) for name in ("audio_filename", "midi_filename"))
    return Draft(
        folder / audio,
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
        labels=partial(labels, folder / score),
        label_name=Path(audio).with_suffix("").as_posix(),
    )


def labels(path: Path) -> dict[str, Any]:
    """The notes exactly, that there are no drums, and a guess at the melody.

    The files have no beats: they were recorded without a click at a nominal 120 beats a minute.  The melody is the
    :func:`~flowmusic.annotations.midi_melody.skyline`, the upper line, and says so: exact in pitch and time, wrong
    where a middle voice or the left hand leads.  Raises: MidiError.
    """
    score = midi.read(path)
    notes = [note for part in score.parts for note in part.notes]
    return {
        "notes": {"piano": [[round(n.start, 4), round(n.end, 4), n.pitch, n.velocity] for n in sorted(notes)]},
        "melody": midi_melody.skyline(notes),
        "melody_from": "skyline",
        "drums": {"onsets": []},
    }


def _rows(table: Path) -> Iterator[tuple[int | str, dict[str, str] | str]]:
    if table.suffix == ".csv":
        yield from rows(table, COLUMNS)
        return
    columns = plain.read_json(table, MOST_TABLE, missing=True)
    if not isinstance(columns, dict) or not all(isinstance(columns.get(name), dict) for name in COLUMNS):
        raise ValueError(f"{plain.shown(table)} is not the table of MAESTRO: it has no columns {', '.join(COLUMNS)}")
    for number in columns["audio_filename"]:
        lacking = [name for name in COLUMNS if number not in columns[name]]
        found: dict[str, str] | str = {name: str(columns[name].get(number)) for name in COLUMNS}
        yield number, f"it has no {lacking[0]}" if lacking else found


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
