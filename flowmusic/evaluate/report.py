"""report.json and report.md: every row and metric, the anchors of the distances, the sweeps, and each clip."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowmusic.evaluate.cache import Take
from flowmusic.evaluate.conditions import ALONE, MODEL, ROWS, Condition
from flowmusic.evaluate.fad import ANCHORS, Distances
from flowmusic.evaluate.scorers import TakeScores
from flowmusic.evaluate.sweeps import Point
from flowmusic.evaluate.test_set import LabelledClip
from flowmusic.metrics import report as reports
from flowmusic.metrics.normalise import Interval, bootstrap
from flowmusic.metrics.report import SHUFFLED, Cell, Table

FAD = "fad"
AUDIOLDM_EVAL_FAD = "frechet_audio_distance"
"""What audioldm_eval calls it; at the top of report.json, for scripts that read that."""


@dataclass(frozen=True)
class Results:
    """Everything that an evaluation found.

    Args:
        distances, texture: Frechet distances over the chosen embedding, and over the one that hears harmonics.
        takes, heard: by system and by place of the clip; a system that does not apply to a clip has none.
        curve, grid: points of ``steps_curve`` and ``guidance_grid``.
        weights: the lists of ``guidance_grid``.
    """

    clips: Sequence[LabelledClip]
    takes: Mapping[Condition, Mapping[int, Take]]
    heard: Mapping[Condition, Mapping[int, TakeScores]]
    distances: Distances
    texture: Distances
    curve: Sequence[Point] = ()
    grid: Sequence[Point] = ()
    weights: Mapping[str, Sequence[float]] = field(default_factory=dict)


def scores_of(results: Results) -> dict[str, list[dict[str, float]]]:
    """Row -> metric -> score, a mapping per clip; rows of one system per control hold the scores of all of them."""
    found: dict[str, list[dict[str, float]]] = {}
    for row in ROWS:
        systems = [system for system in results.heard if system.row == row]
        if systems:
            found[row] = [{} for _ in results.clips]
        for system in systems:
            for place, heard in results.heard[system].items():
                found[row][place].update(heard.scores)
    return found


def sounds(metric: str) -> bool:
    """Whether a metric compares spectra; those have a table of their own."""
    return metric in ("si_sdr", "lsd", "lsd_high") or metric.startswith(("band_", "balance_"))


def sound_of(results: Results, seed: int = 0) -> dict[str, dict[str, Interval]]:
    """Row -> metric of its spectra and its distance over the second embedding -> mean with an interval."""
    found: dict[str, dict[str, Interval]] = {}
    for row, clips in scores_of(results).items():
        names = list(dict.fromkeys(name for clip in clips for name in clip if sounds(name)))
        cells = {name: bootstrap([clip.get(name, math.nan) for clip in clips], seed) for name in names}
        if row in results.texture.rows:
            cells[f"{FAD}_{results.texture.embedding}"] = results.texture.rows[row]
        if cells:
            found[row] = cells
    return found


def summarise(results: Results, notes: Mapping[str, str], seed: int, ceiling: str) -> Table:
    """The table of rows and metrics with its intervals; the distances are a metric among the others."""
    with warnings.catch_warnings():
        # A scale that tells nothing is a normalised score that is missing, which the report shows.
        warnings.simplefilter("ignore", UserWarning)
        scores = {
            row: [{name: value for name, value in clip.items() if not sounds(name)} for clip in clips]
            for row, clips in scores_of(results).items()
        }
        summary = reports.table(scores, notes, seed, ceiling)
    cells = {row: dict(metrics) for row, metrics in summary.cells.items()}
    for row, distance in results.distances.rows.items():
        cells[row][FAD] = Cell(distance, None)
    return Table(cells, summary.notes, ceiling)


def write(results: Results, summary: Table, settings: Mapping[str, Any], folder: Path, pictures: Sequence[str]) -> Path:
    """Write both files, and return report.md.

    Args:
        settings: plain data that tells how to repeat it.
        pictures: names of the figures that lie in the folder.
    """
    return reports.write(summary, folder, extra=_extra(results, settings), more=_more(results, summary, pictures))


def _extra(results: Results, settings: Mapping[str, Any]) -> dict[str, Any]:
    model = results.distances.rows.get(MODEL)
    distances = results.distances
    extra: dict[str, Any] = {
        "settings": dict(settings),
        AUDIOLDM_EVAL_FAD: None if model is None else _number(model.mean),
        "fad": {
            "embedding": distances.embedding,
            "patches": distances.patches,
            "channels": distances.channels,
            "anchors": {name: _plain(interval) for name, interval in distances.anchors.items()},
        },
    }
    extra["sound"] = {
        row: {name: _plain(interval) for name, interval in cells.items()} for row, cells in sound_of(results).items()
    }
    facts = [take.facts for system, takes in results.takes.items() if system.row == MODEL for take in takes.values()]
    if facts:
        extra["num_evals"] = facts[0]["num_evals"]
        extra["seconds_per_clip"] = sum(each["seconds_per_clip"] for each in facts) / len(facts)
    if results.curve:
        extra["steps_curve"] = [_point(point) for point in results.curve]
    if results.grid:
        extra["guidance_grid"] = [_point(point) for point in results.grid]
    extra["clips"] = [_clip(results, place) for place in range(len(results.clips))]
    return extra


def _clip(results: Results, place: int) -> dict[str, Any]:
    clip = results.clips[place]
    systems: dict[str, Any] = {}
    for system, heard in results.heard.items():
        if place in heard:
            found = heard[place]
            systems[system.name] = {"scores": dict(found.scores)}
            if found.nearest is not None:
                systems[system.name]["nearest_training_clip"] = found.nearest
    return {"id": clip.id, "text": clip.text, "systems": systems}


def _point(point: Point) -> dict[str, Any]:
    return {
        "steps": point.sampling.steps,
        "guidance": dict(point.sampling.guidance),
        "num_evals": point.num_evals,
        "scores": {metric: _plain(interval) for metric, interval in point.scores.items()},
        FAD: None if point.fad is None else _plain(point.fad),
    }


def _plain(interval: Interval) -> dict[str, Any]:
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {**{name: _number(value) for name, value in values.items()}, "count": interval.count}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _more(results: Results, summary: Table, pictures: Sequence[str]) -> str:
    parts = [normalised(summary), _anchors(results.distances), sound_table(results)]
    if ALONE in summary.cells:
        parts.append(one_at_a_time(summary))
    if results.curve:
        parts.append(_sweep("Steps", results.curve))
    if results.grid:
        parts.append(_sweep("Guidance", results.grid))
    parts += [f"![{Path(name).stem}]({name})" for name in pictures]
    return "\n" + "\n\n".join(parts) + "\n"


def normalised(summary: Table) -> str:
    """The normalised scores with their intervals; shuffled is 0 and the ceiling 1 by definition."""
    rows = {row: cells for row, cells in summary.cells.items() if row not in (SHUFFLED, summary.ceiling)}
    metrics = [metric for metric in summary.metrics if any(_has_norm(cells, metric) for cells in rows.values())]
    if not metrics:
        return "No metric tells the ceiling from shuffled on these clips, so there are no normalised scores."
    lines = ["## Normalised", "", f"| system | {' | '.join(metrics)} |", f"|---|{'---|' * len(metrics)}"]
    for row, cells in rows.items():
        shown = [_shown(cells[metric].norm if metric in cells else None) for metric in metrics]
        lines.append(f"| {row} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _has_norm(cells: Mapping[str, Cell], metric: str) -> bool:
    return metric in cells and cells[metric].norm is not None


def _anchors(distances: Distances) -> str:
    words = {
        ANCHORS[0]: "two random halves of the reference recordings: mean [least, greatest] of 10 splits",
        ANCHORS[1]: "recordings of another source (`fad_reference`)",
        ANCHORS[2]: "the model's takes from those of that other source",
    }
    lines = [f"FAD is {distances.note}. What it means here, for scale:", ""]
    lines += [f"- {words[name]}: {_shown(interval)}" for name, interval in distances.anchors.items()]
    return "\n".join(lines)


def sound_table(results: Results) -> str:
    """A line per figure, a column per row that has any."""
    found = sound_of(results)
    names = list(dict.fromkeys(name for cells in found.values() for name in cells))
    lines = [
        "## Sound",
        "",
        "dB; bands in Hz: `band` of the codec's energy, `balance` of a take's share of energy, both",
    ]
    lines += ["against the same clip's; `fad_*` in dB^2.", "", f"| figure | {' | '.join(found)} |"]
    lines.append(f"|---|{'---|' * len(found)}")
    lines += [f"| {name} | {' | '.join(_shown(cells.get(name)) for cells in found.values())} |" for name in names]
    return "\n".join(lines)


def one_at_a_time(summary: Table) -> str:
    """A row per metric: the control given alone with the text, with all the others, not at all, and swapped."""
    rows = [row for row in (ALONE, *(row for row in ROWS if row != ALONE)) if row in summary.cells]
    titles = {ALONE: "alone, with the text", MODEL: "with all others", SHUFFLED: "swapped"}
    lines = ["## One control at a time", "", f"| metric | {' | '.join(titles.get(row, row) for row in rows)} |"]
    lines.append(f"|---|{'---|' * len(rows)}")
    for metric in summary.cells[ALONE]:
        cells = [summary.cells[row].get(metric) for row in rows]
        lines.append(f"| {metric} | {' | '.join('–' if c is None else _cell(c) for c in cells)} |")
    return "\n".join(lines)


def _cell(cell: Cell) -> str:
    return f"{cell.raw.mean:.3f}" if cell.norm is None else f"{cell.raw.mean:.3f} → {cell.norm.mean:.2f}"


def _sweep(title: str, points: Sequence[Point]) -> str:
    metrics = sorted({metric for point in points for metric in point.scores})
    lines = [f"## {title}", "", f"| steps | evaluations | guidance | {' | '.join([*metrics, FAD])} |"]
    lines.append(f"|---|---|---|{'---|' * (len(metrics) + 1)}")
    for point in points:
        weights = ", ".join(f"{key}={weight:g}" for key, weight in point.sampling.guidance.items())
        cells = [_shown(point.scores[metric]) if metric in point.scores else "–" for metric in metrics]
        cells.append("diverged" if point.fad is None else _shown(point.fad))
        lines.append(f"| {point.sampling.steps} | {point.num_evals or '–'} | {weights} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(interval: Interval | None) -> str:
    return "–" if interval is None else f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
