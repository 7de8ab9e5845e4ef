"""A table of systems against metrics, raw and normalised, as markdown and as JSON; and the codec's gate."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowmusic import publishable
from flowmusic.files import write_text
from flowmusic.metrics.adherence import KEYS
from flowmusic.metrics.normalise import Interval, bootstrap, bootstrap_norm

SHUFFLED, TRUTH, CODEC = "shuffled", "truth", "codec"
GATE_KEYS = ("chord_acc", "onset_f1", "melody_pc")
GATE_KEEP = 0.9
_UNBOUNDED = frozenset({"si_sdr", "fad", "loss", "seconds", "num_evals", "copy", "copy_tokens"})
"""Metrics for which no-skill and truth make no scale: they are no shares, or more is not better."""


@dataclass(frozen=True)
class Cell:
    """One metric of one system: the raw mean, and the normalised one if both references are there."""

    raw: Interval
    norm: Interval | None


@dataclass(frozen=True)
class Table:
    """``cells[system][metric]``; ``notes`` say which detectors and clips they come from; ``ceiling`` scores 1."""

    cells: Mapping[str, Mapping[str, Cell]]
    notes: Mapping[str, str] = field(default_factory=dict)
    ceiling: str = TRUTH

    @property
    def metrics(self) -> tuple[str, ...]:
        present = {metric for row in self.cells.values() for metric in row}
        return (*(key for key in KEYS if key in present), *sorted(present - set(KEYS)))


@dataclass(frozen=True)
class Gate:
    """Whether a codec keeps enough; ``kept`` are its normalised scores (nan: could not be measured)."""

    passed: bool
    kept: Mapping[str, float]
    keep: float


def table(
    scores: Mapping[str, Sequence[Mapping[str, float]]],
    notes: Mapping[str, str] | None = None,
    seed: int = 0,
    ceiling: str = TRUTH,
) -> Table:
    """Summarise per-clip scores.

    Args:
        scores: system -> one mapping of metric to raw score a clip, the same clips in the same order for every
            system.  ``shuffled`` and ``ceiling`` are the references of the normalised scores.  A clip that lacks a
            metric (no drums were requested) is left out of that metric alone.
        notes: whatever the reader has to know: detectors, tolerance, data, seed.
        seed: of the bootstrap.
        ceiling: the system whose normalised score is 1.

    Raises: ValueError if systems differ in their number of clips.

    >>> rows = {"shuffled": [{"onset_f1": 0.4}] * 2, "truth": [{"onset_f1": 0.9}] * 2, "take": [{"onset_f1": 0.65}] * 2}
    >>> print(to_markdown(table(rows)).splitlines()[-3])
    | take | 0.650 [0.650, 0.650] → 0.50 |
    """
    lengths = {system: len(rows) for system, rows in scores.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"every system needs the same clips in the same order, got {lengths}")

    def column(system: str, metric: str) -> list[float]:
        return [float(clip.get(metric, math.nan)) for clip in scores[system]]

    cells: dict[str, dict[str, Cell]] = {}
    for system, rows in scores.items():
        cells[system] = {}
        for metric in sorted({key for clip in rows for key in clip}):
            raw = bootstrap(column(system, metric), seed)
            scaled = None
            if SHUFFLED in scores and ceiling in scores and metric not in _UNBOUNDED:
                references = column(SHUFFLED, metric), column(ceiling, metric)
                scaled = bootstrap_norm(column(system, metric), *references, seed)
                scaled = None if math.isnan(scaled.mean) else scaled
            cells[system][metric] = Cell(raw, scaled)
    return Table(cells, dict(notes or {}), ceiling)


def gate(summary: Table, system: str = CODEC, keys: Sequence[str] = GATE_KEYS, keep: float = GATE_KEEP) -> Gate:
    """Pass if ``system`` keeps at least ``keep`` of every normalised score in ``keys``; one that is absent fails.

    Raises: ValueError if the table has no such system.
    """
    if system not in summary.cells:
        raise ValueError(f"the table has no row {system!r}; it has {', '.join(summary.cells)}")
    kept: dict[str, float] = {}
    for key in keys:
        cell = summary.cells[system].get(key)
        kept[key] = cell.norm.mean if cell is not None and cell.norm is not None else math.nan
    return Gate(all(value >= keep for value in kept.values()), kept, keep)


def to_markdown(summary: Table) -> str:
    """One row a system: ``raw [low, high]`` and, after an arrow, the normalised score; the clips counted below."""
    metrics = summary.metrics
    lines = [f"| system | {' | '.join(metrics)} |", f"|---|{'---|' * len(metrics)}"]
    for system, row in summary.cells.items():
        lines.append(f"| {system} | {' | '.join(_cell(row.get(metric)) for metric in metrics)} |")
    counts = {m: max(row[m].raw.count for row in summary.cells.values() if m in row) for m in metrics}
    lines += ["", f"raw mean [95 % interval] → normalised (0 = shuffled, 1 = {summary.ceiling}). Clips: "]
    lines[-1] += ", ".join(f"{metric} {count}" for metric, count in counts.items()) + "."
    lines += [f"- {name}: {text}" for name, text in summary.notes.items()]
    return "\n".join(lines) + "\n"


def to_json(summary: Table) -> dict[str, Any]:
    """Plain data; what is not a number is null."""
    rows = {
        system: {
            metric: {"raw": plain(cell.raw), "norm": None if cell.norm is None else plain(cell.norm)}
            for metric, cell in row.items()
        }
        for system, row in summary.cells.items()
    }
    return {"systems": rows, "notes": dict(summary.notes)}


def write(
    summary: Table, folder: str | Path, name: str = "report", extra: Mapping[str, Any] | None = None, more: str = ""
) -> Path:
    """Write ``NAME.json`` (with ``extra`` keys) and ``NAME.md`` (with ``more`` below the table); returns the latter.

    Both are cleaned of credentials and of places on this machine (:mod:`flowmusic.publishable`).
    Raises: ValueError if the folder does not exist, OSError if it cannot be written.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"output folder does not exist: {folder}; create it first")
    plain = publishable.cleaned({**to_json(summary), **(extra or {})}, own=("text",))
    write_text(folder / f"{name}.json", json.dumps(plain, indent=2, allow_nan=False) + "\n")
    return write_text(folder / f"{name}.md", publishable.prose(to_markdown(summary) + more))


def _cell(cell: Cell | None) -> str:
    if cell is None or cell.raw.count == 0:
        return "–"
    text = f"{cell.raw.mean:.3f} [{cell.raw.low:.3f}, {cell.raw.high:.3f}]"
    return text if cell.norm is None else f"{text} → {cell.norm.mean:.2f}"


def plain(interval: Interval) -> dict[str, float | int | None]:
    """Plain data; what is not a number is null."""
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {**{k: v if math.isfinite(v) else None for k, v in values.items()}, "count": interval.count}
