"""Slakh2100: pieces of the Lakh MIDI data set, rendered with sampled instruments, a stem for each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from flowmusic import beside, plain
from flowmusic.annotations import midi, of_midi
from flowmusic.datasets.captions import listed
from flowmusic.datasets.probe import Unusable
from flowmusic.datasets.scan import SIDECAR, Problem, Scan
from flowmusic.datasets.sets.base import Begin, DataSet, Draft, audio_folder, complete
from flowmusic.files import replacing

SPLITS = {"train": "train", "validation": "validation", "test": "test"}
OMITTED = "omitted"
LICENCE = "CC BY 4.0"


@dataclass(frozen=True)
class Stem:
    """One rendered instrument of a piece."""

    audio: Path
    midi: Path
    kind: str
    drums: bool


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """Tracks below a folder, ``{train,validation,test,omitted}/TrackNNNNN`` or ``TrackNNNNN`` alone.

    ``omitted`` of the redux version repeats pieces of other splits and is left out.  Where several stems are drums,
    their sum is written into ``OUT.audio/``.
    """
    drafts: list[Draft] = []
    problems: list[Problem] = []
    tables = sorted(source.rglob("metadata.yaml"))
    if not tables:
        raise ValueError(f"{source} is not Slakh2100: no TrackNNNNN/metadata.yaml below it")
    for table in tables:
        track = table.parent
        if track.parent.name == OMITTED:
            continue
        try:
            stems = stems_of(table)
        except ValueError as error:
            problems.append(Problem(str(track / "mix.flac"), SIDECAR, str(error)))
            continue
        drums = [stem.audio for stem in stems if stem.drums]
        summed = audio_folder(out) / f"{track.name}.drums.flac"
        kinds = [stem.kind for stem in stems]
        alone = {stem.kind.lower(): stem.audio for stem in stems if not stem.drums and kinds.count(stem.kind) == 1}
        whole = {"drums": drums[0] if len(drums) == 1 else summed} if drums else {}
        names = list(dict.fromkeys(kind.lower() for kind in kinds))
        drafts.append(
            Draft(
                track / "mix.flac",
                text=(f"music with {listed(names)}",) if names else (),
                licence=LICENCE,
                split=SPLITS.get(track.parent.name, "train"),
                tags={"instrument": ", ".join(names)},
                labels=partial(labels, track / "all_src.mid", tuple(stems)),
                label_name=track.name,
                stems={**alone, **whole},
                prepare=partial(add_up, tuple(drums), summed) if len(drums) > 1 else None,
            )
        )
    return complete(drafts, problems, "slakh2100", out, workers, begin)


def stems_of(table: Path) -> list[Stem]:
    """The stems that were rendered.  Raises: ValueError for a table that cannot be read."""
    try:
        parsed = plain.read_yaml(table)
        given: Mapping[str, Mapping[str, Any]] = parsed["stems"]
        return [
            Stem(
                table.parent / "stems" / f"{beside.file_name(name, 'stems')}.flac",
                table.parent / "MIDI" / f"{name}.mid",
                str(stem["inst_class"]),
                bool(stem["is_drum"]),
            )
            for name, stem in sorted(given.items())
            if stem.get("audio_rendered", True)
            and (table.parent / "stems" / f"{beside.file_name(name, 'stems')}.flac").is_file()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{plain.shown(table)} is not the metadata of a track ({plain.reason(error)})") from None


def labels(song: Path, stems: tuple[Stem, ...]) -> dict[str, Any]:
    """Of the notes that can be heard, stem by stem; beats by the tempo map of the whole.  Raises: MidiError."""
    parts = []
    for stem in stems:
        parts += [
            midi.Part(stem.kind, part.program, stem.drums, part.notes, part.volume)
            for part in midi.read(stem.midi).parts
        ]
    whole = midi.read(song)
    return of_midi.labels(replace(whole, parts=tuple(parts)))


def add_up(stems: tuple[Path, ...], out: Path) -> None:
    """Write the sum of some stems, 24 bits, so that drums on two tracks are one stem.  Raises: Unusable."""

    import numpy as np
    import soundfile

    if out.is_file():
        return
    try:
        read = [soundfile.read(os.fsencode(path), dtype="float32", always_2d=True) for path in stems]
    except soundfile.LibsndfileError as error:
        raise Unusable(f"its drum stems cannot be read ({error.error_string.strip()})") from None
    total = np.zeros((max(len(samples) for samples, _ in read), read[0][0].shape[1]), np.float32)
    for samples, _ in read:
        total[: len(samples)] += samples
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary:
        soundfile.write(os.fsencode(temporary), total, read[0][1], format="FLAC", subtype="PCM_24")


SET = DataSet(
    name="slakh",
    title="Slakh2100 (original or redux)",
    hours="145 (2100 pieces)",
    licence=LICENCE,
    commercial="yes, with credit; the songs behind the Lakh MIDI files have owners of their own",
    layout="{train,validation,test}/TrackNNNNN/{mix.flac,metadata.yaml,all_src.mid,stems/SNN.flac,MIDI/SNN.mid}",
    where="zenodo.org/records/4599666 (slakh2100_flac_redux)",
    cite="Manilow et al., Cutting Music Source Separation Some Slakh, WASPAA 2019",
    gives="stems (drums summed), exact notes and drum onsets, beats where the notes keep to them, a melody where one "
    "part clearly leads; a caption of the instruments; its own splits",
    read=read,
)
