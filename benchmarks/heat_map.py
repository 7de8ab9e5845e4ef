"""Heat maps side by side as PNG: a number per cell of two settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowmusic import paths
from flowmusic.annotations.plot import INK, PAPER, save


@dataclass(frozen=True)
class Panel:
    """One heat map: ``values[row][column]``, the first row at the bottom."""

    title: str
    values: Sequence[Sequence[float]]


def draw(
    panels: Sequence[Panel],
    rows: tuple[str, Sequence[float]],
    columns: tuple[str, Sequence[float]],
    path: str | Path,
    title: str,
) -> Path:
    """Write the panels, each on a colour scale of its own, whole or not at all.

    Args:
        panels: one or more, of one shape.
        rows, columns: name of the setting and its values.
        path: ends in ``.png``.
        title: above all.

    Raises: ValueError for a panel whose shape is not that of rows and columns.
    """
    for panel in panels:
        if [len(row) for row in panel.values] != [len(columns[1])] * len(rows[1]):
            raise ValueError(f"panel {panel.title!r} needs {len(rows[1])} rows of {len(columns[1])} values")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = max(4.2, 1.0 + 0.85 * len(columns[1]))
    height = max(3.2, 1.4 + 0.62 * len(rows[1]))
    figure = Figure(figsize=(width * len(panels), height), dpi=110, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(paths.shown(title), x=0.01, ha="left", fontsize=12, color=INK, parse_math=False)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        image = axes.imshow(panel.values, origin="lower", aspect="auto", cmap="Blues")
        axes.set_title(panel.title, fontsize=10, color=INK, loc="left", parse_math=False)
        axes.set_xticks(range(len(columns[1])), [f"{value:g}" for value in columns[1]])
        axes.set_yticks(range(len(rows[1])), [f"{value:g}" for value in rows[1]])
        axes.set_xlabel(columns[0], color=INK, fontsize=9)
        axes.set_ylabel(rows[0], color=INK, fontsize=9)
        axes.tick_params(colors=INK, labelsize=8, length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        for y, row in enumerate(panel.values):
            for x, value in enumerate(row):
                # White on the dark half of the colours, so that every number can be read.
                colour = PAPER if image.norm(value) > 0.6 else INK
                axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
    return save(figure, Path(path))
