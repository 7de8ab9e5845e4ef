"""``flowmusic extract``: audio in; controls.json, the drum stem and a picture of both out."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic.apps import flags
from flowmusic.apps.errors import DONE, UsageError, reading_input
from flowmusic.paths import beside, temporary_prefix

if TYPE_CHECKING:
    from feature_extractors.run import Extraction
    from flowmusic.apps.plot import Picture
    from flowmusic.types import Audio

STEM, PICTURE = "drums.wav", "controls.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Read chords, melody, drums and beats from a recording of any length.

Edit the chords in controls.json if you like, then:  flowmusic generate TEXT --controls DIR --use chords,drums"""
    parser.add_argument(
        "audio", type=flags.existing_file, metavar="AUDIO", help="WAV, FLAC, OGG, MP3; more with ffmpeg"
    )
    parser.add_argument("--out", type=flags.output_folder, metavar="DIR", help="default: AUDIO's name + .controls")


def run(args: argparse.Namespace) -> int:
    """Extract into a temporary folder beside the target, then move it into place."""
    from flowmusic.types import Audio

    with reading_input():
        audio = Audio.read(args.audio)
        out = args.out or default_folder(args.audio)
    from feature_extractors.drums import Drums
    from feature_extractors.run import Extractors, extract
    from feature_extractors.stems import best_available

    found = extract(
        audio,
        Extractors(drums=Drums(stems=best_available())),
        progress=lambda step: print(f"extracting: {step}", file=sys.stderr, flush=True),
    )
    for notice in found.notices:
        print(f"note: {notice}", file=sys.stderr)
    for path in write(found, audio, args.audio.name, out):
        print(path)
    return DONE


def default_folder(audio: Path) -> Path:
    """``song.wav`` -> ``song.controls`` beside it.  Raises: UsageError if that cannot be made."""
    try:
        return flags.output_folder(str(beside(audio, ".controls")))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"cannot write the default folder: {error}; choose another with --out") from None


def write(found: Extraction, audio: Audio, name: str, out: Path) -> list[Path]:
    """Write the folder; the files are complete before the first one appears in ``out``, controls.json the last.

    Returns: the files written, controls.json first.
    """
    from flowmusic.apps import plot
    from flowmusic.controls.files import NAME

    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=temporary_prefix(out.name)))
    try:
        stem = found.drum_stem
        has_stem = stem is not None and found.drums is not None and len(found.drums.onsets) > 0
        if stem is not None and has_stem:
            stem.write(temporary / STEM)
        plot.draw(picture(found, audio, name), temporary / PICTURE)
        found.sheet(name, stem=STEM if has_stem else None).write(temporary)
        os.chmod(temporary, 0o755)
        if not out.exists():
            os.replace(temporary, out)
        else:
            # A stem of an earlier run would belong to no JSON.
            if not has_stem:
                (out / STEM).unlink(missing_ok=True)
            for file in (STEM, PICTURE, NAME):
                if (temporary / file).exists():
                    os.replace(temporary / file, out / file)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [out / file for file in (NAME, STEM, PICTURE) if (out / file).exists()]


def picture(found: Extraction, audio: Audio, name: str) -> Picture:
    """The extraction as a picture's content."""
    from flowmusic.apps.plot import Picture

    samples = audio.samples.mean(0).numpy()
    melody, beats = found.melody, found.beats
    return Picture(
        title=name,
        seconds=found.seconds,
        chords=found.chords.changes if found.chords else (),
        notes=melody.notes if melody else (),
        onsets=found.drums.onsets if found.drums else (),
        beats=beats.beats if beats else (),
        downbeats=beats.downbeats if beats else (),
        bpm=beats.bpm if beats else None,
        waveform=samples,
        salience=melody.salience if melody else None,
        salience_times=melody.times if melody else None,
    )
