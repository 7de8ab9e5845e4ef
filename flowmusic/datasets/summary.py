"""What a folder of shards holds, on one page: ``summary.md`` and ``summary.png``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flowmusic import disk, publishable
from flowmusic.controls.vocabulary import LABELS, split
from flowmusic.datasets.build import FAILURES, Built
from flowmusic.datasets.plan import Plan
from flowmusic.datasets.statistics import BPM_STEP, Statistics, total
from flowmusic.files import write_text

PAGE, PICTURE = "summary.md", "summary.png"
REASONS = 20
"""Failures told on the page, by reason; all are in ``failures.jsonl``."""
CHORDS = 24
"""Bars of the chord histogram."""


def write(built: Built, plan: Plan, out: Path) -> list[Path]:
    """Write page and picture; returns both, or the page alone where the picture cannot be written."""
    whole = total(built.statistics.values())
    written = [write_text(out / PAGE, page(built, plan, whole))]
    with disk.spared(out / PICTURE):
        draw(whole, out / PICTURE)
        written.append(out / PICTURE)
    return written


def page(built: Built, plan: Plan, whole: Statistics) -> str:
    """The page as Markdown."""
    size = sum(shard.bytes for index in built.indexes.values() for shard in index.shards)
    count = sum(len(index.shards) for index in built.indexes.values())
    hours = _hours(whole)
    lines = [
        "# What these shards hold",
        "",
        f"{hours:.2f} hours in {whole['clips']} clips and {count} shards; {size / 2**20:.1f} MiB, "
        f"{size / 2**20 / max(hours, 1e-9):.1f} MiB an hour. "
        f"{_share(whole['captioned'], whole['clips'])} of the clips have a caption.",
        "",
        f"![chords, tempo, and how much of the controls is known]({PICTURE})",
        "",
        "## Hours",
        "",
        *_table(
            ("split", "data set", "hours", "clips of the split"),
            (
                (name, dataset, f"{seconds / 3600:.2f}", str(found["clips"]))
                for name, found in built.statistics.items()
                for dataset, seconds in sorted(found["seconds"].items())
            ),
        ),
        "",
        "## Licences",
        "",
        *_table(
            ("licence", "hours"),
            ((name, f"{s / 3600:.2f}") for name, s in sorted(whole["licences"].items(), key=lambda item: -item[1])),
        ),
        "",
        "## Controls",
        "",
        "Known: share of the frames. Exact: share of the known frames that come from labels or stems (confidence 1). "
        "Confidence: mean over the known frames.",
        "",
        *_table(
            ("control", "known", "exact", "confidence"),
            (
                (
                    name,
                    _share(known, whole["frames"]),
                    _share(whole["exact"].get(name, 0), known),
                    f"{whole['sure'].get(name, 0.0) / known:.2f}" if known else "-",
                )
                for name, known in whole["known"].items()
            ),
        ),
        "",
        "## Left out",
        "",
        *(_table(("what", "how many"), ((reason, str(n)) for reason, n in plan.left_out.items())) or ["Nothing."]),
        "",
        "## Failed",
        "",
    ]
    if not built.failures:
        return "\n".join([*lines, "Nothing.", ""])
    reasons = Counter(_general(failure) for failure in built.failures)
    rows = ((str(n), reason) for reason, n in reasons.most_common(REASONS))
    lines += [f"{len(built.failures)} of {plan.clips} clips; `{FAILURES}` tells which.", ""]
    return "\n".join([*lines, *_table(("clips", "reason"), rows), ""])


def draw(whole: Mapping[str, Any], path: Path) -> None:
    """Chords and tempo as histograms, and the controls as bars."""
    from matplotlib.figure import Figure

    from flowmusic.annotations.plot import GRID_INK, INK, NOTE_INK, colour_of, save

    figure = Figure(figsize=(11, 6.2), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    top, left, right = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    frames = {name_of(int(number)): count for number, count in whole.get("chords", {}).items()}
    triads: Counter[str] = Counter()
    for name, count in frames.items():
        triads[_triad(name)] += count
    shown = triads.most_common(CHORDS)
    everything = max(sum(triads.values()), 1)
    top.bar([n for n, _ in shown], [100 * c / everything for _, c in shown], color=[colour_of(n) for n, _ in shown])
    top.set_ylabel("% of known frames")
    top.set_title(f"chords (by triad; the {len(shown)} most frequent of {len(triads)})", loc="left")
    bars = {int(bpm): count for bpm, count in whole.get("tempo", {}).items()}
    left.bar([bpm + BPM_STEP / 2 for bpm in bars], list(bars.values()), width=BPM_STEP * 0.9, color=NOTE_INK)
    left.set_xlabel("beats a minute")
    left.set_ylabel("clips")
    left.set_title("tempo", loc="left")
    names = list(whole.get("known", {}))
    known = [whole["known"][name] / max(whole["frames"], 1) for name in names]
    sure = [whole["sure"].get(name, 0.0) / max(whole["known"][name], 1) for name in names]
    places = range(len(names))
    right.barh([p - 0.2 for p in places], known, height=0.36, color=GRID_INK, label="share of frames known")
    right.barh([p + 0.2 for p in places], sure, height=0.36, color=NOTE_INK, label="mean confidence")
    right.set_yticks(list(places), names)
    right.set_xlim(0.0, 1.0)
    right.invert_yaxis()
    right.set_title("controls", loc="left")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False)
    for axes in (top, left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=INK)
    for axes, data, words in ((top, shown, "no chords are known"), (left, bars, "no tempo is known")):
        if not data:
            axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", color=INK)
    save(figure, path)


def name_of(number: int) -> str:
    """Label of a chord id of the controls."""
    return LABELS[number] if number < len(LABELS) else "?"


def _triad(name: str) -> str:
    """``F#m7/B`` -> ``F#m``."""
    chord = split(name)
    if chord is None:
        return name
    root = name[:2] if name[1:2] in ("#", "b") else name[:1]
    suffix = {"m7": "m", "m6": "m", "m7b5": "dim"}.get(chord.suffix, chord.suffix)
    return root + (suffix if suffix in ("m", "dim", "aug") else "")


def _general(failure: Mapping[str, Any]) -> str:
    """The reason without the name of the file, so that equal ones count together."""
    source = str(failure["source"])
    reason = str(failure["reason"]).replace(source, "FILE").replace(Path(source).name, "FILE")
    return publishable.prose(reason).replace("|", "/")


def _hours(found: Mapping[str, Any]) -> float:
    return float(sum(found["seconds"].values())) / 3600


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines] if lines else []
