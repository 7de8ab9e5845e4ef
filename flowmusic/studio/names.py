"""Names of files as workstations and sample browsers read them: ``name_090bpm_Am_4bars.wav``."""

from __future__ import annotations

import re

from flowmusic.paths import fitted
from flowmusic.sheets.chordpro import short_key

_UNWANTED = re.compile(r"[^\w.+#-]+")


def of(
    name: str,
    bpm: float | None = None,
    key: str | None = None,
    bars: int | None = None,
    part: str | None = None,
    suffix: str = ".wav",
) -> str:
    """A file name of what is known; tempo in three digits, so that names sort.

    >>> of("night drive", 90.0, "A minor", 4), of("night drive", 128.4, part="drums")
    ('night-drive_090bpm_Am_4bars.wav', 'night-drive_128bpm_drums.wav')
    """
    plain = _UNWANTED.sub("-", name).strip("-.") or "take"
    words = [f"{round(bpm):03d}bpm"] if bpm is not None else []
    # A sharp is no letter that every program takes in a name.
    words += [short_key(key).replace("#", "s")] if key is not None else []
    words += [f"{bars}bar{'s' * (bars != 1)}"] if bars is not None else []
    words += [_UNWANTED.sub("-", part)] if part is not None else []
    return fitted(plain, "".join(f"_{word}" for word in words) + suffix)
