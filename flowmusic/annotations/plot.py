"""controls.png: chords, melody, drums and beats of a recording over one time axis."""

from __future__ import annotations

import colorsys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from flowmusic import paths
from flowmusic.annotations.annotation import Annotations
from flowmusic.files import replacing

if TYPE_CHECKING:
    import numpy as np

NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
INK, PAPER, GRID_INK, NOTE_INK = "#22252b", "#ffffff", "#c9cdd4", "#e4572e"
MAX_WIDTH_INCHES = 60.0
MAX_LABELS = 400
MAX_COLUMNS = 8000
"""More frames of salience than this are more than the widest picture has pixels."""


class Waveform(Protocol):
    """Samples that are read by slices, so that they may lie on disk."""

    def __len__(self) -> int: ...
    def __getitem__(self, which: slice, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Picture:
    """What to draw of a recording, whose length the annotations say; anything else may be unknown.

    Shape: salience ``[F, bins]`` at ``salience_times`` ``[F]``, its bins being semitones from ``salience_lowest``;
    waveform ``[N]`` of any rate over the whole length, which is read by slices.
    """

    title: str
    annotations: Annotations
    waveform: Waveform | None = None
    salience: np.ndarray | None = None
    salience_times: np.ndarray | None = field(default=None)
    salience_lowest: int = 43

    @property
    def seconds(self) -> float:
        """How long the recording lasts; 0 where that is not known."""
        return self.annotations.seconds or 0.0


def colour_of(label: str) -> tuple[float, float, float]:
    """A colour per root along the circle of fifths, so that related chords look related; minor is darker, N grey.

    >>> colour_of("N"), [round(part, 2) for part in colour_of("C")]
    ((0.86, 0.87, 0.89), [0.95, 0.63, 0.63])
    """
    root = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}.get(label[:1])
    if root is None or label[:2] == "N.":
        return (0.86, 0.87, 0.89)
    root += {"b": -1, "#": 1}.get(label[1:2], 0)
    fifths = root * 7 % 12
    rest = label[2:] if label[1:2] in ("b", "#") else label[1:]
    minor = rest.startswith(("m", ":m", "dim", ":dim")) and not rest.startswith(("maj", ":maj"))
    return colorsys.hsv_to_rgb(fifths / 12, 0.42 if minor else 0.34, 0.74 if minor else 0.95)


def draw(picture: Picture, path: str | Path) -> Path:
    """Write the picture as PNG, whole or not at all.

    Long recordings get a wider picture, up to 60 inches.  Raises: ValueError if the length is not positive.
    """
    if not picture.seconds > 0:
        raise ValueError(f"nothing to draw: the recording must last a positive time, got {picture.seconds} s")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    width = min(MAX_WIDTH_INCHES, max(11.0, 0.45 * picture.seconds))
    figure = Figure(figsize=(width, 6.4), dpi=110, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(3, 1, sharex=True, height_ratios=[1.0, 4.2, 1.7])
    given = picture.annotations
    tempo = f"   {given.bpm:.0f} bpm" if given.bpm else ""
    title = paths.shown(f"{picture.title}{tempo}")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=INK, parse_math=False)
    _chords(rows[0], picture)
    _melody(rows[1], picture)
    _rhythm(rows[2], picture)
    for row in rows:
        row.set_xlim(0.0, picture.seconds)
        for side in row.spines.values():
            side.set_visible(False)
        row.tick_params(colors=INK, labelsize=8, length=0)
        for beats, style in ((given.beats or (), (0, (1, 3))), (given.downbeats or (), "-")):
            _verticals(row, beats, *row.get_ylim(), color=GRID_INK, linewidth=0.7, linestyle=style, zorder=0.5)
    rows[-1].set_xlabel("seconds", color=INK, fontsize=9)
    return save(figure, path)


