"""The parts of an export laid out in time: chords, stems, parts of the MIDI file, loops (docs/studio.md).

python -m benchmarks.export_picture DIR docs/studio.png
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIGHT, DARK = "#b8c4ce", "#22252b"
PARTS = {"melody": "#e4572e", "lead": "#e4572e", "chords": "#2f6690", "bass": "#7a9e3a", "drums": "#8e6c88"}
STEMS = {"": "#5b6770", "drums": PARTS["drums"], "bass": PARTS["bass"], "vocals": PARTS["melody"], "other": "#2f6690"}
COLUMNS = 1200
"""Of a waveform: each shows the lowest and the highest sample of its share."""


def waveform(axes: Axes, path: Path, colour: str, start: float = 0.0) -> float:
    """Draw a file from some second on.  Returns: where it ends."""
    import soundfile

    samples, rate = soundfile.read(path, always_2d=True)
    one = samples.mean(1)
    parts = np.array_split(one, min(COLUMNS, len(one)))
    times = start + np.linspace(0.0, len(one) / rate, len(parts))
    axes.fill_between(times, [part.min() for part in parts], [part.max() for part in parts], color=colour, linewidth=0)
    return start + len(one) / rate


def named(folder: Path, files: list[str], suffix: str, part: str = "") -> list[Path]:
    """Files of an ending, by the part that their names end with; none for the whole."""
    from flowmusic.studio.stems import ORDER

    found = [folder / name for name in files if name.endswith(suffix)]
    return [
        path
        for path in found
        if (path.stem.endswith(f"_{part}") if part else not path.stem.endswith(tuple(f"_{each}" for each in ORDER)))
    ]


def draw(folder: Path, out: Path) -> None:
    """One row a part, on one axis of time."""
    import wavinfo
    from matplotlib.figure import Figure

    from flowmusic import plain
    from flowmusic.annotations import midi
    from flowmusic.sheets import formats

    index: Any = plain.read_json(folder / "export.json")
    files, whole = index["files"], [name for name in index["files"] if "/" not in name]
    (score_file,) = named(folder, whole, ".mid")
    score, told = midi.read(score_file), formats.read(score_file).annotations
    stems = {part: found[0] for part in STEMS if (found := named(folder, whole, ".wav", part))}
    loops = named(folder, [name for name in files if name.startswith("loops/")], ".wav")
    rows = ["chords", *(f"stem {part}" for part in stems), *(f"part {part.name}" for part in score.parts), "loops"]
    heights = [0.5 if row in ("chords", "loops") else 1.0 for row in rows]
    figure = Figure(figsize=(10, 0.75 * sum(heights) + 0.9), dpi=90, layout="constrained")
    places: dict[str, Axes] = dict(
        zip(rows, np.ravel(figure.subplots(len(rows), 1, sharex=True, height_ratios=heights)), strict=True)
    )
    for start, end, label in told.chords or ():
        places["chords"].axvspan(start, end, color=PARTS["chords"], alpha=0.2, linewidth=0)
        places["chords"].text((start + end) / 2, 0.5, label, ha="center", va="center", color=DARK)
    for name, path in stems.items():
        waveform(places[f"stem {name}"], path, STEMS[name])
    for part in score.parts:
        axes = places[f"part {part.name}"]
        for note in part.notes:
            axes.plot(
                [note.start, note.end], [note.pitch] * 2, color=PARTS[part.name], linewidth=3, solid_capstyle="butt"
            )
        axes.margins(y=0.2)
    for path in loops:
        axes, about = places["loops"], wavinfo.WavInfoReader(str(path))
        begin = about.bext.time_reference / about.fmt.sample_rate
        end = waveform(axes, path, STEMS[""], begin)
        axes.axvspan(begin, end, facecolor="none", edgecolor=DARK, linewidth=0.8)
        axes.text(begin + 0.05, 0.95, about.info.title, fontsize=7, va="top", transform=axes.get_xaxis_transform())
    for row, axes in places.items():
        axes.set_ylabel(
            "mix" if row == "stem " else row.replace(" ", "\n"), rotation=0, ha="right", va="center", fontsize=8
        )
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
        for time in told.downbeats or ():
            axes.axvline(time, color=LIGHT, linewidth=0.8, zorder=0)
    last = places[rows[-1]]
    last.set_xlim(0.0, index["seconds"])
    last.set_xlabel("seconds; grey lines are bars", fontsize=8)
    figure.savefig(out, metadata={"Software": None})


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
