"""``flowmusic extract``: audio in; controls.json, the drum stem and a picture of both out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic import disk, options, progress
from flowmusic.apps.control_folder import PICTURE, STEM, placed, written
from flowmusic.errors import DONE, UsageError, reading_input
from flowmusic.paths import sibling

if TYPE_CHECKING:
    from feature_extractors.recording import Recording
    from feature_extractors.run import Extraction
    from flowmusic.annotations.plot import Picture
    from flowmusic.audio import Audio


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Read chords, melody, drums and beats from a recording of any length (of MIDI no chords).

Edit the chords in controls.json if you like, then:  flowmusic generate TEXT --controls DIR --use chords,drums

Level and polarity do not matter, from -60 to +20 dB; what is no more than soft hiss is silence.  Of channels that
cancel each other, or of which one is silent, the louder is heard, and a file that breaks off is read as far as it goes;
either is said.  What is longer than a song needs room on the disk of DIR while it is read, 2.5 GB for an hour."""
    parser.add_argument(
        "audio", type=options.existing_file, metavar="AUDIO", help="WAV, FLAC, OGG, MP3; more with ffmpeg; or MIDI"
    )
    parser.add_argument("--out", type=options.output_folder, metavar="DIR", help="default: AUDIO's name + .controls")
    options.add_threads(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress or notices; only the names of the files")
    parser.add_argument(
        "--no-stems", action="store_true", help=f"leave {STEM} out; generate then takes the onsets in controls.json"
    )


def run(args: argparse.Namespace) -> int:
    """Extract into a temporary folder beside the target, then move it into place."""
    progress.starting("flowmusic extract")
    from flowmusic.annotations.midi import is_midi

    if is_midi(args.audio):
        from flowmusic.apps import extract_midi

        for path in extract_midi.extract(args.audio, args.out or default_folder(args.audio)):
            print(path)
        return DONE

    def tell(step: str) -> None:
        print(f"extracting: {step}", file=sys.stderr, flush=True)

    with reading_input():
        out = args.out or default_folder(args.audio)
        tell("reading")
        from feature_extractors.recording import Recording

        recording = Recording.read(args.audio, scratch=out.parent)
    from feature_extractors.drums import Drums
    from feature_extractors.run import Extractors, extract
    from feature_extractors.separators import best_available

    found = extract(recording, Extractors(drums=Drums(stems=best_available())), progress=tell)
    for notice in found.notices:
        print(f"note: {args.audio.name}: {notice}", file=sys.stderr)
    for path in write(found, recording, args.audio.name, out, keep_stem=not args.no_stems):
        print(path)
    return DONE


def default_folder(audio: Path) -> Path:
    """``song.wav`` -> ``song.controls`` beside it.  Raises: UsageError if that cannot be made."""
    try:
        return options.output_folder(str(sibling(audio, ".controls")))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"cannot write the default folder: {error}; choose another with --out") from None


def write(found: Extraction, recording: Recording, name: str, out: Path, keep_stem: bool = True) -> list[Path]:
    """Write the folder; the files are complete before the first one appears in ``out``, controls.json the last.

    The picture is left out where it cannot be written.

    Returns: the files written, controls.json first.
    Raises: OSError that names what else cannot be.
    """
    from flowmusic.annotations import plot

    with placed(out) as temporary:
        stem = found.written_stem if keep_stem else None
        if stem is not None:
            stem.write(temporary / STEM)
        found.file(name, stem=None if stem is None else STEM).write(temporary)
        with disk.spared(out / PICTURE), disk.naming(out, temporary):
            plot.draw(picture(found, recording, name), temporary / PICTURE)
    return written(out)


def picture(found: Extraction, sound: Audio | Recording, name: str) -> Picture:
    """The extraction as a picture's content."""
    from feature_extractors.recording import Recording
    from flowmusic.annotations.plot import Picture

    melody = found.melody
    return Picture(
        title=name,
        annotations=found.annotations,
        waveform=Recording.of(sound).rows,
        salience=melody.salience if melody else None,
        salience_times=melody.times if melody else None,
    )