def save(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all.  Letters that no font here has become boxes, and nobody is told."""
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return path


def _chords(axes: Any, picture: Picture) -> None:
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], ["chords"])
    chords = picture.annotations.chords or ()
    spans = [(start, end, 0.5) for start, end, _ in chords]
    _bars(axes, spans, 0.9, [colour_of(label) for _, _, label in chords], edgecolors=PAPER, linewidths=1.5)
    # A label that is wider than its block would run into the next one.
    readable = [c for c in chords if c[1] - c[0] >= 0.013 * min(picture.seconds, 130.0) * max(1, len(c[2]) / 2)]
    for start, end, label in readable[:MAX_LABELS]:
        axes.text((start + end) / 2, 0.5, label, ha="center", va="center", fontsize=10, color=INK, parse_math=False)
    if not chords:
        _nothing(axes, "no chords")


def _melody(axes: Any, picture: Picture) -> None:
    import numpy as np

    notes = picture.annotations.melody or ()
    pitches = [midi for _, _, midi in notes]
    low, high = (min(pitches) - 4, max(pitches) + 4) if pitches else (48, 84)
    low, high = min(low, high - 16), max(high, low + 16)
    axes.set_ylim(low - 0.5, high + 0.5)
    ticks = [midi for midi in range(low, high + 1) if midi % 12 in (0, 4, 7)]
    axes.set_yticks(ticks, [f"{NAMES[midi % 12]}{midi // 12 - 1}" for midi in ticks])
    axes.set_ylabel("melody", color=INK, fontsize=9)
    if picture.salience is not None and picture.salience_times is not None and len(picture.salience_times) > 1:
        step = float(picture.salience_times[1] - picture.salience_times[0])
        first = float(picture.salience_times[0])
        bottom = picture.salience_lowest - 0.5
        # The strongest of each few frames: as many columns as can be seen, whatever the length.
        every = max(1, -(-len(picture.salience) // MAX_COLUMNS))
        rows = np.maximum.reduceat(picture.salience, np.arange(0, len(picture.salience), every))
        axes.imshow(
            rows.T,
            origin="lower",
            aspect="auto",
            cmap="Blues",
            vmin=0.0,
            vmax=max(1e-6, 1.3 * float(picture.salience.max())),
            extent=(
                first - step / 2,
                first + step * (len(rows) * every - 0.5),
                bottom,
                bottom + picture.salience.shape[1],
            ),
            interpolation="nearest",
            zorder=0,
        )
        axes.set_ylim(low - 0.5, high + 0.5)
    _bars(axes, notes, 0.55, NOTE_INK, alpha=0.9, zorder=3)
    if not notes:
        _nothing(axes, "no melody")


def _rhythm(axes: Any, picture: Picture) -> None:
    axes.set_ylim(0, 3)
    axes.set_yticks([0.5, 1.5, 2.5], ["beats", "drum onsets", "waveform"])
    if picture.waveform is not None and len(picture.waveform):
        low, high = _envelope(picture.waveform, 2000)
        top = max(1e-6, float(abs(low).max()), float(abs(high).max()))
        times = [picture.seconds * (i + 0.5) / len(low) for i in range(len(low))]
        axes.fill_between(times, 2.5 + 0.45 * low / top, 2.5 + 0.45 * high / top, color="#7a8596", linewidth=0)
    given = picture.annotations
    beats, downbeats = given.beats or (), given.downbeats or ()
    _verticals(axes, given.events("drums") or (), 1.1, 1.9, color="#2f6690", linewidth=1.3, zorder=3)
    axes.plot(beats, [0.5] * len(beats), "o", color="#7a8596", markersize=4, zorder=3)
    axes.plot(downbeats, [0.5] * len(downbeats), "o", color=INK, markersize=7, zorder=4)


def _envelope(samples: Waveform, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest sample of each of at most ``columns`` equal parts."""
    import numpy as np

    edges = np.linspace(0, len(samples), min(columns, len(samples)) + 1).astype(int).tolist()
    low, high = np.empty(len(edges) - 1), np.empty(len(edges) - 1)
    for n, (start, stop) in enumerate(zip(edges, edges[1:], strict=False)):
        part = samples[start:stop]  # one at a time: all of them may not fit in memory
        low[n], high[n] = part.min(), part.max()
    return low, high


def _bars(axes: Any, spans: Sequence[tuple[float, float, float]], height: float, colours: Any, **style: Any) -> None:
    """Horizontal bars ``(start, end, middle)`` as one artist: each patch takes 20 kB, and hours have thousands."""
    from matplotlib.collections import PolyCollection

    low, high = -height / 2, height / 2
    corners = [[(s, y + low), (e, y + low), (e, y + high), (s, y + high)] for s, e, y in spans]
    axes.add_collection(PolyCollection(corners, facecolors=colours, **style))


def _verticals(axes: Any, times: Sequence[float], low: float, high: float, **style: Any) -> None:
    """Vertical lines as one line with gaps, for the same reason."""
    import numpy as np

    places = np.repeat(np.asarray(times, float), 3)
    heights = np.tile([low, high, np.nan], len(times))
    axes.plot(places, heights, solid_capstyle="butt", dash_capstyle="butt", **style)


def _nothing(axes: Any, words: str) -> None:
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontsize=9, color="#8b929d")
