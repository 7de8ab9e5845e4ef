"""``flowmusic extract`` of a MIDI file: what it says exactly as ``controls.json``, and a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic import disk
from flowmusic.apps.control_folder import PICTURE, placed, written
from flowmusic.errors import reading_input

if TYPE_CHECKING:
    from flowmusic.annotations.json_file import ControlsFile
    from flowmusic.annotations.plot import Picture


def extract(path: Path, out: Path) -> list[Path]:
    """Write a folder as for a recording, but for the drum stem: there is no sound.

    Returns: the files written, controls.json first.
    Raises: UsageError for a file that cannot be read; OSError that names what cannot be written.
    """
    from flowmusic.annotations import plot
    from flowmusic.inputs import scores
    from flowmusic.inputs.request import gathering

    notices: list[str] = []
    with reading_input(), gathering(notices):
        sheet = scores.sheet(scores.read(path), path)
    for notice in notices:
        print(f"note: {notice}", file=sys.stderr)
    with placed(out) as temporary:
        sheet.write(temporary)
        with disk.spared(out / PICTURE), disk.naming(out, temporary):
            plot.draw(drawn(sheet), temporary / PICTURE)
    return written(out)


def drawn(sheet: ControlsFile) -> Picture:
    """A control sheet as a picture's content."""
    from flowmusic.annotations.plot import Picture

    return Picture(sheet.source, sheet.annotations)
