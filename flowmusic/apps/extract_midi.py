"""``flowmusic extract`` of a MIDI file: what it says exactly as ``controls.json``, and a picture."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic.apps.errors import reading_input

if TYPE_CHECKING:
    from flowmusic.apps.plot import Picture
    from flowmusic.controls.files import ControlSheet


def extract(path: Path, out: Path, stem: str, picture: str) -> list[Path]:
    """Write a folder as for a recording, but for the drum stem: there is no sound.

    Args:
        stem, picture: names of the files in the folder; a stem of an earlier run is removed.

    Returns: the files written, controls.json first.
    """
    from flowmusic.apps import plot, scores
    from flowmusic.apps.asked import gathering
    from flowmusic.controls.files import NAME

    notices: list[str] = []
    with reading_input(), gathering(notices):
        sheet = scores.sheet(scores.read(path), path)
    for notice in notices:
        print(f"note: {notice}", file=sys.stderr)
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        plot.draw(drawn(sheet), temporary / picture)
        sheet.write(temporary)
        os.chmod(temporary, 0o755)
        if not out.exists():
            os.replace(temporary, out)
        else:
            (out / stem).unlink(missing_ok=True)
            for name in (picture, NAME):
                os.replace(temporary / name, out / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [out / NAME, out / picture]


def drawn(sheet: ControlSheet) -> Picture:
    """A control sheet as a picture's content."""
    from flowmusic.apps.plot import Picture

    return Picture(
        title=sheet.source,
        seconds=sheet.seconds,
        chords=sheet.chords or (),
        notes=sheet.melody or (),
        onsets=sheet.drums_onsets or (),
        beats=sheet.beats or (),
        downbeats=sheet.downbeats or (),
        bpm=sheet.bpm,
    )
