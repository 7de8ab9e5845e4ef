"""MUSDB18 and MUSDB18-HQ: 150 songs in four stems."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

from flowmusic import disk
from flowmusic.datasets.probe import Unusable
from flowmusic.datasets.scan import Scan
from flowmusic.datasets.sets.base import Begin, DataSet, Draft, audio_folder, complete
from flowmusic.files import replacing

STREAMS = ("mixture", "drums", "bass", "other", "vocals")
"""Audio streams of a ``.stem.mp4``, in their order."""
STEMS = STREAMS[1:]
LICENCE = "education and research only; the songs of MedleyDB and a few others CC BY-NC-SA"
VALIDATION = frozenset({
    "Actions - One Minute Smile", "Clara Berry And Wooldog - Waltz For My Victims",
    "Johnny Lokke - Promises & Lies", "Patrick Talbot - A Reason To Leave", "Triviul - Angelsaint",
    "Alexander Ross - Goodbye Bolero", "Fergessen - Nos Palpitants", "Leaf - Summerghost", "Skelpolu - Human Mistakes",
    "Young Griffo - Pennies", "ANiMAL - Rockshow", "James May - On The Line", "Meaxic - Take A Step",
    "Traffic Experiment - Sirens",
})  # fmt: skip
"""The fourteen of the training songs that the field validates on."""


def read(source: Path, out: Path, workers: int = 1, begin: Begin = None) -> Scan:
    """``{train,test}/ARTIST - TITLE`` as folders of wav files (HQ) or as ``.stem.mp4``, which ffmpeg unpacks.

    Raises: ValueError for neither, and for ``.stem.mp4`` where there is no ffmpeg.
    """
    folders = sorted(path.parent for path in source.glob("*/*/mixture.wav"))
    packed = [] if folders else sorted(source.glob("*/*.stem.mp4"))
    if not folders and not packed:
        raise ValueError(f"{source} is not MUSDB18: no {{train,test}}/TRACK/mixture.wav and no TRACK.stem.mp4 below it")
    if packed and shutil.which("ffmpeg") is None:
        raise ValueError(
            f"{source} holds .stem.mp4 files, which ffmpeg unpacks, and ffmpeg is not here; install it, or take the "
            "wav files of MUSDB18-HQ"
        )
    drafts = [_draft(folder, folder.parent.name, folder.name) for folder in folders]
    for path in packed:
        name = path.name.removesuffix(".stem.mp4")
        folder = audio_folder(out) / path.parent.name / name
        drafts.append(_draft(folder, path.parent.name, name, path))
    return complete(drafts, (), "musdb18", out, workers, begin)


def _draft(folder: Path, part: str, name: str, packed: Path | None = None) -> Draft:
    suffix = ".wav" if packed is None else ".flac"
    artist, _, title = name.partition(" - ")
    return Draft(
        folder / f"mixture{suffix}",
        licence=LICENCE,
        split="test" if part == "test" else "validation" if name in VALIDATION else "train",
        tags={"artist": artist, "title": title} if title else {"title": name},
        stems={stem: folder / f"{stem}{suffix}" for stem in STEMS},
        prepare=None if packed is None else partial(unpack, packed, folder),
    )


def unpack(path: Path, folder: Path) -> None:
    """The five streams of a ``.stem.mp4`` as FLAC; what is there is not made again.  Raises: Unusable."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(STREAMS):
        target = folder / f"{name}.flac"
        if target.is_file():
            continue
        command = ["ffmpeg", "-v", "error", "-y", "-i", f"file:{path}", "-map", f"0:a:{number}", "-c:a", "flac"]
        with replacing(target) as temporary:
            done = subprocess.run(
                [*command, str(temporary)], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL
            )
            if done.returncode != 0:
                disk.check(target)  # if it is the disk that is full, that is what to say
                raise Unusable(f"ffmpeg cannot unpack it: {(done.stderr.strip().splitlines() or ['unknown'])[-1]}")


SET = DataSet(
    name="musdb18",
    title="MUSDB18 and MUSDB18-HQ",
    hours="10 (150 songs)",
    licence=LICENCE,
    commercial="no",
    layout="{train,test}/TRACK/{mixture,drums,bass,other,vocals}.wav (HQ), or {train,test}/TRACK.stem.mp4 with ffmpeg",
    where="zenodo.org/records/3338373 (HQ), zenodo.org/records/1117372",
    cite="Rafii et al., The MUSDB18 corpus for music separation, 2017, doi 10.5281/zenodo.1117372",
    gives="four stems; no captions; its own splits, with the field's 14 validation songs",
    read=read,
)
