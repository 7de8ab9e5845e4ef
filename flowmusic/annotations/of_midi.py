"""What a MIDI file says exactly: drums, the beat, and sometimes a melody.

What it does not say is left out: beats that its notes do not keep to, bars that nobody counted, a lead among equals.
"""

from __future__ import annotations

from typing import Any

from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.midi import Score
from flowmusic.annotations.midi_labels import ON_GRID_SHARE, drum_onsets, on_grid, tempo
from flowmusic.annotations.midi_melody import lead_of, monophonic
from flowmusic.controls.meter import MAX_BPM, MIN_BPM


def annotations_of(score: Score) -> Annotations:
    """The annotations of a file, in seconds of the file as it is rendered.

    Drums are known, for a file without a kit has none; beats where :func:`~flowmusic.annotations.midi_labels.on_grid`
    believes them; the melody where one part is clearly the lead.
    """
    onsets, classes = drum_onsets(score)
    bpm, lead = tempo(score.beats), lead_of(score)
    believed = bpm is not None and MIN_BPM <= bpm <= MAX_BPM and on_grid(score) >= ON_GRID_SHARE
    rows = () if lead is None else monophonic(lead.notes)
    return Annotations(
        seconds=score.seconds,
        bpm=bpm if believed else None,
        meter=score.meter.name if believed and score.meter is not None else None,
        beats=score.beats if believed else None,
        downbeats=score.downbeats if believed and score.downbeats else None,
        melody=None if lead is None else tuple((start, end, int(pitch)) for start, end, pitch in rows),
        drums=DrumHits(tuple(onsets), {name: tuple(times) for name, times in classes.items()}),
    )


def labels(score: Score) -> dict[str, Any]:
    """The content of a labels file (:mod:`flowmusic.annotations.labels_file`), with all ``notes`` by part.

    ``seconds`` is left to whoever renders the file or has its recording; empty ``downbeats`` are not known.
    """
    known, lead = annotations_of(score), lead_of(score)
    hits = known.drums or DrumHits(())
    found: dict[str, Any] = {
        "notes": _notes(score),
        "drums": {
            "onsets": list(hits.onsets),
            "classes": {name: list(times) for name, times in (hits.classes or {}).items()},
        },
    }
    if known.beats is not None:
        found["beats"] = list(known.beats)
        found["downbeats"] = list(known.downbeats or ())
        found["bpm"] = known.bpm
        if known.meter is not None:
            found["meter"] = known.meter
    if known.melody is not None and lead is not None:
        found["melody"] = [list(note) for note in known.melody]
        found["melody_from"] = f"part {lead.name!r}"
    return found


def _notes(score: Score) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {}
    for number, part in enumerate(score.parts):
        name = part.name or ("drums" if part.drums else f"program {part.program}")
        key = name if name not in found else f"{name} {number}"
        found[key] = [[round(n.start, 4), round(n.end, 4), n.pitch, n.velocity] for n in part.notes]
    return found
