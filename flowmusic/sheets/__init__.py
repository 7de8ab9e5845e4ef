"""Lead sheets: bars with chords, a melody and sections, in the formats that people have them in.

    from flowmusic import sheets

    song = sheets.read("song.musicxml", form="A A B A")
    song.annotations.chords  # ((0.0, 1.25, 'Am'), (1.25, 2.5, 'F'), ...)

A format is read here and not by ``Annotations``, which every format is made of.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowmusic.sheets.formats import Reading

WRITTEN = (".cho", ".chopro", ".musicxml", ".mid", ".abc", ".ireal", ".jams", ".json", ".txt", ".labels")
"""Endings of the files that can be written (:data:`flowmusic.sheets.formats.WRITERS`), for those who must load fast."""


def read(path: str | Path, *, bpm: float | None = None, meter: str = "4/4", form: str | None = None) -> Reading:
    """Read a lead sheet or annotations of any known format, see :func:`flowmusic.sheets.formats.read`.

    Args:
        path: the file.
        bpm: tempo that it begins at; its own, or 120, if left out.
        meter: of chords as text, which say none.
        form: its sections in another order, such as ``A A B A``.

    Raises: ValueError naming the file, and the line or measure.
    """
    from flowmusic.controls.meter import check_bpm, parse_meter
    from flowmusic.sheets import formats

    return formats.read(path, None if bpm is None else check_bpm(bpm), parse_meter(meter), form)
