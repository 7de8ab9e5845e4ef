"""How a codec sounds: the figures of pairs, parts and sets together, as a table and as a verdict.

No figure stands alone.  A distance of sets falls when hiss fills what is missing, and the log-spectral distance rises
then; both fall only where what is missing comes back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from flowmusic.audio import Audio
from flowmusic.metrics import fad, texture
from flowmusic.metrics.attack import rise_milliseconds
from flowmusic.metrics.harmonicity import harmonic_to_noise
from flowmusic.metrics.normalise import Interval, bootstrap
from flowmusic.metrics.spectrum import HIGH_HZ, fidelity

EMBEDDINGS: Mapping[str, Callable[[Audio], np.ndarray]] = {
    fad.EMBEDDING: fad.mfcc_patches,
    texture.EMBEDDING: texture.band_texture,
}
LEAST_SI_SDR, MOST_LSD, MOST_BAND, MOST_FAD = 12.0, 6.0, 1.5, 3.5
"""What a codec that is to be listened to must reach, in dB, and in dB^2 for the distance over ``mfcc_patches``."""


@dataclass
class Sound:
    """Figures of the codec, clip by clip, and of the untouched clips where they have figures of their own."""

    codec: list[dict[str, float]] = field(default_factory=list)
    truth: list[dict[str, float]] = field(default_factory=list)
    embedded: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = field(
        default_factory=lambda: {name: ([], []) for name in EMBEDDINGS}
    )

    def add(self, rebuilt: Audio, original: Audio) -> dict[str, float]:
        """Hear a pair; returns its :func:`~flowmusic.metrics.spectrum.fidelity`."""
        scores = fidelity(rebuilt, original)
        self.codec.append(dict(scores))
        self.truth.append({})
        for name, (ours, theirs) in self.embedded.items():
            ours.append(EMBEDDINGS[name](rebuilt))
            theirs.append(EMBEDDINGS[name](original))
        return scores

    def add_melody(self, rebuilt: Audio, original: Audio, notes: Sequence[Sequence[float]]) -> None:
        """Hear the melody's part of the pair that was added last: ``hnr`` and, above 4 kHz, ``hnr_high`` in dB."""
        for row, part in ((self.codec[-1], rebuilt), (self.truth[-1], original)):
            row["hnr"] = harmonic_to_noise(part, notes)
            row["hnr_high"] = harmonic_to_noise(part, notes, HIGH_HZ)

    def add_drums(self, rebuilt: Audio, original: Audio, onsets: Sequence[float]) -> None:
        """Hear the drums of the pair that was added last: ``rise_ms`` of isolated hits."""
        for row, part in ((self.codec[-1], rebuilt), (self.truth[-1], original)):
            row["rise_ms"] = rise_milliseconds(part, onsets)

    def rows(self, seed: int = 0) -> dict[str, dict[str, Interval]]:
        """``codec`` and ``truth``: metric -> mean with its interval; the distances ``fad_*`` among them.

        That of ``truth`` is between random halves of the untouched clips.
        """
        found: dict[str, dict[str, Interval]] = {}
        for system, clips in (("codec", self.codec), ("truth", self.truth)):
            names = sorted({name for clip in clips for name in clip}, key=_order)
            found[system] = {name: bootstrap([clip.get(name, math.nan) for clip in clips], seed) for name in names}
        for name, (ours, theirs) in self.embedded.items():
            if len(ours) > 1:
                found["codec"][f"fad_{name}"] = fad.fad(ours, theirs)
                found["truth"][f"fad_{name}"] = fad.halves(theirs, seed)
        return found


def _order(name: str) -> tuple[int, float, str]:
    """Whole figures first, then bands from the lowest."""
    if name.startswith("band_"):
        return 1, float(name.removeprefix("band_").split("-")[0]), name
    return 0, 0.0, name


def misses(row: Mapping[str, Interval]) -> list[str]:
    """What keeps a codec's row of :meth:`Sound.rows` from passing, in words; none: it passes.

    >>> misses({"si_sdr": Interval(11.0, 10.0, 12.0, 4), "lsd": Interval(5.0, 4.5, 5.5, 4)})
    ['si_sdr 11.00 (at least 12)', 'fad_mfcc_patches nan (0 to 3.5)']
    """
    bars = {"si_sdr": (LEAST_SI_SDR, math.inf), "lsd": (0.0, MOST_LSD), f"fad_{fad.EMBEDDING}": (0.0, MOST_FAD)}
    bars |= {name: (-MOST_BAND, MOST_BAND) for name in row if name.startswith("band_")}
    found = []
    for name, (least, most) in bars.items():
        value = row[name].mean if name in row else math.nan
        if not least <= value <= most and not (name.startswith("band_") and math.isnan(value)):
            allowed = f"at least {least:g}" if math.isinf(most) else f"{least:g} to {most:g}"
            found.append(f"{name} {value:.2f} ({allowed})")
    return found


def to_markdown(rows: Mapping[str, Mapping[str, Interval]]) -> str:
    """A line per figure: the codec's mean with its interval, and the untouched clips' where they have one."""
    lines = ["| figure | codec | untouched |", "|---|---|---|"]
    for name, value in rows["codec"].items():
        other = rows["truth"].get(name)
        lines.append(f"| {name} | {_shown(value)} | {'–' if other is None else _shown(other)} |")
    return "\n".join(lines) + "\n"


def _shown(value: Interval) -> str:
    return f"{value.mean:.2f} [{value.low:.2f}, {value.high:.2f}]" if value.count else "–"
