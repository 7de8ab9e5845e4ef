"""A take before and after an edit, as spectrograms one above the other, the regions marked (docs/editing.md).

python benchmarks/edit_picture.py take.wav edit.wav docs/editing.png
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from flowmusic import audio as tools
from flowmusic import plain

SIZE, HOP, TOP_HZ, FLOOR_DB = 1024, 320, 5000.0, -70.0
COLOURS = 10
"""Few, so that the picture is small."""


def decibels(path: Path) -> tuple[np.ndarray, float, float]:
    """Levels in dB below the loudest bin ``[bins, frames]``, seconds, and the highest frequency."""
    sound = tools.mono(tools.read(path))
    window = torch.hann_window(SIZE)
    power = torch.stft(sound.samples[0], SIZE, HOP, window=window, return_complex=True).abs().square()
    kept = power[: round(TOP_HZ / sound.rate * SIZE)]
    levels = 10.0 * torch.log10(kept.clamp(min=1e-12) / kept.max())
    return levels.numpy(), sound.seconds, TOP_HZ


def main() -> int:
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    before, after, out = (Path(name) for name in sys.argv[1:])
    record: Any = plain.read_json(after.with_suffix(".json"))
    regions = [span for edit in record["edits"] for span in edit.get("edit", [])]
    figure, rows = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
    for axes, path, name in zip(rows, (before, after), ("before", "after"), strict=True):
        levels, seconds, top = decibels(path)
        extent = (0.0, seconds, 0.0, top / 1000.0)
        colours = matplotlib.colormaps["magma"].resampled(COLOURS)
        shown: Any = {"cmap": colours, "interpolation": "nearest", "vmin": FLOOR_DB, "vmax": 0.0}
        axes.imshow(levels, origin="lower", aspect="auto", extent=extent, **shown)
        for start, end in regions:
            for edge in (start, end):
                axes.axvline(edge, color="white", linewidth=1.0, linestyle="--")
            axes.axvspan(start, end, ymin=0.97, color="white")
        axes.set_ylabel(f"{name}, kHz")
    rows[-1].set_xlabel("seconds; between the dashed lines all is new, outside no sample differs")
    figure.savefig(out, dpi=80)
    return 0


if __name__ == "__main__":
    sys.exit(main())
