"""The figures of a report: adherence per control, curves over field evaluations, and a map of guidance weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowmusic.annotations.plot import GRID_INK, INK, PAPER, save
from flowmusic.evaluate.conditions import ALONE, DROPPED, MODEL, OTHER_TEXT, TEXT_AND_FACTS, TEXT_ONLY, UNTOLD
from flowmusic.evaluate.sweeps import Point
from flowmusic.metrics.normalise import Interval
from flowmusic.metrics.report import CODEC, SHUFFLED, TRUTH, Table

SHOWN = ("chord_acc", "onset_f1", "melody_pc", "beat_f1", "text_cos", "text_attr")
"""The metrics that are drawn: one for each thing that can be asked for, and two for words."""
SCALE = (-0.5, 1.5)
"""Where the axis of normalised scores ends: a metric that hardly tells truth from shuffled gives wild ones."""
MARK_INCHES = 0.17
"""Between two marks of a metric."""
TITLES = {
    "chord_acc": "chords\n(agreement, maj/min)",
    "onset_f1": "drums\n(onset F1, 50 ms)",
    "melody_pc": "melody\n(pitch class)",
    "beat_f1": "beats\n(F1, 70 ms)",
    "text_cos": "text\n(cosine)",
    "text_attr": "text\n(attributes)",
}
MARKS = {
    MODEL: ("#e4572e", "o"),
    UNTOLD: ("#e4572e", "x"),
    ALONE: ("#f2a541", "D"),
    TEXT_AND_FACTS: ("#3a7d44", "s"),
    TEXT_ONLY: ("#8b929d", "s"),
    OTHER_TEXT: ("#8b929d", "v"),
    DROPPED: ("#8b929d", "X"),
    SHUFFLED: ("#b5179e", "v"),
    CODEC: ("#2f6690", "P"),
    TRUTH: ("#22252b", "|"),
}
COLOURS = {
    "chord_acc": "#e4572e",
    "onset_f1": "#2f6690",
    "melody_pc": "#3a7d44",
    "beat_f1": "#b5179e",
    "text_cos": "#f2a541",
    "text_attr": "#8b929d",
}


def adherence(summary: Table, path: Path) -> Path | None:
    """Raw and normalised scores of every row with their intervals; None where nothing was scored."""
    metrics = [metric for metric in SHOWN if metric in summary.metrics]
    if not metrics:
        return None
    systems = [system for system in MARKS if system in summary.cells]
    offsets = dict(zip(systems, spread(len(systems)), strict=True))
    figure = _figure(11.0, 1.3 + max(1.25, MARK_INCHES * len(systems)) * len(metrics))
    raw, scaled = figure.subplots(1, 2, sharey=True)
    for system in systems:
        colour, marker = MARKS[system]
        for place, metric in enumerate(metrics):
            cell = summary.cells[system].get(metric)
            if cell is None or cell.raw.count == 0:
                continue
            _dot(raw, cell.raw, place + offsets[system], colour, marker)
            if cell.norm is not None:
                _dot(scaled, _within(cell.norm, *SCALE), place + offsets[system], colour, marker)
                if not SCALE[0] <= cell.norm.mean <= SCALE[1]:
                    _name_far(scaled, cell.norm.mean, place + offsets[system], colour)
        raw.plot([], [], marker, color=colour, label=system, markersize=7)
    for axes, title in ((raw, "raw score"), (scaled, f"normalised: 0 = shuffled, 1 = {summary.ceiling}")):
        _plain(axes)
        axes.set_title(title, fontsize=10, color=INK, loc="left")
        axes.grid(axis="x", color=GRID_INK, linewidth=0.6)
        for place in range(1, len(metrics)):
            axes.axhline(place - 0.5, color=GRID_INK, linewidth=0.6)
    raw.set_yticks(range(len(metrics)), [TITLES[metric] for metric in metrics])
    raw.set_ylim(len(metrics) - 0.5, -0.5)
    scaled.set_xlim(SCALE[0] - 0.05, SCALE[1] + 0.05)
    raw.set_xlim(min(-0.02, raw.get_xlim()[0]), 1.02)
    for edge in (0.0, 1.0):
        scaled.axvline(edge, color=INK, linewidth=0.8)
    # As many lines as hold the names: seven are as wide as the figure.
    columns = math.ceil(len(systems) / math.ceil(len(systems) / 7))
    figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=9)
    return save(figure, path)


def spread(count: int) -> list[float]:
    """Places of marks one below another, within a metric's own strip, which is 1 high.

    >>> spread(3), [round(place, 2) for place in (spread(10)[0], spread(10)[-1])]
    ([-0.12, 0.0, 0.12], [-0.4, 0.4])
    """
    step = min(0.12, 0.8 / max(1, count - 1))
    return [(place - (count - 1) / 2) * step for place in range(count)]


def evaluations(points: Sequence[Point], summary: Table, halves: Interval, path: Path) -> Path:
    """Adherence, and distance below it, against the number of field evaluations; dashed is what real audio scores."""
    done = [point for point in points if point.num_evals is not None]
    figure = _figure(8.0, 6.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, 1.0])
    for metric in SHOWN:
        line = [(point.num_evals, point.scores[metric]) for point in done if metric in point.scores]
        if not line:
            continue
        colour, label = COLOURS[metric], TITLES[metric].replace("\n", " ")
        _line(above, line, colour, label)
        real = summary.cells.get(TRUTH, {}).get(metric)
        if real is not None:
            above.axhline(real.raw.mean, color=colour, linestyle="--", linewidth=0.9)
    _line(below, [(point.num_evals, point.fad) for point in done if point.fad is not None], "#22252b", "FAD")
    below.axhline(halves.mean, color="#22252b", linestyle="--", linewidth=0.9)
    for axes, label in ((above, "adherence (raw)"), (below, "FAD (lower is nearer)")):
        _plain(axes)
        axes.set_ylabel(label, color=INK, fontsize=9)
        axes.grid(color=GRID_INK, linewidth=0.5)
    above.set_ylim(-0.02, 1.02)
    below.set_ylim(bottom=0.0)
    ticks = sorted({point.num_evals for point in done if point.num_evals is not None})
    if ticks and ticks[-1] > 8 * ticks[0]:
        below.set_xscale("log")
    below.set_xticks(ticks, [str(tick) for tick in ticks])
    below.minorticks_off()
    below.set_xlabel("evaluations of the field for one take (dashed: the real recordings; FAD of two halves of them)")
    handles, labels = above.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return save(figure, path)


def guidance_map(points: Sequence[Point], grid: Mapping[str, Sequence[float]], path: Path) -> Path:
    """A panel per metric, and one for the distance, over one or two guidance weights."""
    import numpy as np

    keys = list(grid)
    across, up = grid[keys[0]], grid[keys[1]] if len(keys) > 1 else (0.0,)
    metrics = [metric for metric in SHOWN if any(metric in point.scores for point in points)]
    panels = [*metrics, "fad"]
    figure = _figure(max(3.2 * len(panels), 6.0), 1.9 + 0.55 * len(up))
    for axes, metric in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        values = np.full((len(up), len(across)), np.nan)
        for point in points:
            row = up.index(point.sampling.guidance[keys[1]]) if len(keys) > 1 else 0
            found = point.fad if metric == "fad" else point.scores.get(metric)
            if found is not None:
                values[row, across.index(point.sampling.guidance[keys[0]])] = found.mean
        # Dark is good in every panel.
        shown = -values if metric == "fad" else values
        axes.imshow(shown, origin="lower", cmap="Blues", aspect="auto")
        low, high = (np.nanmin(shown), np.nanmax(shown)) if np.isfinite(shown).any() else (0.0, 1.0)
        for (row, column), value in np.ndenumerate(values):
            dark = np.isfinite(value) and shown[row, column] > low + 0.6 * (high - low)
            text = f"{value:.2f}" if np.isfinite(value) else "diverged"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=PAPER if dark else INK)
        axes.set_xticks(range(len(across)), [f"{weight:g}" for weight in across])
        axes.set_yticks(range(len(up)), [f"{weight:g}" for weight in up] if len(keys) > 1 else [""])
        axes.set_xlabel(f"guidance: {keys[0]}", fontsize=9, color=INK)
        if len(keys) > 1:
            axes.set_ylabel(f"guidance: {keys[1]}", fontsize=9, color=INK)
        axes.set_title("FAD\n(lower is nearer)" if metric == "fad" else TITLES[metric], fontsize=9, color=INK)
        _plain(axes)
    return save(figure, path)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(axes: Any) -> None:
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    axes.set_axisbelow(True)


def _dot(axes: Any, interval: Interval, y: float, colour: str, marker: str) -> None:
    axes.plot([interval.low, interval.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt", alpha=0.75)
    axes.plot([interval.mean], [y], marker, color=colour, markersize=6, markeredgewidth=1.8 if marker == "|" else 0.6)


def _within(interval: Interval, low: float, high: float) -> Interval:
    """An interval with everything beyond a scale moved to its ends."""
    mean, lowest, highest = (min(max(value, low), high) for value in (interval.mean, interval.low, interval.high))
    return Interval(mean, lowest, highest, interval.count)


def _name_far(axes: Any, value: float, y: float, colour: str) -> None:
    """The figure of a mark that stands at the end of the scale because it is beyond it."""
    if value < SCALE[0]:
        axes.text(SCALE[0] + 0.05, y, f"← {value:.1f}", ha="left", va="center", fontsize=7, color=colour)
    else:
        axes.text(SCALE[1] - 0.05, y, f"{value:.1f} →", ha="right", va="center", fontsize=7, color=colour)


def _line(axes: Any, line: Sequence[tuple[int | None, Interval]], colour: str, label: str) -> None:
    x = [evals for evals, _ in line]
    axes.plot(x, [each.mean for _, each in line], "o-", color=colour, label=label, markersize=4, linewidth=1.6)
    axes.fill_between(x, [e.low for _, e in line], [e.high for _, e in line], color=colour, alpha=0.15, linewidth=0)
